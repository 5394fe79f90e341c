"""The zero baseline."""

from __future__ import annotations

import numpy as np

from core.models.base import MODELS
from core.models.constant import ConstantModel


@MODELS.register("zero", label="Zero", help="No gene responds.", kind="baseline")
class Zero(ConstantModel):
    """Predicts no effect; its MRRMSE is the mean size of the responses."""

    def constant(self, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Zeros ``(n_genes,)``."""
        return np.zeros(targets.shape[1])
