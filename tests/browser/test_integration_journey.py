"""Integrate two batches in the browser, lasso cells in one map, take the result home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from core.runs import stop_cluster
from tests.studies.integration_small import ID, small_cells, store_small

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Server, Visit

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
#: A worker imports torch and compiles UMAP first; on a busy machine that alone takes minutes.
PATIENCE = 420_000


@pytest.fixture(scope="module", autouse=True)
def _cells(server: Server) -> Iterator[None]:
    store_small(server.settings)
    yield
    stop_cluster(server.settings)


def test_integrate_select_and_take_home(visit: Visit, tmp_path: Path) -> None:
    import anndata

    page = visit.page
    visit.open(f"/integration?cells={ID}")
    assert "180 cells in 2 batches" in visit.text()
    box = page.get_by_label("Run name", exact=True).and_(page.locator("input"))
    box.fill("two donors")
    box.press("Enter")
    visit.settle()
    assert box.input_value() == "two donors"
    page.get_by_role("button", name="Start the integration", exact=True).click()
    page.wait_for_url(re.compile(r"run=\d{8}-"), timeout=60_000)

    # when it ends, its maps open by themselves, and the address names the run
    page.get_by_role("tab", name="Maps", exact=True).wait_for(timeout=PATIENCE)
    page.wait_for_url(re.compile(r"integration=\d{8}-"), timeout=60_000)
    visit.settle()
    plot = visit.plots()[0]
    assert plot.locator(".annotation-text", has_text="None (PCA)").count() == 1

    # a lasso around the first panel selects the same cells in all of them
    area = plot.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    left, top = area["x"] + 3, area["y"] + 3
    right, bottom = area["x"] + area["width"] - 3, area["y"] + area["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=6)
    page.mouse.up()
    page.get_by_text(re.compile(r"cells selected")).wait_for(timeout=60_000)
    visit.settle()
    assert "180 cells selected" in visit.text()
    page.get_by_role("button", name="Clear selection").click()
    page.get_by_text(re.compile(r"cells selected")).wait_for(state="detached", timeout=60_000)

    for tab, says in (
        ("Scores", "Floor of the batch ARI"),
        ("Resolutions", "Shaded: the range of the mean ARI"),
        ("Cell types", "Number of cells in brackets"),
        ("Correction", "pairs of cells of two batches"),
    ):
        visit.tab(tab)
        visit.plots()
        assert says in visit.text(), tab

    visit.tab("Files")
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="Integrated cells (h5ad)").click()
    path = tmp_path / "integrated.h5ad"
    download.value.save_as(path)
    cells = anndata.read_h5ad(path)
    assert cells.n_obs == small_cells().n_obs
    assert {"X_none", "X_harmony", "X_corrector"} <= set(cells.obsm)

    # a reload loses nothing
    page.reload()
    visit.settle()
    page.get_by_text("Opens in scanpy").wait_for(timeout=60_000)
    page.get_by_text("two donors").first.wait_for(timeout=60_000)
