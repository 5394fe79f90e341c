"""Weights that join several models' predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import DataError


def fit_weights(
    oof: Sequence[np.ndarray],
    targets: np.ndarray,
    *,
    baseline: np.ndarray | None = None,
    n_iterations: int = 200,
    tolerance: float = 1e-7,
) -> np.ndarray:
    """Non-negative weights of least MRRMSE on out-of-fold predictions.

    Minimises ``Σᵢ ‖yᵢ − b − Σₖ wₖ (pₖᵢ − b)‖`` by iteratively reweighted least squares: each round
    is a non-negative least squares problem in the models' ``m × m`` Gram matrices, summed over
    rows with weights ``1 / errorᵢ``.

    Parameters
    ----------
    oof
        One out-of-fold prediction a model, each ``(n, n_genes)``.
    targets
        Observed responses ``(n, n_genes)``.
    baseline
        A safe prediction, ``(n_genes,)`` or ``(n, n_genes)`` (out of fold too). With it the
        weights sum to at most 1 and the baseline takes the rest; without it they sum to 1.

    Returns
    -------
    float64 ``(m,)``, or ``(m + 1,)`` with the baseline's weight last; never negative, sum 1.

    Raises
    ------
    DataError
        When there is no prediction, or its shape is not that of the targets.
    """
    if not oof:
        raise DataError("An ensemble needs the predictions of at least one model.")
    targets = np.asarray(targets)
    members = [np.asarray(prediction) for prediction in oof]
    if baseline is not None:
        members.append(np.broadcast_to(baseline, targets.shape))
    for prediction in members:
        if prediction.shape != targets.shape:
            raise DataError(
                f"A prediction of shape {prediction.shape} does not fit responses of shape "
                f"{targets.shape}."
            )
    grams = _error_grams(members, targets)
    weights = np.full(len(members), 1.0 / len(members))
    floor = 1e-6 * max(float(np.sqrt(np.trace(grams.mean(axis=0)) / len(members))), 1e-12)
    for _ in range(n_iterations):
        errors = np.sqrt(np.maximum(np.einsum("i,nij,j->n", weights, grams, weights), 0.0))
        pulls = 1.0 / np.maximum(errors, floor)
        updated = _simplex_minimum(np.einsum("n,nij->ij", pulls, grams) / pulls.sum())
        moved = float(np.abs(updated - weights).max())
        weights = updated
        if moved < tolerance:
            break
    return weights


def blend(predictions: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Weighted sum of predictions ``(n, n_genes)``, float32.

    Raises
    ------
    DataError
        When there is not one weight a prediction.
    """
    if len(predictions) != len(weights):
        raise DataError(
            f"{len(predictions)} predictions cannot be joined by {len(weights)} weights."
        )
    joined = np.zeros(np.shape(predictions[0]), dtype=np.float32)
    for prediction, weight in zip(predictions, weights, strict=True):
        joined += np.float32(weight) * np.asarray(prediction, dtype=np.float32)
    return joined


def _error_grams(members: Sequence[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """For each row the Gram matrix of the members' errors, float64 ``(n, m, m)``, per gene."""
    n, n_genes = targets.shape
    grams = np.empty((n, len(members), len(members)))
    for row in range(n):
        errors = np.stack([member[row] for member in members]).astype(np.float64) - targets[row]
        grams[row] = errors @ errors.T / max(n_genes, 1)
    return grams


def _simplex_minimum(gram: np.ndarray) -> np.ndarray:
    """The ``w ≥ 0`` with sum 1 that minimises ``wᵀ G w``, by an active set.

    Start from all members; drop those whose weight would be negative, take back those whose
    gradient says that they would help.
    """
    m = len(gram)
    gram = gram + 1e-10 * max(float(np.trace(gram)) / m, 1e-300) * np.eye(m)
    active = np.ones(m, dtype=bool)
    weights = np.full(m, 1.0 / m)
    for _ in range(10 * m + 10):
        trial = np.zeros(m)
        solved = np.linalg.solve(gram[np.ix_(active, active)], np.ones(int(active.sum())))
        trial[active] = solved / solved.sum()
        if (trial[active] < 0).any():
            # Walk towards the trial until the first weight is zero, and drop that member.
            falling = active & (trial < weights) & (trial < 0)
            steps = np.full(m, np.inf)
            steps[falling] = weights[falling] / (weights[falling] - trial[falling])
            first = int(np.argmin(steps))
            weights = weights + steps[first] * (trial - weights)
            weights[first] = 0.0
            active[first] = False
            continue
        weights = trial
        gradient = gram @ weights
        level = float(weights @ gradient)
        gain = np.where(active, 0.0, level - gradient)
        if gain.max() <= 1e-10 * max(level, 1e-300):
            break
        active[int(np.argmax(gain))] = True
    return np.maximum(weights, 0.0) / np.maximum(weights, 0.0).sum()
