from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from core.errors import DataError
from core.studies.landmarks.judging import (
    Judge,
    hold_out_genes,
    interval,
    ridge,
    summarise,
)


def table(n: int = 120, p: int = 30, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p))
    return (shared + 0.5 * rng.normal(size=(n, p))).astype(np.float32)


def judge(**kwargs) -> Judge:
    X = table()
    types = np.array(["a", "b"] * 60)
    held = np.array([2, 5, 9])
    return Judge(X, np.arange(90), np.arange(90, 120), kwargs.get("held", held), types)


def test_scores_are_those_of_scikit_learns_ridge() -> None:
    X, chosen = table(), np.array([0, 1, 7, 20])
    found = judge().score(chosen)
    rest = np.setdiff1d(np.arange(30), chosen)
    model = Ridge(alpha=found.penalty * 90).fit(X[:90, chosen], X[:90, rest])
    squared = (model.predict(X[90:, chosen]) - X[90:, rest]) ** 2
    held = np.isin(rest, [2, 5, 9])
    assert found.held_mse == pytest.approx(squared[:, held].mean(), rel=1e-4)
    total = ((X[90:] - X[:90].mean(0)) ** 2).sum()
    assert found.panel_left == pytest.approx(squared.sum() / total, rel=1e-4)
    by_type = squared[:, held].mean(1)
    assert found.by_type == pytest.approx(
        {"a": by_type[::2].mean(), "b": by_type[1::2].mean()}, rel=1e-4
    )
    assert found.gene_mse[chosen].tolist() == [0] * 4


def test_both_forms_of_ridge_are_one() -> None:
    """More genes than cells go through the other Gram matrix: the same answer."""
    X = table(40, 60)
    X = X - X.mean(0)
    wide, penalty = ridge(X[:30, :40], X[:30, 40:], X[30:, :40])
    model = Ridge(alpha=penalty * 30, fit_intercept=False).fit(X[:30, :40], X[:30, 40:])
    np.testing.assert_allclose(wide, model.predict(X[30:, :40]), atol=1e-4)


def test_a_held_out_gene_cannot_be_chosen() -> None:
    with pytest.raises(DataError, match="held out"):
        judge().score([0, 5])
    with pytest.raises(DataError, match="without a single gene"):
        judge().score([])


def test_all_genes_leave_nothing_and_useful_ones_less() -> None:
    nobody = judge(held=np.zeros(0, dtype=int))
    assert nobody.score(np.arange(30)).panel_left == 0.0
    few, many = nobody.score(np.arange(3)), nobody.score(np.arange(10))
    assert 0 < many.panel_left < few.panel_left < 1
    assert np.isnan(few.held_mse)


def test_test_cells_do_not_reach_the_fit() -> None:
    X = table()
    other = X.copy()
    other[90:] += 100.0
    a = Judge(X, np.arange(90), np.arange(90, 120), np.array([2]))
    b = Judge(other, np.arange(90), np.arange(90, 120), np.array([2]))
    np.testing.assert_array_equal(a.fit, b.fit)
    assert a.score([0, 1]).penalty == b.score([0, 1]).penalty


def test_held_out_genes_are_a_share_and_repeatable() -> None:
    held = hold_out_genes(1000, 3)
    assert len(held) == 200 and len(np.unique(held)) == 200
    assert np.array_equal(held, hold_out_genes(1000, 3))
    assert not np.array_equal(held, hold_out_genes(1000, 4))


def test_interval_by_hand() -> None:
    """1, 2, 3: mean 2, standard error 1/√3, t(2) = 4.3027."""
    mean, low, high = interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == pytest.approx((2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert np.isnan(interval([1.0])[1])


def test_differences_are_taken_split_by_split() -> None:
    scores = pd.DataFrame(
        {
            "set": ["Random"] * 3 + ["Best"] * 3,
            "split": [0, 1, 2] * 2,
            "n_genes": 5,
            "held_mse": [1.0, 2.0, 3.0, 0.9, 1.9, 2.9],
            "panel_left": [0.5, 0.6, 0.7, 0.5, 0.6, 0.7],
        }
    )
    found = summarise(scores, "Random").set_index("set")
    assert found.index[0] == "Best"
    row = found.loc["Best"]
    assert row["held_mse_gain"] == pytest.approx(0.1)
    assert row["held_mse_gain_low"] == pytest.approx(0.1)  # the splits agree on it
    assert row["panel_left_gain"] == pytest.approx(0.0)
