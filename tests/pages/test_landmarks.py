"""The landmarks page: data, prediction form, results of a finished run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core import runs
from core.data.gene_lists import save_gene_list
from core.settings import Settings
from tests.pages.small import open_page, words, workplace
from tests.studies.landmarks_small import ID, small_config, store_small


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("landmarks-page")) as settings:
        store_small(settings)
        run_id = runs.run_here("landmarks", small_config(name="Small run"), settings=settings)
        record = runs.get_run(run_id, settings=settings)
        assert record.state == "finished", record.error
        yield settings


def landmarks(section: str) -> AppTest:
    """The page at one of its sections."""
    app = open_page("landmarks", cells=ID)
    control = next(c for c in app.get("button_group") if c.label == "Section")
    if control.value != section:
        control.set_value(section).run()
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    return app


def metrics(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def test_the_data_section_counts_cells_and_says_what_was_filtered(place: Settings) -> None:
    app = landmarks("Data")
    assert metrics(app)["Cells"] == "160"
    assert metrics(app)["Training cells"] == "128" and metrics(app)["Test cells"] == "32"
    text = words(app)
    assert "of the 978 L1000 landmarks" in text and "reads" in text
    assert len(app.get("plotly_chart")) >= 4


def test_tsne_is_placed_when_asked_for(place: Settings) -> None:
    app = landmarks("Data")
    before = len(app.get("plotly_chart"))
    toggle = next(t for t in app.toggle if t.label.startswith("Place"))
    toggle.set_value(True).run()
    assert not app.exception and not app.error
    assert len(app.get("plotly_chart")) == before + 1


def test_the_finished_run_is_open_with_both_metrics(place: Settings) -> None:
    app = landmarks("Predict")
    shown = metrics(app)
    assert {"Best MSE", "Best Weighted MSE"} <= set(shown)
    table = next(d.value for d in app.dataframe if "weighted_mse" in d.value)
    assert {"Mean", "Ridge regression", "Ensemble"} <= set(table["label"])
    assert "Nadeau" in words(app)


def test_the_address_names_the_run_that_is_open(place: Settings) -> None:
    record = runs.list_runs(study="landmarks", settings=place)[0]
    app = open_page("landmarks", cells=ID, section="Predict")
    assert record.id in app.query_params["result"]
    again = open_page("landmarks", cells=ID, section="Predict", result=record.id)
    assert "Best MSE" in metrics(again)
    gone = open_page("landmarks", cells=ID, section="Predict", result="20200101-000000-none")
    assert "Best MSE" in metrics(gone)


@pytest.mark.parametrize("tab", ["Cell types", "Genes", "Training", "Ensemble"])
def test_every_tab_of_the_results_draws(place: Settings, tab: str) -> None:
    app = open_page("landmarks", cells=ID)
    app.session_state["section"] = "Predict"
    app.session_state["landmarks-tab"] = tab
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    assert app.get("plotly_chart")


def test_an_own_list_is_matched_before_the_run(place: Settings) -> None:
    app = landmarks("Predict")
    control = next(c for c in app.get("button_group") if c.label == "Measured genes")
    control.set_value("Own list").run()
    assert "Name at least two genes" in words(app)
    area = next(a for a in app.text_area if a.label == "Symbols")
    area.set_value("G1, G2, G3 NOPE").run()
    assert "3 matched" in words(app) and metrics(app)["Measured"] == "3"
    code = " ".join(c.value for c in app.code)
    assert "core run landmarks" in code and "G1" in code


def test_a_saved_list_is_measured(place: Settings) -> None:
    app = landmarks("Predict")
    control = next(c for c in app.get("button_group") if c.label == "Measured genes")
    control.set_value("Saved list").run()
    assert "No list is saved yet" in words(app)
    save_gene_list("mine", ["G1", "G2", "NOPE"], source="by hand", dataset=ID, settings=place)
    app = landmarks("Predict")
    control = next(c for c in app.get("button_group") if c.label == "Measured genes")
    control.set_value("Saved list").run()
    assert not app.exception and not app.error
    assert metrics(app)["Measured"] == "2"
    assert "by hand" in words(app) and "has seen test cells" in words(app)
    assert any("mine" in c.value and "G1" in c.value for c in app.code)


def test_starting_submits_the_configuration_that_is_shown(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pages._landmarks_predict as section

    submitted: list[object] = []

    def submit(study: str, config: object, *, settings: Settings) -> str:
        submitted.append((study, config))
        return runs.list_runs(study="landmarks", settings=settings)[0].id

    monkeypatch.setattr(section, "submit", submit)
    app = landmarks("Predict")
    next(b for b in app.button if b.label == "Start").click().run()
    assert not app.exception
    (study, config), *_ = submitted
    assert study == "landmarks" and config.dataset == ID and config.genes == ()


def test_filters_that_leave_nothing_are_told_in_one_sentence(place: Settings) -> None:
    app = open_page("landmarks", cells=ID)
    field = next(n for n in app.number_input if n.label == "Counts a cell")
    field.set_value(1_000_000).run()
    assert not app.exception
    assert len(app.error) == 1 and "No cell is left" in words(app)


def test_the_runs_page_lists_the_run(place: Settings) -> None:
    record = runs.list_runs(study="landmarks", settings=place)[0]
    app = open_page("runs")
    table = next(d.value for d in app.dataframe if "Study" in d.value)
    assert table["Study"].tolist() == ["Landmark genes"]
    assert f"result={record.id}" in table["open"][0]
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
