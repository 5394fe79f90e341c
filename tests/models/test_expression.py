"""Expression models: known answers, reference implementations, invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.neighbors import KNeighborsRegressor

from core.errors import ConfigError
from core.metrics.expression import score_expression, split_interval
from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs
from core.models.expression.coordinates import Depth, Guided
from core.models.expression.ridge import LinearFeatures
from core.models.expression.spectral import SpectralRidge, Spectrum
from core.models.expression.stacking import Stack, project_simplex, simplex_weights
from core.training.expression import build

N, P, M = 90, 12, 30
FAST = {"dnn": {"epochs": 3, "width": 8}, "residual_network": {"epochs": 3, "width": 8, "rank": 4}}


def cells(n: int = N, seed: int = 0, p: int = P, m: int = M) -> tuple[ExpressionInputs, np.ndarray]:
    """Log-normalised Poisson counts of two programmes at varying depth."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).gamma(1.0, 1.0, (2, p + m))
    state = rng.dirichlet([0.5, 0.5], n)
    rates = state @ loadings
    depth = rng.uniform(150, 900, n)
    counts = rng.poisson(rates / rates.sum(axis=1, keepdims=True) * depth[:, None])
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    values = np.log1p(1e4 * counts / total).astype(np.float32)
    types = np.where(state[:, 0] > 0.5, "a", "b").astype(object)
    inputs = ExpressionInputs(values[:, :p], counts[:, :p].astype(np.float32), types)
    return inputs, values[:, p:]


@pytest.mark.parametrize("name", EXPRESSION_MODELS.names())
def test_every_model_predicts_new_cells_the_same_twice(name: str) -> None:
    inputs, targets = cells()
    new, observed = cells(40, seed=1)
    params = FAST.get(name, {})
    first = build(name, params, seed=3, device="cpu").fit(inputs, targets).predict(new)
    again = build(name, params, seed=3, device="cpu").fit(inputs, targets).predict(new)
    assert first.shape == observed.shape and first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    one = (
        build(name, params, seed=3, device="cpu")
        .fit(inputs, targets)
        .predict(new.take(np.arange(5)))
    )
    np.testing.assert_allclose(one, first[:5], atol=2e-4)


@pytest.mark.parametrize("name", ["ridge", "pls", "knn", "kernel_ridge", "reduced_rank_ridge"])
def test_models_of_means_beat_the_mean(name: str) -> None:
    inputs, targets = cells(200)
    new, observed = cells(100, seed=1)
    error = np.mean((build(name).fit(inputs, targets).predict(new) - observed) ** 2)
    null = np.mean((targets.mean(axis=0) - observed) ** 2)
    assert error < 0.9 * null


@pytest.mark.parametrize("name", ["ratio_ridge", "ratio_knn", "ratio_kernel"])
def test_ratios_beat_their_means_by_the_weighted_metric(name: str) -> None:
    inputs, targets = cells(200)
    new, observed = cells(100, seed=1)

    def weighted(model: str) -> float:
        predicted = build(model).fit(inputs, targets).predict(new)
        return float(np.mean((observed + 1) * (predicted - observed) ** 2))

    mean = {"ratio_ridge": "ridge", "ratio_knn": "knn", "ratio_kernel": "kernel_ridge"}[name]
    assert weighted(name) < weighted(mean)


def test_the_ratio_is_the_optimum_of_the_weighted_loss() -> None:
    t = np.array([0.0, 0.0, 0.0, 1.5, 3.0])
    best = minimize(lambda p: np.sum((t + 1) * (p[0] - t) ** 2), [1.0]).x[0]
    inputs, _ = cells(5)
    found = build("ratio_knn", {"n_neighbors": 5, "space": "genes"})
    found.fit(inputs, t[:, None].astype(np.float32))
    assert found.predict(inputs)[0, 0] == pytest.approx(best, abs=1e-5)


