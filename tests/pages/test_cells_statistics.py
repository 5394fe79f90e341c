"""Sections Compare, Groups and Perturbation strength of the cell explorer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from streamlit.testing.v1 import AppTest

from core.data import get_dataset, store
from core.data.cells import cells_hash, validate_cells
from core.data.comparisons import list_comparisons
from core.data.selections import save_selection
from core.settings import PROJECT_ROOT, Settings
from pages._cells_compare import TEST_LABELS
from tests.pages.small import words, workplace

CELLS, LOG = "tiny", "tinylog"
HOSTILE = "<img src=x onerror=alert(1)> **b**"
FIGURES = ("Violin", "Dot plot", "Heat map", "Composition", "Gene against gene", "Markers")


def tiny() -> ad.AnnData:
    """120 cells, two conditions, three types (one hostile name), four donors; IFI6 answers."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, size=(120, 30))
    condition = np.repeat(["ctrl", "stim"], 60)
    counts[condition == "stim", 3] += 12
    types = np.tile(["T", "B", HOSTILE], 40)
    counts[types == "B", 5] += 9
    cells = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    cells.var_names = [
        "CD69",
        "IFI5",
        "LYZ",
        "IFI6",
        "CD3D",
        "MS4A1",
        *(f"G{i}" for i in range(24)),
    ]
    cells.obs_names = [f"c{i}" for i in range(120)]
    cells.obs["condition"] = condition
    cells.obs["cell_type"] = types
    cells.obs["donor"] = np.array(["d1", "d2"])[np.arange(120) // 15 % 2]
    cells.obs["sample"] = [f"{d}-{c}" for d, c in zip(cells.obs["donor"], condition, strict=True)]
    return cells


def put(id: str, cells: ad.AnnData, settings: Settings) -> None:
    """Store cells as an import does."""
    found = validate_cells(cells.copy())
    meta = {
        "label": id,
        "organism": found.organism,
        "values": found.values,
        "content_hash": cells_hash(found.cells),
    }
    store.write_cells(id, found.cells, settings, meta)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("cells")
    with workplace(folder / "workspace") as settings:
        cells = tiny()
        put(CELLS, cells, settings)
        log = cells.copy()
        log.X = log.X.log1p().multiply(1 / np.log(2)).tocsr()
        log.obs = log.obs[["condition"]]
        put(LOG, log, settings)
        yield settings


def opened(section: str, cells: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/cells.py")
    app.session_state["panel"] = section
    for name, value in {"cells": cells, **query}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def panel(section: str, cells: str = CELLS, **query: str) -> AppTest:
    app = opened(section, cells, **query)
    assert not app.error, [e.value for e in app.error]
    return app


def figures(app: AppTest) -> list[dict]:
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def test_compare_finds_the_gene_and_says_how(settings: Settings) -> None:
    app = panel("Compare")
    text = words(app)
    assert "stim (60 cells) against ctrl (60 cells)" in text
    table = app.dataframe[0].value
    assert table["Gene"].iloc[0] == "IFI6"
    assert table["log2 FC"].iloc[0] > 1
    volcano = figures(app)[0]
    named = [trace for trace in volcano["data"] if trace.get("mode") == "text"]
    assert "IFI6" in named[0]["text"]


def test_a_gene_picked_in_the_volcano_is_the_gene_in_use(settings: Settings) -> None:
    app = panel("Compare")
    app.session_state["volcano"] = {"selection": {"points": [{"customdata": "IFI5"}]}}
    app.run()
    assert not app.exception
    assert app.query_params["gene"] in ("IFI5", ["IFI5"])
    assert "IFI5" in words(app)
    app.button(key="compare-show").click().run()
    assert app.session_state["panel"] == "Explore"
    assert app.query_params["gene"] in ("IFI5", ["IFI5"])


@pytest.mark.parametrize("test", ["t-test", "t-test_overestim_var", "moderated-t", "welch"])
def test_every_test_runs(test: str, settings: Settings) -> None:
    app = panel("Compare", de_test=TEST_LABELS[test], de_sample="sample")
    change = app.dataframe[0].value.set_index("Gene")["log2 FC"]
    assert change.idxmax() == "IFI6"
    if test in {"moderated-t", "welch"}:
        assert "(4 sums)" in words(app)


def test_paired_pseudobulk(settings: Settings) -> None:
    app = panel("Compare", de_test=TEST_LABELS["moderated-t"], de_sample="sample", de_block="donor")
    assert app.dataframe[0].value["Gene"].iloc[0] == "IFI6"


def test_within_a_hostile_group(settings: Settings) -> None:
    app = panel("Compare", de_within="cell_type", de_part=HOSTILE)
    assert "stim in" in words(app)
    for spec in figures(app):
        assert HOSTILE not in json.dumps(spec["layout"])
        assert all(HOSTILE not in str(trace.get("name")) for trace in spec["data"])


def test_selections_are_compared_and_overlap_is_left_out(settings: Settings) -> None:
    key = str(get_dataset(CELLS, settings).content_hash)
    stim = np.arange(120) >= 60
    save_selection(key, "lassoed", stim, settings=settings)
    save_selection(key, "first half", np.arange(120) < 66, settings=settings, replace=True)
    app = panel("Compare", a="lassoed")
    assert "lassoed (60 cells) against all other cells (60 cells)" in words(app)
    app = panel("Compare", a="lassoed", b="first half")
    assert "6 cells are in both" in words(app)
    assert "lassoed (54 cells) against first half (60 cells)" in words(app)


def test_few_cells_are_one_sentence(settings: Settings) -> None:
    key = str(get_dataset(CELLS, settings).content_hash)
    save_selection(key, "pair", np.arange(120) < 2, settings=settings, replace=True)
    app = opened("Compare", CELLS, a="pair")
    assert [e.value.replace("\\", "") for e in app.error] == [
        "The group 'pair' has 2 cells: a test needs 3 or more."
    ]


def test_saved_comparisons_come_back(settings: Settings) -> None:
    app = panel("Compare")
    app.text_input(key="compare-name").set_value("stim v ctrl")
    app.button(key="compare-save-now").click().run()
    assert not app.exception
    key = str(get_dataset(CELLS, settings).content_hash)
    assert [c.name for c in list_comparisons(key, settings)] == ["stim v ctrl"]
    app = panel("Compare")
    assert app.selectbox(key="compare-saved").value == "stim v ctrl"
    app.button(key="compare-saved-delete").click().run()
    assert list_comparisons(key, settings) == []


def test_signature_goes_to_the_screen(settings: Settings) -> None:
    app = panel("Compare")
    app.button(key="compare-screen").click().run()
    assert not app.exception
    assert app.session_state["screen-up"].split()[0] == "IFI6"


def test_log_values_have_their_own_base(settings: Settings) -> None:
    app = panel("Compare", cells=LOG)
    assert "log2(1 + x), as their whole multiples show" in words(app)
    assert "Pseudobulk" not in " ".join(app.selectbox(key="de_test").options)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("cells", [CELLS, LOG])
def test_every_figure_of_groups_draws(cells: str, figure: str, settings: Settings) -> None:
    app = panel("Groups", cells=cells, fig=figure)
    assert figures(app) or "second one" in words(app)
    for spec in figures(app):
        assert HOSTILE not in json.dumps({"layout": spec["layout"]})


def test_violin_of_a_gene_set_and_in_halves(settings: Settings) -> None:
    app = panel("Groups", violin="Gene set", members="LYZ CD3D NOPE")
    assert "Not measured: NOPE" in words(app)
    app = panel("Groups", grp="cell_type", halves="condition")
    (spec,) = figures(app)
    assert {"ctrl", "stim"} <= {trace.get("name") for trace in spec["data"]}


def test_sections_do_not_read_each_others_genes(settings: Settings) -> None:
    app = opened("Explore", CELLS, by="Gene set", genes="LYZ CD3D")
    for figure in FIGURES:
        app.session_state["panel"], app.session_state["fig"] = "Groups", figure
        app.run()
        assert not app.exception and not app.error, figure
    app.session_state["fig"], app.session_state["violin"] = "Violin", "Gene set"
    app.run()
    assert app.text_input(key="members").value == "CD69 FOS JUN"
    app.session_state["panel"] = "Explore"
    app.run()
    assert not app.exception
    assert app.text_input(key="genes").value == "LYZ CD3D"


def test_the_address_names_the_genes_of_groups(settings: Settings) -> None:
    app = panel("Groups", fig="Dot plot", shown="LYZ|NOPE|IFI6")
    assert app.multiselect(key="shown-chips").value == ["LYZ", "IFI6"]
    app.multiselect(key="shown-chips").set_value(["IFI6"])
    app.run()
    assert app.query_params["shown"] in ("IFI6", ["IFI6"])
    (spec,) = figures(app)
    assert "IFI6" in json.dumps(spec) and "LYZ" not in json.dumps(spec["data"])
    app = panel("Groups", fig="Gene against gene", gx="ifi6", gy="LYZ")
    (spec,) = figures(app)
    assert spec["layout"]["xaxis"]["title"]["text"] == "IFI6"
    assert spec["layout"]["yaxis"]["title"]["text"] == "LYZ"
    app = panel("Groups", gene="LYZ")
    assert "LYZ" in figures(app)[0]["layout"]["yaxis"]["title"]["text"]


def test_markers_find_the_planted_gene(settings: Settings) -> None:
    app = panel("Groups", grp="cell_type", fig="Markers")
    table = app.dataframe[0].value
    assert table[table["Group"] == "B"]["Gene"].iloc[0] == "MS4A1"


def test_strength_by_type_and_in_pairs(settings: Settings) -> None:
    app = panel("Perturbation strength")
    text = words(app)
    assert "stim and ctrl differ in" in text
    assert "of 3 groups" in text
    assert "999 shuffles" in text
    table = app.dataframe[0].value
    assert (table["Used of each"] == 20).all()
    app = panel("Perturbation strength", strength="All pairs of groups", e_col="cell_type")
    assert "of 3 pairs of groups differ" in words(app)


def test_strength_of_all_cells_together(settings: Settings) -> None:
    app = panel("Perturbation strength", cells=LOG)
    assert "differ in 1 of 1 groups" in words(app)


def test_real_cells(shared_data: Path, settings: Settings) -> None:
    put("kang", ad.read_h5ad(shared_data / "kang_pbmc_ifnb.h5ad"), settings)
    app = panel("Compare", cells="kang")
    assert app.dataframe[0].value["Gene"].iloc[0] == "ISG15"
    app = panel("Perturbation strength", cells="kang", e_types="cluster_id")
    assert "stim and ctrl differ in 5 of 5 groups" in words(app)
    assert isinstance(app.dataframe[0].value, pd.DataFrame)
