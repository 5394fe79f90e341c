"""Train a model in the browser, reload, cancel, resume, and lay two runs over each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from core.runs import RunState, get_run, stop_cluster

if TYPE_CHECKING:
    from tests.browser.conftest import Server, Visit

PlaywrightTimeout = pytest.importorskip("playwright.sync_api").TimeoutError
pytestmark = pytest.mark.browser
TABLE = "small"
#: A worker imports torch first; on a busy machine that alone takes half a minute.
PATIENCE = 240_000
ROW, HEADER = 35, 36


@pytest.fixture(scope="module", autouse=True)
def _no_cluster_left_behind(server: Server) -> Iterator[None]:
    yield
    stop_cluster(server.settings)


def parameter(visit: Visit, name: str) -> str:
    return parse_qs(urlsplit(visit.page.url).query).get(name, [""])[0]


def press(visit: Visit, name: str) -> None:
    visit.page.get_by_role("button", name=name, exact=True).click()


def fill(visit: Visit, label: str, value: str) -> None:
    box = visit.page.get_by_label(label, exact=True).and_(visit.page.locator("input"))
    box.fill(value)
    box.press("Enter")
    visit.settle()


def begin(visit: Visit, name: str, epochs: int) -> str:
    """Start a run of the quick preset with a name and so many epochs; returns its id."""
    visit.open(f"/train?dataset={TABLE}")
    fill(visit, "Run name", name)
    visit.page.locator("summary", has_text="Training").click()
    fill(visit, "Epochs", str(epochs))
    until(visit, r"run=\d{8}-", lambda: press(visit, "Start training"))
    return parameter(visit, "run")


def until(visit: Visit, address: str, act: Callable[[], None]) -> None:
    """Act, and once more if the address has not changed: a busy machine may miss a click."""
    act()
    try:
        visit.page.wait_for_url(re.compile(address), timeout=30_000)
    except PlaywrightTimeout:
        visit.settle()
        if not re.search(address, visit.page.url):
            act()
        visit.page.wait_for_url(re.compile(address), timeout=60_000)


def state(visit: Visit, run: str) -> RunState:
    return get_run(run, settings=visit.server.settings).state


def trains(visit: Visit) -> None:
    words = visit.page.get_by_text(re.compile("Two-branch MLP, fold"))
    words.first.wait_for(timeout=PATIENCE)


def cancel(visit: Visit) -> None:
    press(visit, "Cancel")
    visit.page.get_by_role("button", name="Resume", exact=True).wait_for(timeout=PATIENCE)


def test_train_watch_cancel_resume_compare(visit: Visit) -> None:
    page = visit.page
    first = begin(visit, "first run", epochs=4)
    page.get_by_text("waiting for a worker").or_(
        page.get_by_text(re.compile("fold 1 of 3"))
    ).first.wait_for(timeout=PATIENCE)

    # a reload loses nothing: the run is in the URL
    page.reload()
    visit.settle()
    assert parameter(visit, "run") == first
    page.get_by_text("Finished: validation MRRMSE").wait_for(timeout=PATIENCE)
    visit.plots()
    assert page.locator(".st-key-progress-curves .js-plotly-plot").count() == 1

    second = begin(visit, "second run", epochs=500)
    trains(visit)
    cancel(visit)
    assert state(visit, second) == RunState.CANCELLED
    press(visit, "Resume")
    page.get_by_role("button", name="Cancel", exact=True).wait_for(timeout=30_000)
    trains(visit)
    cancel(visit)
    assert get_run(second, settings=visit.server.settings).attempt == 2

    # the newest run is the selected one; ticking the other lays both over each other
    page.get_by_role("link", name="Open in Runs").click()
    page.wait_for_url(re.compile(r"/runs\?"))
    visit.settle()
    assert parameter(visit, "runs") == second
    grid = page.locator('[data-testid="stDataFrame"]').first
    grid.locator("canvas").first.wait_for()
    until(visit, first, lambda: grid.click(position={"x": 16, "y": HEADER + ROW + ROW // 2}))
    visit.settle()
    assert set(parameter(visit, "runs").split(",")) == {first, second}
    visit.plots()
    legend = page.locator(".js-plotly-plot .legendtext").all_text_contents()
    assert {"first run", "second run", "best epoch"} <= set(legend)

    for panel, words in {
        "Scores": "Train, validation and test",
        "Cell types": "Baselines (grey)",
        "Predictions": "One pair, gene by gene",
        "Errors": "Pairs of largest error",
        "Parameters": "Where they come from",
        "Published": "this data is simulated",
    }.items():
        page.get_by_role("tab", name=panel, exact=True).click()
        page.get_by_text(words).first.wait_for(timeout=60_000)
        visit.settle()
        assert page.locator('[data-testid="stException"]').count() == 0
        assert parameter(visit, "panel") == panel

    # deleting asks first
    visit.tab("Curves")
    press(visit, "Delete 2 runs")
    page.get_by_text("Delete for good?").wait_for()
    visit.settle()
    press(visit, "Delete")
    # runs of other journeys may stand in this workspace: only these two are gone
    page.get_by_text("Delete for good?").wait_for(state="detached", timeout=60_000)
    page.wait_for_function(
        "ids => !ids.some((id) => location.search.includes(id))",
        arg=[first, second],
        timeout=60_000,
    )
    for run in (first, second):
        assert not (visit.server.settings.runs_folder / run).exists()
