from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.metrics.regression import bootstrap_ci
from core.studies.perturbation.grouping import (
    BASELINE,
    CHOSEN,
    gains,
    series_of,
    summarise,
    with_strength,
    worst_rows,
)


def scored(run: str, model: str, rmse: list[float], kind: str = CHOSEN) -> pd.DataFrame:
    n = len(rmse)
    return pd.DataFrame(
        {
            "run": run,
            "model": model,
            "label": model.upper(),
            "kind": kind,
            "row": np.arange(n),
            "split": "train",
            "cell_type": ["NK cells", "B cells", "B cells"][:n],
            "sm_name": [f"drug {i}" for i in range(n)],
            "rmse": rmse,
            "pearson": [np.nan] + [0.5] * (n - 1),
            "cosine": 0.25,
        }
    )


def two_runs(second_mean: list[float]) -> pd.DataFrame:
    return pd.concat(
        [
            scored("a", "mean", [1.0, 2.0, 3.0], BASELINE),
            scored("a", "mlp", [0.5, 1.0, 2.0]),
            scored("b", "mean", second_mean, BASELINE),
            scored("b", "mlp", [0.4, 1.0, 2.0]),
        ]
    )


def test_a_shared_baseline_is_drawn_once() -> None:
    named = series_of(two_runs([1.0, 2.0, 3.0]))
    drawn = named[~named["repeated"]].drop_duplicates("series")
    assert drawn["series"].tolist() == ["a · MLP", "b · MLP", "MEAN"]
    assert len(named) == 12  # nothing is lost: gains need each run's own baseline


def test_baselines_of_other_folds_stay_apart() -> None:
    named = series_of(two_runs([1.0, 2.0, 4.0]))
    assert set(named["series"]) == {"a · MLP", "b · MLP", "MEAN, folds of a", "MEAN, folds of b"}
    assert not named["repeated"].any()


def test_one_run_needs_no_run_name() -> None:
    named = series_of(two_runs([1.0, 2.0, 3.0]).query("run == 'a'"))
    assert set(named["series"]) == {"MLP", "MEAN"}


def test_equal_models_of_two_runs_are_still_two_series() -> None:
    twice = pd.concat([scored("a", "mlp", [1.0]), scored("b", "mlp", [1.0])])
    assert not series_of(twice)["repeated"].any()


def test_means_by_hand() -> None:
    table = summarise(scored("a", "mlp", [0.5, 1.0, 2.0]), ("run", "cell_type"))
    table = table.set_index("cell_type")
    assert table.loc["B cells", "mrrmse"] == pytest.approx(1.5)
    assert table.loc["B cells", "pearson"] == pytest.approx(0.5)
    assert np.isnan(table.loc["NK cells", "pearson"])
    assert table["n"].to_dict() == {"NK cells": 1, "B cells": 2}
    assert (table.loc["B cells", "low"], table.loc["B cells", "high"]) == bootstrap_ci(
        np.array([1.0, 2.0])
    )


def test_gains_are_over_the_own_runs_baseline() -> None:
    table = gains(two_runs([2.0, 4.0, 6.0]), ["mean", "median"])
    assert table.loc[("a", "mlp"), "mean"] == pytest.approx(1 - 3.5 / 6)
    assert table.loc[("b", "mlp"), "mean"] == pytest.approx(1 - 3.4 / 12)
    assert table.loc[("a", "mean"), "mean"] == 0
    assert table["median"].isna().all()


def test_worst_rows_come_first() -> None:
    named = series_of(two_runs([1.0, 2.0, 3.0]))
    table = worst_rows(named[~named["repeated"]], 2)
    assert table["row"].tolist() == [2, 1]
    assert table.loc[0, "MEAN"] == 3.0


def test_strength_is_the_error_of_predicting_zero() -> None:
    run = pd.concat(
        [scored("a", "zero", [3.0, 1.0, 2.0], BASELINE), scored("a", "mlp", [1.0, 1.0, 1.0])]
    )
    assert with_strength(run)["rms"].tolist() == [3.0, 1.0, 2.0] * 2
    assert with_strength(run[run["model"] == "mlp"])["rms"].isna().all()


def test_rounding_does_not_make_another_baseline() -> None:
    named = series_of(two_runs([1.0 + 1e-6, 2.0, 3.0 - 1e-6]))
    assert set(named["series"]) == {"a · MLP", "b · MLP", "MEAN"}


def test_error_against_the_truth_of_a_simulation() -> None:
    rows = scored("a", "mlp", [0.5, 1.0, 2.0]).assign(rmse_truth=[0.1, 0.2, 0.6])
    assert summarise(rows, ("run",))["mrrmse_truth"].tolist() == pytest.approx([0.3])
    assert "mrrmse_truth" not in summarise(rows.drop(columns="rmse_truth"), ("run",))
