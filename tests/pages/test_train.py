from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.runs import store
from core.settings import Settings
from core.studies.perturbation.config import PerturbationConfig
from tests.pages.small import TABLE, fake_run, open_page, small_table, words, workplace


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("train")) as settings:
        small_table(settings)
        yield settings


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[PerturbationConfig]:
    """What the page submits; nothing is trained."""
    caught: list[PerturbationConfig] = []

    def submit(study: str, config: PerturbationConfig, *, settings: Settings) -> str:
        assert study == "perturbation"
        caught.append(config)
        folder = store.create(study, config, settings)
        store.update(folder, state="cancelled", error="It was cancelled before it began.")
        return folder.name

    monkeypatch.setattr("core.runs.submit", submit)
    return caught


def start(app: AppTest) -> AppTest:
    app.button(key="start").click().run()
    assert not app.exception
    return app


def test_without_a_table_the_page_says_what_to_do(tmp_path) -> None:
    with workplace(tmp_path):
        app = open_page("train")
        assert "Data sets page" in words(app)


def test_the_form_starts_a_run_and_the_url_names_it(settings, submitted) -> None:
    app = start(open_page("train"))
    (config,) = submitted
    assert config.dataset == TABLE
    assert app.query_params["run"]
    assert "cancelled before it began" in words(app).replace("\\", "")


def test_every_registered_model_and_feature_can_be_chosen(settings) -> None:
    from core.featurizers.base import FEATURIZERS
    from core.models.base import MODELS

    app = open_page("train")
    labels = set(app.multiselect(key="train.quick.models").options)
    assert labels == {entry.label for entry in MODELS}
    labels = set(app.multiselect(key="train.quick.features").options)
    assert labels == {entry.label for entry in FEATURIZERS}


def test_what_is_entered_is_what_runs(settings, submitted) -> None:
    app = open_page("train")
    app.number_input(key="train.quick.training.epochs").set_value(3)
    app.selectbox(key="train.quick.validation.scheme").select("random")
    app.multiselect(key="train.quick.models").set_value(["mlp", "median"]).run()
    app.number_input(key="train.quick.models.mlp.head_width").set_value(32).run()
    start(app)
    (config,) = submitted
    assert config.training.epochs == 3
    assert config.validation.scheme == "random"
    assert [model.name for model in config.models] == ["mlp", "median"]
    assert config.models[0].params["head_width"] == 32


def test_presets_fill_the_form(settings, submitted) -> None:
    start(open_page("train", preset="Report: transformer"))
    assert [model.name for model in submitted[0].models] == ["transformer"]


def test_faults_stop_the_start_and_name_the_field(settings) -> None:
    app = open_page("train")
    app.multiselect(key="train.quick.features").set_value([]).run()
    assert app.button(key="start").disabled
    assert any("Features" in error.value for error in app.error)


def test_cautions_warn_but_do_not_forbid(settings) -> None:
    app = open_page("train")
    app.selectbox(key="train.quick.validation.scheme").select("leave-compound-out").run()
    assert any("fingerprints or substructures" in w.value for w in app.warning)
    assert not app.button(key="start").disabled


def test_simulated_data_is_labelled(settings) -> None:
    assert "Simulated data" in words(open_page("train"))


def test_a_run_can_be_taken_as_a_start(settings, submitted) -> None:
    training = {"epochs": 17, "learning_rate": 0.002}
    run_id = fake_run(settings, "from here", training=training)
    app = open_page("train", **{"from": run_id})
    assert "from here" in words(app)
    start(app)
    assert (submitted[0].training.epochs, submitted[0].training.learning_rate) == (17, 0.002)


def test_an_unknown_run_in_the_url_is_told_in_one_sentence(settings) -> None:
    app = open_page("train", run="20200101-000000-beef")
    assert len(app.error) == 1
    assert app.button(key="start") is not None  # the form is there all the same


def test_an_interrupted_run_can_be_resumed_from_here(settings) -> None:
    run_id = fake_run(settings, "cut", "interrupted", status={"error": "Its process stopped."})
    app = open_page("train", run=run_id)
    assert "Its process stopped" in words(app)
    assert app.button(key="progress-resume").label == "Resume"
