"""References that look at no gene: the mean, and the mean of the cell's true type."""

from __future__ import annotations

from typing import Self

import numpy as np

from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel


@EXPRESSION_MODELS.register(
    "mean",
    label="Mean",
    help="Each gene's mean over the training cells: what no measured gene explains.",
    kind="reference",
    loss="mse",
    member=False,
)
class Mean(ExpressionModel):
    """The training mean of each gene, for every cell."""

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Take the mean."""
        self._mean = np.asarray(targets).mean(axis=0, dtype=np.float64).astype(np.float32)
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """The same row for every cell."""
        return np.repeat(self._mean[None], len(inputs), axis=0)


@EXPRESSION_MODELS.register(
    "cell_type_mean",
    label="Cell-type mean",
    help="Each gene's mean over the training cells of the same annotated type. A reference: it is "
    "told the true type instead of measuring genes.",
    kind="reference",
    loss="mse",
    member=False,
)
class CellTypeMean(ExpressionModel):
    """The training mean within the annotated cell type; an unseen type gets the overall mean."""

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Take the means."""
        targets = np.asarray(targets, dtype=np.float32)
        self._names, codes = np.unique(inputs.cell_types.astype(str), return_inverse=True)
        means = [targets[codes == code].mean(axis=0) for code in range(len(self._names))]
        self._means = np.stack([*means, targets.mean(axis=0)])
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """The mean of each cell's type."""
        names = inputs.cell_types.astype(str)
        codes = np.searchsorted(self._names, names).clip(max=len(self._names) - 1)
        codes = np.where(self._names[codes] == names, codes, len(self._names))
        return self._means[codes]
