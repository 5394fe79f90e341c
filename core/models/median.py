"""The median baseline."""

from __future__ import annotations

import numpy as np

from core.models.base import MODELS
from core.models.constant import ConstantModel


@MODELS.register(
    "median", label="Median", help="Each gene's median training response.", kind="baseline"
)
class Median(ConstantModel):
    """Predicts each gene's (weighted) median over the training rows."""

    def constant(self, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Weighted median of each gene ``(n_genes,)``."""
        if weights is None:
            return np.median(targets, axis=0)
        order = np.argsort(targets, axis=0)
        reached = np.cumsum(np.asarray(weights, dtype=np.float64)[order], axis=0)
        half = 0.5 * reached[-1]
        # The middle of the two values between which half the weight is reached.
        lower = (reached < half * (1 - 1e-12)).sum(axis=0)
        upper = (reached <= half * (1 + 1e-12)).sum(axis=0).clip(max=len(targets) - 1)
        ordered = np.take_along_axis(targets, order, axis=0)
        columns = np.arange(targets.shape[1])
        return 0.5 * (ordered[lower, columns] + ordered[upper, columns])