def test_the_cell_type_mean_knows_unseen_types() -> None:
    inputs, targets = cells(20)
    model = build("cell_type_mean").fit(inputs, targets)
    rows = inputs.cell_types == "a"
    new = ExpressionInputs(inputs.X[:2], inputs.counts[:2], np.array(["a", "zz"], dtype=object))
    predicted = model.predict(new)
    np.testing.assert_allclose(predicted[0], targets[rows].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(predicted[1], targets.mean(axis=0), rtol=1e-5)


def test_linear_regression_agrees_with_scikit_learn_on_both_inputs() -> None:
    inputs, targets = cells()
    for name, values in (("linear", inputs.X), ("linear_raw", inputs.counts)):
        reference = LinearRegression().fit(values, targets).predict(values)
        found = build(name).fit(inputs, targets).predict(inputs)
        np.testing.assert_allclose(found, reference, atol=2e-3)


def test_ridge_agrees_with_scikit_learn() -> None:
    inputs, targets = cells()
    centred = inputs.X - inputs.X.mean(axis=0)
    alpha = 0.7 * float((centred**2).sum(axis=1).mean())
    reference = SklearnRidge(alpha=alpha).fit(inputs.X, targets).predict(inputs.X)
    found = build("ridge", {"penalty": 0.7}).fit(inputs, targets).predict(inputs)
    np.testing.assert_allclose(found, reference, atol=1e-3)


@pytest.mark.parametrize("n_targets", [2, M])  # fewer than the components, and more
def test_leave_one_out_is_what_leaving_one_out_gives(n_targets: int) -> None:
    inputs, targets = cells(25)
    targets = targets[:, :n_targets]
    X = inputs.X.astype(np.float64)
    spectrum = Spectrum.of_features(X - X.mean(axis=0))
    ridge = SpectralRidge(spectrum, targets)
    penalty = 0.3
    alpha = penalty * spectrum.scale
    left_out = np.empty_like(targets)
    for i in range(len(X)):
        rest = np.delete(np.arange(len(X)), i)
        model = SklearnRidge(alpha=alpha).fit(X[rest], targets[rest])
        left_out[i] = model.predict(X[i : i + 1])[0]
    np.testing.assert_allclose(ridge.left_out(penalty), left_out, atol=2e-3)
    error = ridge.leave_one_out(np.array([penalty]))[0]
    assert error == pytest.approx(np.mean((left_out - targets) ** 2), rel=1e-3)


def test_generalised_cross_validation_is_its_formula() -> None:
    inputs, targets = cells(40)
    X = inputs.X - inputs.X.mean(axis=0)
    ridge = SpectralRidge(Spectrum.of_features(X), targets)
    lam = 0.5 * ridge.spectrum.scale
    hat = X @ np.linalg.solve(X.T @ X + lam * np.eye(P), X.T) + 1 / len(X)
    residual = targets - hat @ targets
    expected = (residual**2).mean(axis=0) / (1 - np.trace(hat) / len(X)) ** 2
    np.testing.assert_allclose(ridge.generalised(np.array([0.5]))[0], expected, rtol=1e-3)


def test_kernel_and_features_give_the_same_ridge() -> None:
    inputs, targets = cells()
    X = inputs.X - inputs.X.mean(axis=0)
    dual = SpectralRidge(Spectrum.of_kernel(X @ X.T), targets)
    primal = SpectralRidge(Spectrum.of_features(X), targets)
    assert dual.spectrum.scale == pytest.approx(primal.spectrum.scale, rel=1e-5)
    one = X @ X.T @ dual.coefficients(np.array([0.1]))
    two = X @ primal.coefficients(np.array([0.1]))
    np.testing.assert_allclose(one, two, atol=2e-3)


def test_full_rank_is_plain_ridge_and_rank_one_is_the_best_of_its_rank() -> None:
    inputs, targets = cells()
    full = build("reduced_rank_ridge", {"rank": P, "penalty": 0.4}).fit(inputs, targets)
    plain = build("ridge", {"penalty": 0.4}).fit(inputs, targets)
    np.testing.assert_allclose(full.predict(inputs), plain.predict(inputs), atol=2e-3)
    one = build("reduced_rank_ridge", {"rank": 1, "penalty": 0.4}).fit(inputs, targets)
    X = LinearFeatures(False).fit(inputs.X).astype(np.float64)
    Y = targets - targets.mean(axis=0)
    lam = 0.4 * float((X**2).sum() / len(X))

    def loss(fitted: np.ndarray, coefficients: np.ndarray) -> float:
        return float(((Y - fitted) ** 2).sum() + lam * (coefficients**2).sum())

    predicted = one.predict(inputs) - targets.mean(axis=0)
    B = np.linalg.lstsq(X, predicted, rcond=None)[0]
    assert np.linalg.matrix_rank(B, tol=1e-2) == 1
    # Alternating least squares over rank-one matrices finds nothing better.
    u = np.random.default_rng(0).normal(size=P)
    for _ in range(300):
        s = X @ u
        v = Y.T @ s / (s @ s + lam * (u @ u))
        u = np.linalg.solve((X.T @ X + lam * np.eye(P)) * (v @ v), X.T @ (Y @ v))
    assert loss(predicted, B) <= loss(np.outer(X @ u, v), np.outer(u, v)) * 1.001


def test_pls_of_one_target_agrees_with_scikit_learn() -> None:
    inputs, targets = cells()
    reference = PLSRegression(3, scale=False).fit(inputs.X, targets[:, :1]).predict(inputs.X)
    found = build("pls", {"n_components": 3}).fit(inputs, targets[:, :1]).predict(inputs)
    np.testing.assert_allclose(found, reference.reshape(-1, 1), atol=5e-3)


def test_pls_with_all_components_is_least_squares() -> None:
    inputs, targets = cells()
    found = build("pls", {"n_components": P}).fit(inputs, targets).predict(inputs)
    reference = LinearRegression().fit(inputs.X, targets).predict(inputs.X)
    np.testing.assert_allclose(found, reference, atol=2e-2)


def test_knn_in_the_genes_agrees_with_scikit_learn() -> None:
    inputs, targets = cells()
    new, _ = cells(30, seed=2)
    found = build("knn", {"n_neighbors": 7, "space": "genes"}).fit(inputs, targets).predict(new)
    reference = KNeighborsRegressor(7, algorithm="brute").fit(inputs.X, targets).predict(new.X)
    np.testing.assert_allclose(found, reference, atol=1e-4)


def test_nystrom_with_nearly_every_cell_is_close_to_the_exact_kernel() -> None:
    inputs, targets = cells(130)
    new, _ = cells(20, seed=2)
    exact = build("kernel_ridge", {"exact_cells": 200}).fit(inputs, targets).predict(new)
    close = build("kernel_ridge", {"exact_cells": 129}).fit(inputs, targets).predict(new)
    # Penalties are chosen on slightly different grids, so the two are close and not equal.
    assert np.mean((exact - close) ** 2) < 0.05 * exact.var()


def test_depth_is_told_by_the_smallest_value() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (50, 40))
    counts[:, 0] = 1
    total = rng.uniform(500, 5000, 50)
    values = np.log1p(1e4 * counts / total[:, None])
    depth = Depth().fit(values).transform(values)[:, 0]
    assert np.corrcoef(depth, np.log(total))[0, 1] == pytest.approx(1.0, abs=1e-5)
    empty = Depth().fit(values).transform(np.zeros((2, 40)))
    assert np.isfinite(empty).all()


