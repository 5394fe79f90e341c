"""The mean baseline."""

from __future__ import annotations

import numpy as np

from core.models.base import MODELS
from core.models.constant import ConstantModel


@MODELS.register("mean", label="Mean", help="The mean training response.", kind="baseline")
class Mean(ConstantModel):
    """Predicts each gene's mean over the training rows."""

    def constant(self, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Weighted mean of each gene ``(n_genes,)``."""
        return np.average(targets, axis=0, weights=weights)
