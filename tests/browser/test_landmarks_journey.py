"""Landmarks in the browser: look at the cells, predict from an own list, read one gene."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from core.runs import RunState, get_run, stop_cluster
from tests.studies.landmarks_small import ID, store_small

if TYPE_CHECKING:
    from tests.browser.conftest import Server, Visit

pytestmark = pytest.mark.browser
#: A worker imports torch first; on a busy machine that alone takes half a minute.
PATIENCE = 240_000


@pytest.fixture(scope="module", autouse=True)
def _cells(server: Server) -> Iterator[None]:
    store_small(server.settings)
    yield
    stop_cluster(server.settings)


def parameter(visit: Visit, name: str) -> str:
    return parse_qs(urlsplit(visit.page.url).query).get(name, [""])[0]


def test_from_cells_to_one_predicted_gene(visit: Visit) -> None:
    visit.open(f"/landmarks?cells={ID}")
    visit.page.set_default_timeout(120_000)  # the form is long, and the machine may be busy
    visit.plots(4)
    assert "of the 978 L1000 landmarks" in visit.text()

    visit.page.get_by_role("radio", name="Predict", exact=True).click()
    visit.settle()
    assert parameter(visit, "section") == "Predict"
    visit.page.get_by_role("radio", name="Own list", exact=True).click()
    visit.settle()
    symbols = visit.page.get_by_label("Symbols", exact=True)
    symbols.fill("G0 G1 G2 G3 G4 G5, NOPE")
    symbols.press("Control+Enter")
    visit.page.get_by_text(re.compile("6 matched")).wait_for(timeout=60_000)
    visit.page.get_by_role("button", name="Start", exact=True).click()
    visit.page.wait_for_url(re.compile(r"run=\d{8}-"), timeout=60_000)
    run_id = parameter(visit, "run")
    visit.page.get_by_text("Best Weighted MSE").first.wait_for(timeout=PATIENCE)
    record = get_run(run_id, settings=visit.server.settings)
    assert record.state == RunState.FINISHED, record.error
    assert record.metrics["n_measured"] == 6

    visit.tab("Genes")
    visit.plots(2)
    address = visit.page.url
    visit.open(address.removeprefix(visit.server.url))
    visit.page.get_by_text("Best Weighted MSE").first.wait_for(timeout=60_000)
    assert parameter(visit, "result") == run_id