def test_guided_coordinates_of_training_cells_are_left_out_predictions() -> None:
    """Of pure noise, fitted coordinates would follow the targets; left-out ones cannot."""
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(60, 40))).astype(np.float32)
    targets = rng.normal(size=(60, 20)).astype(np.float32)
    guided = Guided(3).fit(X, targets)
    u, scale, _ = np.linalg.svd(targets - targets.mean(axis=0), full_matrices=False)
    scores = u[:, :3] * scale[:3]
    error = min(np.square(scores[:, 0] - sign * guided[:, 0]).mean() for sign in (-1, 1))
    assert error > 0.9 * scores[:, 0].var()


def test_weights_minimise_the_error_on_the_simplex() -> None:
    rng = np.random.default_rng(0)
    truth = rng.gamma(1.0, size=(40, 6))
    parts = [truth + rng.normal(scale=s, size=truth.shape) for s in (0.3, 0.5, 3.0)]
    for weighted in (False, True):
        stack = Stack(3, weighted=weighted)
        stack.add([p[:20] for p in parts], truth[:20])
        other = Stack(3, weighted=weighted)
        other.add([p[20:] for p in parts], truth[20:])
        stack.merge(other.gram, other.n)
        weight = (truth + 1) if weighted else np.ones_like(truth)

        def loss(w: np.ndarray, weight: np.ndarray = weight) -> float:
            mixed = sum(a * p for a, p in zip(w, parts, strict=True))
            return float((weight * (mixed - truth) ** 2).mean())

        reference = minimize(
            loss,
            np.full(3, 1 / 3),
            bounds=[(0, 1)] * 3,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-14},
        )
        assert loss(stack.weights()) <= reference.fun * (1 + 1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.integers(0, 10_000))
