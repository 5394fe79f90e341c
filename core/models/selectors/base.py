"""The contract of every gene selector, and the registry that users choose from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from core.errors import ConfigError, DataError
from core.models.base import Params
from core.progress import OnProgress, silent
from core.registry import Registry

#: The class by a name that a selector's own ``Params`` does not hide.
_SelectorParams = Params
#: A gene that varies less than this is constant and is chosen last.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Selection:
    """The genes that a selector chose.

    Attributes
    ----------
    order
        Columns of ``X``, most important first, int64 ``(k,)``; no column twice.
    why
        Why each was chosen, one short phrase a gene, ``(k,)``.
    path
        One row a step of the method where it has a path; columns in use: ``penalty``,
        ``n_genes``, ``error``, ``validation_error``, ``kkt``, ``sweeps``, ``objective``.
    note
        What a user should know of this selection, one sentence, or empty.
    """

    order: np.ndarray
    why: tuple[str, ...]
    path: pd.DataFrame | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.why) != len(self.order):
            raise ValueError(f"{len(self.order)} genes, {len(self.why)} reasons")
        if len(np.unique(self.order)) != len(self.order):
            raise ValueError("a gene was chosen twice")

    def __len__(self) -> int:
        return len(self.order)


class GeneSelector(ABC):
    """Chooses ``k`` of the genes of a training matrix; it sees nothing else.

    Parameters
    ----------
    params
        An instance of the class's own ``Params``.
    device
        Torch device of the methods that train a network, already resolved.
    """

    Params: ClassVar[type[Params]] = Params
    #: Whether another seed may give another set.
    random: ClassVar[bool] = False
    #: Whether it needs a set to start from.
    guided: ClassVar[bool] = False

    def __init__(self, params: _SelectorParams | None = None, *, device: str = "cpu") -> None:
        self.params: Any = params if params is not None else self.Params()
        self.device = str(device)

    @abstractmethod
    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: np.ndarray | None = None,
    ) -> Selection:
        """Choose ``k`` columns of ``X``.

        Parameters
        ----------
        X
            Log-normalised expression of the training cells and the genes that may be chosen,
            float32 ``(n_cells, n_genes)``. Not modified.
        k
            Size of the set, 1 to ``n_genes``.
        seed
            Of every random step.
        on_progress
            ``(done, total, message)``; an exception that it raises ends the work.
        start
            Columns to start from, int64, for guided selectors; others leave it aside.

        Raises
        ------
        ConfigError
            Where ``k`` is out of range, or a guided selector has nothing to start from.
        DataError
            Where ``X`` is no finite matrix of at least two cells.
        """


#: Members are classes (subclasses of :class:`GeneSelector`).
SELECTORS: Registry[Any] = Registry("gene selector", package="core.models.selectors")


def checked(X: np.ndarray, k: int) -> np.ndarray:
    """``X`` as float32, after a look at it and at ``k``."""
    values = np.asarray(X, dtype=np.float32)
    if values.ndim != 2 or len(values) < 2:
        raise DataError(
            f"Genes are chosen from cells × genes with two cells at least, not {np.shape(X)}."
        )
    if not np.isfinite(values).all():
        raise DataError("The expression matrix holds missing or infinite values.")
    if not 1 <= k <= values.shape[1]:
        raise ConfigError(f"{k:,} genes cannot be chosen of {values.shape[1]:,}.")
    return values


def centred(X: np.ndarray) -> np.ndarray:
    """``X`` minus each gene's mean, float32."""
    return np.asarray(X - X.mean(axis=0, dtype=np.float64).astype(np.float32), dtype=np.float32)


def top(score: np.ndarray, k: int) -> np.ndarray:
    """Columns of the ``k`` highest scores, best first; ties by column; NaN last."""
    score = np.where(np.isnan(score), -np.inf, score)
    return np.argsort(-score, kind="stable")[:k].astype(np.int64)


def reasons(template: str, values: Sequence[float] | np.ndarray) -> tuple[str, ...]:
    """``template`` with the placeholders ``rank`` (from 1) and ``value`` filled for each gene."""
    return tuple(template.format(rank=i + 1, value=float(v)) for i, v in enumerate(values))


def completed(order: np.ndarray, score: np.ndarray, k: int) -> np.ndarray:
    """``order``, cut or filled up to ``k`` with the best of ``score`` that are not in it."""
    order = np.asarray(order, dtype=np.int64)[:k]
    if len(order) == k:
        return order
    rest = score.astype(np.float64).copy()
    rest[order] = -np.inf
    return np.concatenate([order, top(rest, k - len(order))])
