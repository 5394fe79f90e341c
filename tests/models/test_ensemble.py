from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from core.errors import DataError
from core.models.ensemble import blend, fit_weights


def mrrmse(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(((observed - predicted) ** 2).mean(axis=1)).mean())


def members(seed: int, m: int, n: int = 40, genes: int = 15) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.standard_t(3, size=(n, genes))
    noise = rng.uniform(0.2, 2.0, size=m)
    return [targets + s * rng.normal(size=targets.shape) for s in noise], targets


@given(seed=st.integers(0, 10_000), m=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_weights_are_shares_and_never_worse_than_any_member(seed: int, m: int) -> None:
    predictions, targets = members(seed, m)
    weights = fit_weights(predictions, targets)
    assert weights.shape == (m,) and weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0)
    joined = mrrmse(targets, blend(predictions, weights))
    assert joined <= min(mrrmse(targets, p) for p in predictions) * (1 + 1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_weights_reach_the_minimum_that_a_general_optimiser_finds(seed: int) -> None:
    predictions, targets = members(seed, 4)
    predictions[2] = predictions[0] + 0.05 * predictions[2]  # nearly the same model twice

    def cost(w: np.ndarray) -> float:
        return mrrmse(targets, sum(a * p for a, p in zip(w, predictions, strict=True)))

    best = minimize(
        cost,
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert cost(fit_weights(predictions, targets)) <= best.fun * (1 + 1e-4)


def test_baseline_takes_the_rest() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(50, 20))
    overshooting = 2.0 * targets
    weights = fit_weights([overshooting], targets, baseline=np.zeros(20))
    np.testing.assert_allclose(weights, [0.5, 0.5], atol=1e-3)
    useless = fit_weights([rng.normal(size=targets.shape) * 30], targets, baseline=np.zeros(20))
    assert useless[1] > 0.95


def test_a_perfect_member_takes_all() -> None:
    predictions, targets = members(1, 3)
    weights = fit_weights([predictions[0], targets, predictions[2]], targets)
    np.testing.assert_allclose(weights, [0, 1, 0], atol=1e-3)


def test_same_prediction_twice_is_no_fault() -> None:
    predictions, targets = members(2, 2)
    weights = fit_weights([predictions[0], predictions[0]], targets)
    assert weights.sum() == pytest.approx(1.0) and weights.min() >= 0


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="at least one"):
        fit_weights([], np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"\(3, 2\)"):
        fit_weights([np.zeros((3, 2))], np.zeros((2, 2)))
    with pytest.raises(DataError, match="2 predictions cannot be joined by 1 weights"):
        blend([np.zeros((2, 2))] * 2, np.ones(1))
