"""Partial least squares by SIMPLS."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from scipy import linalg

from core.models.base import Params
from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel

_STEPS = 40
_TOLERANCE = 1e-6


class PLSParams(Params):
    """Number of components."""

    n_components: int | None = Field(
        None,
        ge=1,
        le=500,
        title="Components",
        description="Empty: the number of least error on a tenth of the training cells.",
    )
    most: int = Field(
        40, ge=1, le=500, title="Most components", description="Where the number is chosen."
    )


@EXPRESSION_MODELS.register(
    "pls",
    label="Partial least squares",
    help="Regression on the few directions of the measured genes that covary most with the other "
    "genes; their number is chosen on training cells.",
    kind="linear",
    loss="mse",
)
class PLS(ExpressionModel):
    """SIMPLS (de Jong, Chemometrics and Intelligent Laboratory Systems 1993), centred, unscaled."""

    Params = PLSParams

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Choose the number of components on a tenth of the cells, then fit on all."""
        X = np.asarray(inputs.X, dtype=np.float32)
        targets = np.asarray(targets, dtype=np.float32)
        count = self.params.n_components or self._best_count(X, targets)
        self._solve(X, targets, count)
        self._count = self._weights.shape[1]
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        scores = (np.asarray(inputs.X, dtype=np.float32) - self._centre) @ self._weights
        return scores @ self._loadings + self._mean

    def chosen(self) -> dict[str, float]:
        """The number of components."""
        return {"components": float(self._count)}

    def _solve(self, X: np.ndarray, targets: np.ndarray, count: int) -> None:
        self._centre, self._mean = X.mean(axis=0), targets.mean(axis=0)
        X, Y = X - self._centre, targets - self._mean
        cross = X.T @ Y  # (p, m)
        p = X.shape[1]
        count = min(count, p, len(X) - 1)
        weights = np.zeros((p, count), dtype=np.float32)
        loadings = np.zeros((count, Y.shape[1]), dtype=np.float32)
        basis = np.zeros((p, count), dtype=np.float32)
        start = float(np.linalg.norm(cross))
        for k in range(count):
            if np.linalg.norm(cross) <= 1e-5 * start:
                weights, loadings = weights[:, :k], loadings[:k]
                break
            direction = leading_left(cross)
            score = X @ direction
            length = float(np.linalg.norm(score))
            if length < 1e-8:
                weights, loadings = weights[:, :k], loadings[:k]
                break
            score, direction = score / length, direction / length
            weights[:, k], loadings[k] = direction, score @ Y
            new = X.T @ score
            for _ in range(2):  # twice is enough for orthogonality in single precision
                new -= basis[:, :k] @ (basis[:, :k].T @ new)
            new /= max(float(np.linalg.norm(new)), 1e-12)
            basis[:, k] = new
            cross -= np.outer(new, new @ cross)
        self._weights, self._loadings = weights, loadings

    def _best_count(self, X: np.ndarray, targets: np.ndarray) -> int:
        held = np.random.default_rng(self.seed).permutation(len(X))[: max(len(X) // 10, 1)]
        rest = np.setdiff1d(np.arange(len(X)), held)
        self._solve(X[rest], targets[rest], self.params.most)
        scores = (X[held] - self._centre) @ self._weights
        left = targets[held] - self._mean
        errors = []
        for k in range(scores.shape[1]):
            left -= np.outer(scores[:, k], self._loadings[k])
            errors.append(float(np.vdot(left, left)))
        return int(np.argmin(errors)) + 1 if errors else 1


def leading_left(cross: np.ndarray) -> np.ndarray:
    """Leading left singular vector ``(p,)`` of ``cross`` ``(p, m)``."""
    p, m = cross.shape
    if p <= 64 or m <= 64:
        return linalg.svd(cross, full_matrices=False)[0][:, 0]
    # Power iterations on the smaller side; converged directions differ by less than rounding.
    vector = cross @ cross[int(np.argmax(np.einsum("ij,ij->i", cross, cross)))]
    vector /= np.linalg.norm(vector)
    for _ in range(_STEPS):
        new = cross @ (vector @ cross)
        new /= max(float(np.linalg.norm(new)), 1e-30)
        if np.linalg.norm(new - vector) < _TOLERANCE:
            return new
        vector = new
    return vector
