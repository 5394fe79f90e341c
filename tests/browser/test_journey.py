"""The main journey of a user, in a real browser."""

from __future__ import annotations

import dataclasses
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest

from core.data import load_perturbation, save_perturbation
from core.data.table import content_hash
from core.plots.export import file_stem
from tests.browser.conftest import Server, Visit
from tests.pages.small import TABLE

pytestmark = pytest.mark.browser

#: Section → number of its figures.
SECTIONS = {
    "Design": 2,
    "Gene": 1,
    "All genes": 3,
    "Pair": 2,
    "Correlation": 2,
    "Map": 1,
    "Strength": 1,
}
HOSTILE = '<img src=x onerror="alert(1)"> <a href="http://evil.example">x</a>'


def other_gene(server: Server) -> str:
    genes = load_perturbation(TABLE, server.settings).genes
    return next(str(g) for g in genes[5:] if not any(str(g) != h and str(g) in h for h in genes))


def test_a_bookmark_opens_first_after_the_start(visit: Visit) -> None:
    """Must stay the first of this file: it is the server's first visit."""
    visit.open(f"/explore?dataset={TABLE}&view=Gene")
    assert visit.page.get_by_role("link", name="Data sets").count() == 1
    assert visit.page.get_by_test_id("stSidebar").inner_text().count("PerturbScope 0") == 1
    assert len(visit.plots()) == 1


def test_from_home_to_a_gene_and_back_by_its_address(visit: Visit) -> None:
    gene = other_gene(visit.server)
    visit.open("/")
    visit.page.get_by_role("link", name="Open Explore").click()
    visit.tab("Gene")
    visit.page.locator(".st-key-gene-search input").wait_for()
    assert "Simulated data" in visit.text()
    first = visit.value("gene-search")
    assert first != gene
    visit.pick("gene-search", gene)
    title = visit.page.locator(".js-plotly-plot .ytitle", has_text=gene)
    title.wait_for()
    assert f"gene={gene}" in visit.page.url
    assert f"dataset={TABLE}" in visit.page.url
    shown = title.text_content()
    visit.open(visit.page.url.removeprefix(visit.server.url))
    assert visit.value("gene-search") == gene
    title.wait_for()
    assert title.text_content() == shown


def download(visit: Visit, name: str) -> tuple[str, bytes]:
    if not visit.page.get_by_role("button", name=name, exact=True).is_visible():
        visit.page.locator(".st-key-gene-effect-export button").first.click()
    with visit.page.expect_download() as caught:
        visit.page.get_by_role("button", name=name, exact=True).click()
    path = caught.value.path()
    return caught.value.suggested_filename, Path(path).read_bytes()


def test_a_figure_exports_as_png_svg_and_csv(visit: Visit) -> None:
    gene = other_gene(visit.server)
    visit.open(f"/explore?dataset={TABLE}&view=Gene&gene={gene}")
    assert visit.plots()
    stem = file_stem(TABLE, "train", gene)
    name, png = download(visit, "PNG")
    assert name == f"{stem}.png"
    assert png.startswith(b"\x89PNG")
    width = int.from_bytes(png[16:20], "big")
    assert width > 2000, "three times the screen's resolution"
    name, svg = download(visit, "SVG")
    assert name == f"{stem}.svg"
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert gene in svg.decode()
    name, csv = download(visit, "CSV")
    assert name == f"{stem}.csv"
    found = pd.read_csv(io.BytesIO(csv))
    table = load_perturbation(TABLE, visit.server.settings)
    train = table.rows(split="train")
    assert found["value"].to_numpy() == pytest.approx(table.gene(gene)[train], rel=1e-5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_section_draws_in_light_and_dark(scheme: str, visit: Visit) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    visit.open(f"/explore?dataset={TABLE}")
    for view, n_figures in SECTIONS.items():
        visit.tab(view)
        plots = visit.plots(n_figures)
        assert len(plots) == n_figures, view
        for plot in plots:
            box = plot.bounding_box()
            assert box, view
            assert box["width"] > 300, view
            assert box["height"] > 150, view
        assert "could not be drawn" not in visit.text(), view


def test_a_faulty_table_is_one_sentence(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("cell_type,sm_name,SMILES,G1\nT,ethanol,CCO,1.0\nT,methanol,C(O,2.0\n")
    visit.open("/datasets?kind=Import+your+own")
    visit.page.locator('input[type="file"]').set_input_files(path)
    visit.page.get_by_role("button", name="Check and import").click()
    alert = visit.page.get_by_test_id("stAlert")
    alert.wait_for()
    assert "C(O" in alert.inner_text()
    assert "Traceback" not in visit.text()
    assert visit.page.get_by_test_id("stException").count() == 0
    assert not (visit.server.settings.datasets_folder / "broken").exists()


def test_hostile_names_stay_words(visit: Visit) -> None:
    settings = visit.server.settings
    table = load_perturbation(TABLE, settings)
    part = table.take(table.rows(split="train")[:60])
    obs = part.obs.assign(sm_name=[f"{HOSTILE} {name}" for name in part.obs["sm_name"]])
    genes = pd.Index([f"{HOSTILE} {gene}" for gene in part.genes])
    hostile = dataclasses.replace(
        part, id="hostile", obs=obs, genes=genes, content_hash=content_hash(obs, genes, part.values)
    )
    save_perturbation(hostile, settings, label=HOSTILE)
    visit.open("/explore?dataset=hostile")
    for view in ("Design", "Gene", "Pair", "Map"):
        visit.tab(view)
        assert visit.plots(SECTIONS[view])
        main = visit.page.locator('[data-testid="stMain"]')
        assert main.locator('img[src="x"], a[href*="evil.example"]').count() == 0
    visit.open("/datasets")
    assert HOSTILE.split(">")[0] in visit.text()
    # Markdown links a bare address to itself, for all to see; a link under other words is none.
    assert visit.page.get_by_role("link", name="x", exact=True).count() == 0
    assert visit.page.locator('[data-testid="stMain"] img[src="x"]').count() == 0
