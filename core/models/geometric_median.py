"""The geometric median baseline."""

from __future__ import annotations

import numpy as np

from core.models.base import MODELS
from core.models.constant import ConstantModel
from core.models.row_space import median_mixture, row_gram


@MODELS.register(
    "geometric_median",
    label="Geometric median",
    help="The constant response with the least MRRMSE: the honest baseline under that metric.",
    kind="baseline",
)
class GeometricMedian(ConstantModel):
    """Predicts the point with the least sum of distances to the training rows."""

    def constant(self, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Geometric median of the rows ``(n_genes,)``."""
        return geometric_median(targets, weights)


def geometric_median(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The point with the least (weighted) sum of distances to the rows, float32 ``(n_genes,)``.

    Weiszfeld's iteration (1937) in the rows' Gram matrix.

    Parameters
    ----------
    values
        Rows ``(n, n_genes)``.
    weights
        Row weights ``(n,)``; default: equal.
    """
    rows = np.asarray(values, dtype=np.float32)
    mixture = median_mixture(row_gram(rows)[0], weights)
    return np.asarray(mixture @ rows, dtype=np.float32)
