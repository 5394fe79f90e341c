"""The contract of models that predict a transcriptome from a few genes, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from core.models.base import Params
from core.registry import Registry

_ModelParams = Params

#: Rows that are predicted at once, so that intermediate arrays stay small.
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class ExpressionInputs:
    """What is known of ``n`` cells: the ``p`` measured genes.

    Attributes
    ----------
    X
        Log-normalised expression of the measured genes, float32 ``(n, p)``.
    counts
        The same as raw counts, float32 ``(n, p)``.
    cell_types
        Names ``(n,)``; only a reference that is told the truth may look at them.
    """

    X: np.ndarray
    counts: np.ndarray
    cell_types: np.ndarray

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: np.ndarray) -> ExpressionInputs:
        """The cells at the given positions, in their order."""
        return ExpressionInputs(self.X[rows], self.counts[rows], self.cell_types[rows])


class ExpressionModel(ABC):
    """Maps the measured genes of cells to the other genes, ``(n, n_targets)``.

    A model fits whatever it needs (means, scales, coordinates, penalties) on the training cells
    that it is given, and knows nothing of files, splits or runs.
    """

    Params: ClassVar[type[Params]] = Params

    def __init__(self, params: _ModelParams | None = None, *, seed: int = 0) -> None:
        self.params: Any = params if params is not None else self.Params()
        self.seed = seed

    @abstractmethod
    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Fit on log-normalised ``targets``, float32 ``(n, n_targets)``."""

    @abstractmethod
    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""

    def chosen(self) -> dict[str, float]:
        """What was chosen on the training cells (penalty, rank …), for tables and records."""
        return {}


#: Subclasses of :class:`ExpressionModel`, and torch modules (tag ``kind`` is "network") that
#: ``core.training.expression`` trains. Other kinds: "reference", "linear", "neighbours",
#: "kernel". Tag ``loss`` is "mse" or "weighted": the metric that a model is made for. Tag
#: ``member=False``: not in ensembles (a reference, or a baseline that others improve on).
EXPRESSION_MODELS: Registry[Any] = Registry("expression model", package="core.models.expression")