def test_projection_and_weights_stay_on_the_simplex(point: list[float], seed: int) -> None:
    projected = project_simplex(np.array(point))
    assert projected.min() >= 0 and projected.sum() == pytest.approx(1.0)
    factor = np.random.default_rng(seed).normal(size=(len(point), 3))
    weights = simplex_weights(factor @ factor.T)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1.0)


def test_the_network_learns_and_the_weighted_loss_is_its_own() -> None:
    inputs, targets = cells(300)
    new, observed = cells(100, seed=1)

    def scores(loss: str) -> tuple[float, float]:
        params = {"width": 32, "epochs": 40, "loss": loss, "batch_size": 32}
        predicted = build("dnn", params, device="cpu").fit(inputs, targets).predict(new)
        square = (predicted - observed) ** 2
        return float(square.mean()), float(((observed + 1) * square).mean())

    plain, weighted = scores("mse"), scores("weighted")
    assert plain[0] < np.mean((targets.mean(axis=0) - observed) ** 2)
    assert plain[0] < weighted[0] and weighted[1] < plain[1]


def test_a_network_that_was_not_trained_says_so() -> None:
    with pytest.raises(ConfigError, match="not been trained"):
        build("dnn", device="cpu").predict(cells(3)[0])


def test_scores_by_hand() -> None:
    observed = np.array([[0.0, 2.0], [1.0, 2.0]])
    predicted = np.array([[1.0, 2.0], [1.0, 0.0]])
    score = score_expression(predicted, observed, np.array([0.5, 2.0]), np.array(["a", "b"]))
    assert score.mse == pytest.approx((1 + 0 + 0 + 4) / 4)
    assert score.weighted_mse == pytest.approx((1 * 1 + 0 + 0 + 3 * 4) / 4)
    np.testing.assert_allclose(score.by_gene, [0.5, 2.0])
    assert score.r2_by_gene[0] == pytest.approx(1 - 0.5 / 0.25)
    assert np.isnan(score.r2_by_gene[1])
    assert score.by_type == {"a": (0.5, 0.5, 1), "b": (2.0, 6.0, 1)}
    with pytest.raises(ValueError, match="differ"):
        score_expression(predicted[:1], observed, np.zeros(2), np.array(["a", "b"]))


def test_interval_over_splits_by_hand() -> None:
    found = split_interval([1.0, 2.0, 3.0], test_share=0.2)
    half = 4.302652729911275 * np.sqrt((1 / 3 + 0.25) * 1.0)
    assert (found.mean, found.low) == pytest.approx((2.0, 2.0 - half))
    assert np.isnan(split_interval([1.0]).low)
