"""Screen an uploaded CSV in the browser: rejected rows, the best hit in 3D, the table as a file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from core.molecules import viewer_script
from core.runs import RunState, get_run, run_here, stop_cluster
from core.studies.perturbation.config import PerturbationConfig
from tests.pages.small import TABLE

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Server, Visit

pytestmark = pytest.mark.browser
#: A worker imports torch first; on a busy machine that alone takes half a minute.
PATIENCE = 240_000
HOSTILE = "<img src=x onerror=alert(1)>"
#: A byte-order mark, semicolons, and rows that cannot be screened.
LIBRARY = f"""\ufeffcompound;SMILES;comment
aspirin;CC(=O)Oc1ccccc1C(=O)O;fine
"=HYPERLINK(1)";CN1C=NC2=C1C(=O)N(C(=O)N2C)C;a formula
{HOSTILE};ONC(=O)CCCCCCC(=O)Nc1ccccc1;markup
broken;C1CC;an open ring
nonsense;not a molecule;words
again;OC(=O)c1ccccc1OC(C)=O;aspirin, written differently
"""
#: Where the viewer's camera stands, from py3Dmol's own global variable.
_VIEW = """
() => {
  const name = Object.keys(window).find((key) => key.startsWith('viewer_'));
  return JSON.stringify(window[name].getView());
}
"""
#: Where the last point of the scatter's first trace lies on the screen, and its rank.
_POINT = """
(plot) => {
  const layout = plot._fullLayout, trace = plot._fullData[0], i = trace._length - 1;
  const box = plot.getBoundingClientRect();
  return {
    x: box.x + layout.xaxis._offset + layout.xaxis.d2p(trace.x[i]),
    y: box.y + layout.yaxis._offset + layout.yaxis.d2p(trace.y[i]),
    rank: trace.customdata[i],
  };
}
"""
ROW, HEADER = 96, 36


@pytest.fixture(scope="module")
def model(server: Server) -> Iterator[str]:
    """A small finished run of two models."""
    config = PerturbationConfig(
        name="browser model",
        dataset=TABLE,
        features=[{"name": "onehot"}, {"name": "morgan", "params": {"length": 256}}],
        models=[{"name": "knn"}, {"name": "compound_mean"}],
        validation={"n_folds": 2},
    )
    run_id = run_here("perturbation", config, settings=server.settings)
    assert get_run(run_id, settings=server.settings).state == RunState.FINISHED
    yield run_id
    stop_cluster(server.settings)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def choose(page: Page, key: str, name: str) -> None:
    """Press a segment of a segmented control."""
    page.locator(f".st-key-{key}").get_by_text(name, exact=True).click()


def click_a_point(visit: Visit) -> int:
    """Click the last point of the first trace of the scatter; returns its rank."""
    [plot] = visit.plots()
    plot.scroll_into_view_if_needed()
    visit.page.wait_for_timeout(500)
    at = plot.evaluate(_POINT)
    visit.page.mouse.move(at["x"], at["y"])
    visit.page.wait_for_timeout(300)
    visit.page.mouse.click(at["x"], at["y"])
    return int(at["rank"])


def turn_in_3d(visit: Visit) -> None:
    """Drag the 3D structure: its camera moves."""
    page = visit.page
    element = page.locator('[data-testid="stMain"] iframe').first
    element.wait_for(timeout=60_000)
    frame = None
    for _ in range(120):
        handle = element.element_handle()
        frame = handle.content_frame() if handle else None
        if frame is not None and frame.query_selector("canvas"):
            break
        page.wait_for_timeout(250)
    assert frame is not None and frame.query_selector("canvas"), "the 3D viewer drew nothing"
    element.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = element.bounding_box()
    assert box is not None
    before = frame.evaluate(_VIEW)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 40, steps=6)
    page.mouse.up()
    assert "NaN" not in before and frame.evaluate(_VIEW) != before


def test_upload_screen_open_the_best_hit_and_download(
    visit: Visit, model: str, tmp_path: Path
) -> None:
    page = visit.page
    file = tmp_path / f"library {HOSTILE.replace('/', '')}.csv"
    file.write_text(LIBRARY, encoding="utf-8")
    visit.open("/screen")

    choose(page, "screen-source", "Upload a file")
    page.locator('.st-key-screen-upload input[type="file"]').set_input_files(str(file))
    page.get_by_text("a table separated by semicolons").wait_for(timeout=60_000)
    visit.settle()
    assert "6 rows" in visit.text()
    page.get_by_text("1 matched").wait_for()
    assert "says nothing about real compounds" in visit.text()

    press(page, "Start the screen")
    page.wait_for_url(re.compile(r"screen=\d{8}-"), timeout=30_000)
    page.get_by_text("6 rows read").wait_for(timeout=PATIENCE)
    visit.settle()
    text = visit.text()
    assert "3 molecules ranked" in text and "1 duplicates merged" in text
    assert "2 rows rejected" in text
    visit.plots()

    visit.tab("Rejected rows")
    with page.expect_download() as caught:
        press(page, "Rejected rows as CSV")
    rejected = pd.read_csv(caught.value.path())
    assert rejected["row"].tolist() == [4, 5]
    assert (rejected["reason"].str.len() > 10).all()

    visit.tab("Ranking")
    press(page, "Open the best hit")
    page.wait_for_url(re.compile(r"hit=1"), timeout=30_000)
    visit.settle()
    visit.plots()
    if viewer_script.source().offline:
        turn_in_3d(visit)
    for view in ("Ranked effects", "Strongest genes", "Cell types"):
        choose(page, "hit-view", view)
        visit.settle()
        visit.plots()
    assert "could not be drawn" not in visit.text()

    # a reload shows the same hit
    page.reload()
    visit.settle()
    page.get_by_role("button", name="Back to the ranking", exact=True).wait_for(timeout=60_000)
    press(page, "Back to the ranking")
    page.get_by_text("3 of 3 molecules").wait_for(timeout=30_000)
    visit.settle()
    # a row and a point of the figure open their hits, too
    grid = page.locator('.st-key-screen-hits [data-testid="stDataFrame"]')
    grid.click(position={"x": 16, "y": HEADER + ROW + ROW // 2})
    page.wait_for_url(re.compile(r"hit=2"), timeout=30_000)
    visit.settle()
    press(page, "Back to the ranking")
    page.get_by_text("3 of 3 molecules").wait_for(timeout=30_000)
    visit.settle()
    rank = click_a_point(visit)
    page.wait_for_url(re.compile(rf"hit={rank}"), timeout=30_000)
    visit.settle()
    press(page, "Back to the ranking")
    page.get_by_text("3 of 3 molecules").wait_for(timeout=30_000)
    visit.settle()
    with page.expect_download() as caught:
        press(page, "CSV")
    text = Path(caught.value.path()).read_text(encoding="utf-8")
    table = pd.read_csv(io.StringIO(text))
    assert table["rank"].tolist() == [1, 2, 3]
    assert {"'=HYPERLINK(1)", HOSTILE, "aspirin"} == set(table["id"])
    assert table.loc[table["id"] == "aspirin", "n_rows"].tolist() == [2]
