"""The multi-task group lasso against a reference solver, its optimality, and planted genes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import MultiTaskLasso

from core.models import group_lasso as gl


def problem(n: int = 80, p: int = 40, q: int = 6, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.5, 2.0, p)
    B = np.zeros((p, q))
    B[[3, 9, 20]] = rng.normal(size=(3, q))
    Y = X @ B + 0.3 * rng.normal(size=(n, q))
    return X - X.mean(0), Y - Y.mean(0)


@pytest.mark.parametrize("share", [0.7, 0.3, 0.1, 0.02])
def test_equal_to_scikit_learn(share: float) -> None:
    X, Y = problem()
    ours = gl.Problem.of(X, Y)
    found = gl.solve(ours, share * ours.max_penalty, tolerance=1e-9)
    reference = MultiTaskLasso(
        alpha=share * ours.max_penalty, fit_intercept=False, tol=1e-12, max_iter=100_000
    ).fit(X, Y)
    np.testing.assert_allclose(found.full(40), reference.coef_.T, atol=1e-8)
    assert np.array_equal(found.active, np.flatnonzero(reference.coef_.any(axis=0)))
    residual = Y - X @ reference.coef_.T
    assert found.loss == pytest.approx(0.5 * (residual**2).sum() / len(X), rel=1e-8)


def test_weights_are_a_change_of_scale() -> None:
    """A penalty of each gene's own scale is the plain problem of genes divided by it."""
    X, Y = problem(seed=1)
    scale = np.linspace(0.5, 2, X.shape[1])
    weighted = gl.Problem.of(X, Y, scale)
    plain = gl.Problem.of(X / scale, Y)
    a = gl.solve(weighted, 0.1, tolerance=1e-10)
    b = gl.solve(plain, 0.1, tolerance=1e-10)
    assert np.array_equal(a.active, b.active)
    np.testing.assert_allclose(a.coefficients * scale[a.active, None], b.coefficients, atol=1e-8)


def test_kkt_conditions_and_exact_zeros_along_the_path() -> None:
    X, Y = problem(n=60, p=200, seed=2)
    ours = gl.Problem.of(X, Y)
    count = 0
    for found in gl.path(ours, n_genes=60, tolerance=1e-8):
        count += 1
        rows = found.full(200)
        outside = np.setdiff1d(np.arange(200), found.active)
        assert not rows[outside].any()
        gradient = X.T @ (Y - X @ rows) / len(X)
        norms = np.linalg.norm(gradient, axis=1)
        assert norms[outside].max() <= found.penalty * (1 + 1e-6)
        inside = rows[found.active]
        unit = inside / np.linalg.norm(inside, axis=1, keepdims=True)
        np.testing.assert_allclose(gradient[found.active], found.penalty * unit, rtol=0, atol=1e-6)
        assert found.kkt < 1e-6
    assert count > 5 and len(found.active) >= 60


def test_nothing_is_in_at_the_largest_penalty() -> None:
    X, Y = problem()
    ours = gl.Problem.of(X, Y)
    assert len(gl.solve(ours, ours.max_penalty * 1.0001).active) == 0
    assert len(gl.solve(ours, ours.max_penalty * 0.999).active) == 1


def test_a_rotation_of_the_targets_changes_no_norm() -> None:
    X, Y = problem(seed=3)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    a = gl.solve(gl.Problem.of(X, Y), 0.2, tolerance=1e-10)
    b = gl.solve(gl.Problem.of(X, Y @ turn), 0.2, tolerance=1e-10)
    assert np.array_equal(a.active, b.active)
    np.testing.assert_allclose(a.norms, b.norms, rtol=1e-6)


def test_screening_loses_nothing_on_a_long_step() -> None:
    """One step straight down gives what the path with warm starts gives."""
    X, Y = problem(n=50, p=150, seed=4)
    ours = gl.Problem.of(X, Y)
    last = None
    for share in (0.8, 0.5, 0.3, 0.15):
        last = gl.solve(ours, share * ours.max_penalty, start=last, tolerance=1e-10)
    at_once = gl.solve(ours, 0.15 * ours.max_penalty, tolerance=1e-10)
    assert last is not None and np.array_equal(last.active, at_once.active)
    np.testing.assert_allclose(last.coefficients, at_once.coefficients, atol=1e-7)
