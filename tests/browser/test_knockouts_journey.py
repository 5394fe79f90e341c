"""Knock one gene out, then every third rank in a run; read it, reload, take the numbers home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from core.runs import stop_cluster
from tests.studies.knockouts_small import ID, store_small, write_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Server, Visit

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
#: A worker imports torch first; on a busy machine that alone takes minutes.
PATIENCE = 420_000


@pytest.fixture(scope="module")
def folder(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    store_small(server.settings)
    yield write_model(tmp_path_factory.mktemp("model") / "small")
    stop_cluster(server.settings)


def test_knock_out_a_gene_then_all_ranks(visit: Visit, folder: Path, tmp_path: Path) -> None:
    import pandas as pd

    page = visit.page
    visit.open(f"/knockouts?cells={ID}&model=folder&folder={folder}&cell=c0&gene=&view=now")
    visit.plots()
    assert "of 121 genes are in the vocabulary" in visit.text()

    # another rank is another gene, and the address names it
    gene = re.search(r"gene=([^&]+)", page.url)
    rank = page.get_by_label(re.compile("or its rank"))
    rank.fill("7")
    rank.press("Enter")
    page.wait_for_url(lambda url: gene is None or gene.group(0) not in url, timeout=60_000)
    visit.settle()
    visit.plots()
    for tab in ("Modes", "Responders", "Model and files", "Ranks"):
        visit.tab(tab)
        assert page.locator('[data-testid="stException"]').count() == 0, tab

    # a run over many ranks
    page.get_by_role("radio", name="New run", exact=True).or_(
        page.get_by_role("button", name="New run", exact=True)
    ).first.click()
    visit.settle()
    page.get_by_text("forward passes").first.wait_for(timeout=60_000)
    page.get_by_role("button", name="Start the knock-outs", exact=True).click()
    page.wait_for_url(re.compile(r"run=\d{8}-"), timeout=60_000)

    # when it ends it opens by itself
    page.wait_for_url(re.compile(r"knockouts=\d{8}-"), timeout=PATIENCE)
    visit.settle()
    for tab in ("Many ranks", "Modes", "Cells"):
        visit.tab(tab)
        visit.plots()
    assert page.locator('[data-testid="stException"]').count() == 0

    visit.tab("Model and files")
    with page.expect_download(timeout=60_000) as download:
        page.locator('[class*="st-key-"][class*="responses-parquet"] button').first.click()
    path = tmp_path / "responses.parquet"
    download.value.save_as(path)
    table = pd.read_parquet(path)
    assert {"cell", "mode", "knocked", "gene", "rank", "distance"} <= set(table)
    assert table["distance"].max() > 0

    # a reload loses nothing: the run, and the section, are in the address
    page.reload()
    page.get_by_role("tab", name="Model and files", exact=True, selected=True).wait_for(
        timeout=60_000
    )
    page.get_by_text("All numbers").wait_for(timeout=60_000)
    visit.settle()
    assert page.locator('[data-testid="stException"]').count() == 0
