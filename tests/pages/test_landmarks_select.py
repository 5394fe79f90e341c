"""The sections of the landmarks page that choose and compare sets of genes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data.gene_lists import list_gene_lists, save_gene_list
from core.data.gene_sets import GeneSets
from core.runs import store
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.landmark_selection.config import LandmarkSelectionConfig
from pages import _landmarks_enrichment as enrichment
from tests.pages.small import open_page, words, workplace
from tests.studies.landmark_cells import cells_dataset

CELLS = "small-cells"
DATA = {"min_counts": 10, "gene_min_cells": 3, "gene_min_reads": 1}


def finished(settings: Settings) -> str:
    """A finished selection, as a worker leaves it."""
    config = LandmarkSelectionConfig.model_validate(
        {
            "name": "Small selection",
            "dataset": CELLS,
            "n_genes": 15,
            "n_bootstraps": 2,
            "selectors": [
                {"name": "random"},
                {"name": "group_lasso", "params": {"n_components": 5}},
                {"name": "design", "params": {"n_factors": 5}},
            ],
            "data": DATA,
        }
    )
    folder = store.create("landmark-selection", config, settings)
    study = STUDIES.get("landmark-selection").value
    study.run(config, StudyContext(folder=folder, settings=settings))
    moment = store.now()
    store.update(folder, state="finished", started=moment, ended=moment)
    return folder.name


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("landmarks")) as settings:
        cells_dataset(settings, CELLS)
        finished(settings)
        save_gene_list("Mine", ["PSME1", "ATF1", "CD69"], settings=settings)
        yield settings


@pytest.fixture(autouse=True)
def few_reads_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own filters are for real cells; the simulated ones have few reads and genes."""
    from core.studies.landmarks.config import LandmarkDataConfig

    for name, value in DATA.items():
        monkeypatch.setattr(LandmarkDataConfig.model_fields[name], "default", value)
    LandmarkDataConfig.model_rebuild(force=True)
    yield
    monkeypatch.undo()
    LandmarkDataConfig.model_rebuild(force=True)


def section(name: str, tab: str | None = None, key: str = "") -> AppTest:
    app = open_page("landmarks", cells=CELLS)
    app.session_state["section"] = name
    if tab is not None:
        app.session_state[key] = tab
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    return app


def test_scores_of_a_finished_selection(place: Settings) -> None:
    app = section("Select")
    said = words(app)
    assert "no selector saw" in said and "3 splits" in said
    table = next(f.value for f in app.dataframe if "held_mse" in f.value)
    assert set(table["set"]) == {"Random", "Group lasso", "Optimal design", "L1000"}
    assert table["held_mse"].is_monotonic_increasing
    assert len(app.get("plotly_chart")) == 1


@pytest.mark.parametrize("tab", ["Genes", "Path", "Cell types", "Stability", "Other tissue"])
def test_tabs_of_a_finished_selection(place: Settings, tab: str) -> None:
    app = section("Select", tab, "selection-tab")
    assert app.get("plotly_chart") or app.dataframe or app.info


def test_a_set_is_saved_as_a_list(place: Settings) -> None:
    app = section("Select", "Genes", "selection-tab")
    app.selectbox(key="selection-set").set_value("Optimal design").run()
    app.button(key="selection-save").click().run()
    assert not app.exception and not app.error
    saved = list_gene_lists(place)[-1]
    assert saved.name == f"Optimal design ({CELLS})" and len(saved) == 15
    assert saved.dataset == CELLS
    app.button(key="selection-save").click().run()
    assert any("already" in e.value for e in app.error)


def test_two_sets_are_a_venn_and_three_an_upset(place: Settings) -> None:
    app = section("Compare sets", "Overlap", "compare-tab")
    app.multiselect(key="compare-sets").set_value(["Group lasso", "Optimal design"]).run()
    assert not app.exception and not app.error
    pairs = next(f.value for f in app.dataframe if "p_more" in f.value)
    assert len(pairs) == 1 and pairs["n_a"][0] == 15
    app.multiselect(key="compare-sets").set_value(["Group lasso", "Optimal design", "L1000"]).run()
    pairs = next(f.value for f in app.dataframe if "p_more" in f.value)
    assert len(pairs) == 3
    assert "exactly the sets" in words(app)
    app.multiselect(key="compare-sets").set_value([]).run()
    assert "Choose a set" in words(app)


@pytest.mark.parametrize("tab", ["Level", "Genes", "Symbols"])
def test_tabs_of_the_comparison(place: Settings, tab: str) -> None:
    app = section("Compare sets", tab, "compare-tab")
    assert app.dataframe or app.info


def test_genes_name_their_reasons(place: Settings) -> None:
    app = section("Compare sets", "Genes", "compare-tab")
    table = app.dataframe[0].value
    why = table["why: Group lasso"][table["Group lasso"]]
    assert why.str.contains("enters at penalty|fills up").all()


def test_enrichment_says_its_background(place: Settings) -> None:
    app = section("Compare sets", "Gene Ontology", "compare-tab")
    said = words(app)
    assert "90 background genes" in said.replace("*", "") and "all tested terms" in said
    table = next(f.value for f in app.dataframe if "q_value" in f.value)
    assert table["p_value"].is_monotonic_increasing


def test_gsea_stays_when_something_else_is_touched(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prerank(ranking: pd.Series, sets: GeneSets, *, n_permutations: int) -> pd.DataFrame:
        assert len(ranking) == 90 and n_permutations == 100
        columns = ["term", "es", "nes", "p_value", "fdr", "size", "leading"]
        rows = [("up", 0.5, 1.9, 0.01, 0.02, 15, "A"), ("down", -0.4, -1.2, 0.2, 0.4, 20, "B")]
        return pd.DataFrame(rows, columns=columns)

    monkeypatch.setattr(enrichment, "prerank", prerank)
    app = section("Compare sets", "Gene Ontology", "compare-tab")
    app.segmented_control(key="go-test").set_value(enrichment.RANK).run()
    assert not any("nes" in f.value for f in app.dataframe)
    app.button(key="go-run").click().run()
    app.run()
    assert not app.exception and not app.error
    assert any("nes" in f.value for f in app.dataframe) and len(app.get("plotly_chart")) == 1
    app.segmented_control(key="go-rank").set_value("mean").run()
    assert not any("nes" in f.value for f in app.dataframe)


def test_a_bad_list_is_a_sentence(place: Settings) -> None:
    app = open_page("landmarks", cells=CELLS)
    app.session_state["section"] = "Compare sets"
    app.run()
    app.text_input(key="list-name").set_value("bad")
    app.text_area(key="list-text").set_value("INS <script>alert(1)</script>")
    app.button(key="list-save").click().run()
    assert not app.exception
    assert any("is not a gene symbol" in e.value.replace("\\", "") for e in app.error)


def test_the_form_names_what_may_be_chosen(place: Settings) -> None:
    app = section("Select")
    metrics = {m.label: m.value for m in app.metric}
    assert metrics["Allowed"] == "72" and metrics["Held out"] == "18"
    assert any("landmark-selection" in c.value for c in app.code)
    assert Path(place.workspace).is_dir()
