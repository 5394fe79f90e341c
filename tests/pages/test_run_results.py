"""The panels of the Runs page on results of two real, tiny runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.runs import RunState, get_run, run_here
from core.settings import Settings
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.result import PerturbationResult
from tests.pages.small import TABLE, open_page, small_table, words, workplace

PANELS = ["Curves", "Scores", "Cell types", "Predictions", "Errors", "Parameters", "Published"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("results")) as settings:
        small_table(settings, n_genes=40)
        yield settings


@pytest.fixture(scope="module")
def ids(settings: Settings) -> list[str]:
    small = {"cell_width": 8, "molecule_width": 8, "head_width": 8}
    common = {
        "dataset": TABLE,
        "features": [{"name": "onehot"}],
        "validation": {"scheme": "random", "n_folds": 2},
        "training": {"epochs": 3, "patience": 0},
    }
    configs = [
        PerturbationConfig(name="net", models=[{"name": "mlp", "params": small}], **common),
        PerturbationConfig(
            name="pair", models=[{"name": "mlp", "params": small}, {"name": "median"}], **common
        ),
    ]
    found = [run_here("perturbation", config, settings=settings) for config in configs]
    for id in found:
        record = get_run(id, settings=settings)
        assert record.state == RunState.FINISHED, record.error
    return found


def result(settings: Settings, id: str) -> PerturbationResult:
    return PerturbationResult.load(settings.runs_folder / id)


def frame(app: AppTest, has: str) -> pd.DataFrame:
    """The table below the list of runs that has this column or index name."""
    tables = [table.value for table in app.dataframe[1:]]
    return next(t for t in tables if has in t.columns or has == t.index.name)


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_draws_for_one_and_for_two_runs(settings, ids, panel) -> None:
    for runs in (ids[0], ",".join(ids)):
        app = open_page("runs", runs=runs, panel=panel)
        assert not app.error
        assert "Simulated data" in words(app)


def test_the_table_shows_the_score_of_the_run(settings, ids) -> None:
    app = open_page("runs", runs=ids[0])
    row = app.dataframe[0].value.set_index("name").loc["net"]
    rows = result(settings, ids[0]).rows().query("model == 'mlp' and fold >= 0")
    assert row["mrrmse"] == pytest.approx(rows["rmse"].mean())
    mean = result(settings, ids[0]).rows().query("model == 'mean' and fold >= 0")["rmse"].mean()
    assert row["gain_mean"] == pytest.approx(100 * (1 - rows["rmse"].mean() / mean))


def test_scores_of_every_model_beside_the_baselines(settings, ids) -> None:
    app = open_page("runs", runs=",".join(ids), panel="Scores")
    table = frame(app, "pearson").set_index("series")
    assert {"net · Two-branch MLP", "pair · Ensemble", "Mean", "Zero"} <= set(table.index)
    rows = result(settings, ids[1]).rows()
    held = rows[(rows["model"] == "ensemble") & (rows["fold"] >= 0)]
    assert table.loc["pair · Ensemble", "mrrmse"] == pytest.approx(held["rmse"].mean())
    assert table.loc["Mean", "mean"] == 0
    splits = frame(app, "MRRMSE")
    assert list(splits.index) == ["Training loss", "Validation", "Public test", "Private test"]


def test_test_rows_are_scored_apart(settings, ids) -> None:
    app = open_page("runs", runs=ids[0], panel="Scores", pairs="Private test")
    table = frame(app, "pearson").set_index("series")
    assert set(table["n"]) == {155}


def test_published_figures_do_not_stand_beside_simulated_runs(settings, ids) -> None:
    app = open_page("runs", runs=",".join(ids), panel="Published")
    assert "Published figures do not apply: this data is simulated" in words(app)
    assert not app.get("plotly_chart")


def test_predictions_of_a_chosen_pair(settings, ids) -> None:
    app = open_page("runs", runs=ids[0], panel="Predictions")
    assert len(app.get("plotly_chart")) == 2
    app.selectbox(key="agreement-cell").select("NK cells").run()
    app.selectbox(key="agreement-compound").select("Idelalisib").run()
    assert not app.exception
    rows = result(settings, ids[0]).rows()
    row = rows.query(
        "model == 'mlp' and fold >= 0 and cell_type == 'NK cells' and sm_name == 'Idelalisib'"
    ).iloc[0]
    assert f"row RMSE {row['rmse']:.3f}" in words(app)


def test_differing_parameters_only(settings, ids) -> None:
    app = open_page("runs", runs=",".join(ids), panel="Parameters")
    table = frame(app, "Parameter")
    assert list(table.index) == ["models"]
    assert table.loc["models"].tolist() == ["mlp", "mlp, median"]


def test_the_worst_pairs_come_first(settings, ids) -> None:
    table = frame(open_page("runs", runs=ids[0], panel="Errors"), "sm_name")
    means = table.drop(columns=["cell_type", "sm_name"]).mean(axis=1).to_numpy()
    assert (np.diff(means) <= 1e-9).all()


def test_published_figures_stand_beside_runs_on_the_real_table(settings, ids, monkeypatch) -> None:
    """As if the run had been on the real table: its 155 and 100 test rows have their truth."""
    facts = {"dataset": "op2", "simulated": False, "n_genes": 18_211}

    def real(*, scored, **_):
        from core.studies.perturbation.published import comparable

        return comparable(scored=scored, **facts)

    monkeypatch.setattr("pages.components.run_published.comparable", real)
    app = open_page("runs", runs=ids[0], panel="Published")
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2
    text = words(app)
    assert "Kaggle private leaderboard" in text
    assert "155 rows, unclipped" in text
    assert "5,317" not in text.split("All published")[0]
