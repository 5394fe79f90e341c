"""Estimators of what the weighted loss is least for.

For the paper's loss ``(t + 1)(p − t)²`` the best prediction is not the mean ``E[t | x]`` but
``E[(t + 1) t | x] / E[t + 1 | x]``. Any model of means gives both expectations: it is fitted to
``(t + 1) t`` and ``t + 1`` side by side.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel
from core.models.expression.kernel import KernelRidge, KernelRidgeParams
from core.models.expression.knn import KNN, KNNParams
from core.models.expression.ridge import Ridge, RidgeParams


class Ratio(ExpressionModel):
    """The ratio of two expectations that one model of means predicts together."""

    Mean: ClassVar[type[ExpressionModel]]

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Fit the model of means to both."""
        targets = np.asarray(targets, dtype=np.float32)
        self._most = targets.max(axis=0)
        both = np.concatenate([(targets + 1.0) * targets, targets], axis=1)
        self._model = self.Mean(self.params, seed=self.seed).fit(inputs, both)
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``, within the range seen in training."""
        both = self._model.predict(inputs)
        m = both.shape[1] // 2
        # t is never negative, so neither is E[(t + 1) t], and E[t + 1] is at least one.
        above, below = np.maximum(both[:, :m], 0.0), 1.0 + np.maximum(both[:, m:], 0.0)
        return np.minimum(above / below, self._most)

    def chosen(self) -> dict[str, float]:
        """What the model of means chose."""
        return self._model.chosen()


@EXPRESSION_MODELS.register(
    "ratio_ridge",
    label="Ratio of ridges",
    help="E[(t+1)t|x] / E[t+1|x], the optimum of the paper's weighted loss, with ridge regression "
    "for both expectations.",
    kind="linear",
    loss="weighted",
)
class RatioRidge(Ratio):
    """The ratio estimator on ridge regression."""

    Params, Mean = RidgeParams, Ridge


@EXPRESSION_MODELS.register(
    "ratio_knn",
    label="Ratio of nearest cells",
    help="E[(t+1)t|x] / E[t+1|x], the optimum of the paper's weighted loss, with the means of the "
    "nearest training cells.",
    kind="neighbours",
    loss="weighted",
)
class RatioKNN(Ratio):
    """The ratio estimator on nearest cells: their mean weighted by ``t + 1``."""

    Params, Mean = KNNParams, KNN


@EXPRESSION_MODELS.register(
    "ratio_kernel",
    label="Ratio of kernel ridges",
    help="E[(t+1)t|x] / E[t+1|x], the optimum of the paper's weighted loss, with kernel ridge "
    "regression for both expectations.",
    kind="kernel",
    loss="weighted",
)
class RatioKernel(Ratio):
    """The ratio estimator on kernel ridge regression."""

    Params, Mean = KernelRidgeParams, KernelRidge
