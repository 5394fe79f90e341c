"""Linear regression without a penalty, from normalised or raw expression."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import linalg

from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel


@EXPRESSION_MODELS.register(
    "linear",
    label="Linear regression",
    help="Least squares from the log-normalised measured genes, without a penalty: the paper's "
    "baseline.",
    kind="linear",
    loss="mse",
    member=False,
)
class Linear(ExpressionModel):
    """Ordinary least squares; of minimum norm where genes outnumber cells."""

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Solve the least squares problem."""
        X, targets = self._values(inputs), np.asarray(targets, dtype=np.float32)
        self._centre, self._mean = X.mean(axis=0), targets.mean(axis=0)
        solution = linalg.lstsq(X - self._centre, targets - self._mean, lapack_driver="gelsy")[0]
        self._coefficients = np.asarray(solution, dtype=np.float32)
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        return (self._values(inputs) - self._centre) @ self._coefficients + self._mean

    def _values(self, inputs: ExpressionInputs) -> np.ndarray:
        return np.asarray(inputs.X, dtype=np.float32)


@EXPRESSION_MODELS.register(
    "linear_raw",
    label="Linear regression, raw counts in",
    help="Least squares from the raw counts of the measured genes to log-normalised expression: "
    "what normalising the input is worth.",
    kind="linear",
    loss="mse",
    member=False,
)
class LinearRaw(Linear):
    """Ordinary least squares from raw counts; the targets stay log-normalised."""

    def _values(self, inputs: ExpressionInputs) -> np.ndarray:
        return np.asarray(inputs.counts, dtype=np.float32)
