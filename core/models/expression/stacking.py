"""Stacked weights: how much each model counts in an ensemble.

Weights are non-negative, sum to one and minimise the squared error, plain or weighted by
``t + 1``, of predictions that no model was trained on (Breiman, Machine Learning 1996).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STEPS = 2000


class Stack:
    """Collects out-of-fold errors of ``k`` models, part by part, and solves for their weights.

    Parameters
    ----------
    n_models
        ``k``.
    weighted
        Whether errors count ``t + 1`` times, as in the paper's loss.
    """

    def __init__(self, n_models: int, *, weighted: bool) -> None:
        self.weighted = weighted
        self.gram = np.zeros((n_models, n_models))
        self.n = 0

    def add(self, predictions: Sequence[np.ndarray], targets: np.ndarray) -> None:
        """Add held-out cells: predictions ``(n, n_targets)`` of every model, in order."""
        root = np.sqrt(targets + 1.0) if self.weighted else None
        errors = []
        for predicted in predictions:
            error = predicted - targets
            errors.append(error.ravel() if root is None else (error * root).ravel())
        for i, left in enumerate(errors):
            for j in range(i + 1):
                self.gram[i, j] += float(np.dot(left, errors[j]))
                self.gram[j, i] = self.gram[i, j]
        self.n += targets.size

    def merge(self, gram: np.ndarray, n: int) -> None:
        """Add what another :class:`Stack` of the same models collected."""
        self.gram += gram
        self.n += n

    def weights(self) -> np.ndarray:
        """Weights ``(k,)``."""
        return simplex_weights(self.gram / max(self.n, 1))


def simplex_weights(gram: np.ndarray) -> np.ndarray:
    """The point of the probability simplex that minimises ``wᵀ gram w``.

    Active sets: the equality-constrained minimum, leaving out the most negative weight until
    none is (and the Karush-Kuhn-Tucker conditions are checked by projected gradient steps).
    """
    k = len(gram)
    weights = np.full(k, 1.0 / k)
    step = 1.0 / max(2.0 * float(np.linalg.eigvalsh(gram)[-1]), 1e-12)
    momentum, before = weights.copy(), weights.copy()
    for i in range(_STEPS):
        weights = project_simplex(momentum - step * 2.0 * gram @ momentum)
        momentum = weights + i / (i + 3.0) * (weights - before)
        before = weights
    active = weights > 1e-6
    while True:
        rows = np.flatnonzero(active)
        solved = np.linalg.lstsq(gram[np.ix_(rows, rows)], np.ones(len(rows)), rcond=None)[0]
        solved = solved / solved.sum()
        if (solved >= 0).all():
            break
        active[rows[int(np.argmin(solved))]] = False
    exact = np.zeros(k)
    exact[rows] = solved
    return exact if exact @ gram @ exact <= weights @ gram @ weights else weights


def project_simplex(point: np.ndarray) -> np.ndarray:
    """Euclidean projection on the probability simplex (Duchi et al., ICML 2008)."""
    ordered = np.sort(point)[::-1]
    sums = np.cumsum(ordered) - 1.0
    last = np.flatnonzero(ordered * np.arange(1, len(point) + 1) > sums)[-1]
    return np.maximum(point - sums[last] / (last + 1.0), 0.0)
