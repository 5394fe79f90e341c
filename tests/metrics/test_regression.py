from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.metrics.regression import (
    METRICS,
    bootstrap_ci,
    gain,
    mrrmse,
    per_group,
    row_cosine,
    row_pearson,
    row_rmse,
    row_scores,
)

VALUES = st.floats(-1e3, 1e3, allow_nan=False, width=32)


def test_mrrmse_by_hand():
    observed = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
    predicted = np.array([[3.0, 4.0, 0.0, 0.0], [1.0, 2.0, 3.0, 2.0]])
    # √(25/4) = 2.5 and √(4/4) = 1
    assert row_rmse(observed, predicted) == pytest.approx([2.5, 1.0])
    assert mrrmse(observed, predicted) == pytest.approx(1.75)


def test_mrrmse_is_not_the_rmse_of_all_entries():
    observed = np.zeros((2, 1))
    assert mrrmse(observed, np.array([[1.0], [7.0]])) == pytest.approx(4.0)  # RMSE would be 5


def test_row_pearson_and_cosine_by_hand():
    observed = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    predicted = np.array([[2.0, 4.0, 6.0], [0.0, 5.0, 0.0], [3.0, 2.0, 1.0]])
    assert row_pearson(observed, predicted) == pytest.approx([1.0, -0.5, -1.0])
    assert row_cosine(observed, predicted) == pytest.approx([1.0, 0.0, 10.0 / 14.0])


def test_pearson_agrees_with_numpy():
    rng = np.random.default_rng(0)
    observed, predicted = rng.normal(size=(2, 5, 40)) + 3.0
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(observed, predicted, strict=True)]
    assert row_pearson(observed, predicted) == pytest.approx(expected)


def test_constant_rows_have_no_correlation():
    varied, constant = np.array([[1.0, 2.0, 4.0]]), np.full((1, 3), 0.1)
    assert np.isnan(row_pearson(varied, constant)).all()
    assert np.isnan(row_pearson(constant, varied)).all()
    assert row_cosine(varied, constant) == pytest.approx([7.0 / np.sqrt(63.0)])
    assert np.isnan(row_cosine(varied, np.zeros((1, 3)))).all()
    # 0.1 has no exact binary form: what rounding leaves must not count as variation
    assert np.isnan(row_pearson(np.full((1, 1001), 0.1), np.arange(1001.0)[None])).all()


@given(arrays(np.float32, (4, 6), elements=VALUES), arrays(np.float32, (4, 6), elements=VALUES))
def test_invariants(observed: np.ndarray, predicted: np.ndarray):
    scores = row_scores(observed, predicted)
    assert (scores["rmse"] >= 0).all()
    assert row_rmse(predicted, observed) == pytest.approx(scores["rmse"])
    assert (row_rmse(observed, observed) == 0).all()
    for name in ("pearson", "cosine"):
        defined = scores[name][~np.isnan(scores[name])]
        assert (np.abs(defined) <= 1).all()


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="do not match"):
        row_rmse(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="no genes"):
        row_rmse(np.zeros((2, 0)), np.zeros((2, 0)))


def test_mrrmse_without_rows_is_nan():
    assert np.isnan(mrrmse(np.zeros((0, 3)), np.zeros((0, 3))))


def test_per_group_leaves_undefined_rows_out():
    groups = np.array(["B cells", "NK cells", "B cells", "NK cells"])
    found = per_group(np.array([1.0, 2.0, 3.0, np.nan]), groups)
    assert found == {"B cells": 2.0, "NK cells": 2.0}


def test_bootstrap_interval_has_the_width_of_theory():
    values = np.random.default_rng(1).normal(5.0, 2.0, size=400)
    low, high = bootstrap_ci(values, seed=3)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_ci(values, seed=3) == (low, high)
    assert bootstrap_ci(values, level=0.5, seed=3)[0] > low


def test_bootstrap_of_nothing_and_of_one():
    assert np.isnan(bootstrap_ci(np.array([]))).all()
    assert bootstrap_ci(np.array([2.0, np.nan])) == (2.0, 2.0)
    with pytest.raises(ValueError, match="level"):
        bootstrap_ci(np.ones(3), level=1.0)


def test_gain():
    assert gain(0.9, 1.0) == pytest.approx(0.1)
    assert gain(1.1, 1.0) == pytest.approx(-0.1)
    assert np.isnan(gain(1.0, 0.0))


def test_every_metric_says_which_way_is_better():
    assert not METRICS["mrrmse"].higher_is_better
    assert METRICS["pearson"].higher_is_better
    assert all(metric.label and metric.help.endswith(".") for metric in METRICS.values())
