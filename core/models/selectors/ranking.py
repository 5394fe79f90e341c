"""Selectors that give each gene a score by itself: highest mean, highly variable."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.models.base import Params
from core.models.selectors.base import (
    CONSTANT,
    SELECTORS,
    GeneSelector,
    Selection,
    checked,
    reasons,
    top,
)
from core.progress import OnProgress, silent

#: Bins of mean expression in which dispersions are compared, as in Seurat and scanpy.
BINS = 20


@SELECTORS.register(
    "highest_mean", label="Highest mean", help="Genes of highest mean log expression."
)
class HighestMean(GeneSelector):
    """Mean log expression over the training cells."""

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """The ``k`` genes of highest mean."""
        mean = checked(X, k).mean(axis=0, dtype=np.float64)
        order = top(mean, k)
        return Selection(order, reasons("mean {value:.2f}, rank {rank}", mean[order]))


class VariableParams(Params):
    """What "variable" means."""

    flavor: Literal["dispersion", "variance"] = Field(
        "dispersion",
        title="Flavour",
        description="dispersion: variance over mean of normalised expression, against genes of "
        "like mean (Seurat, Satija et al. 2015); variance: of log expression.",
    )


@SELECTORS.register(
    "highly_variable",
    label="Highly variable",
    help="Genes that vary most: dispersion against genes of like mean, or plain variance.",
)
class HighlyVariable(GeneSelector):
    """Highly variable genes of the training cells."""

    Params: ClassVar[type[Params]] = VariableParams

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """The ``k`` most variable genes."""
        values = checked(X, k)
        if self.params.flavor == "variance":
            score = values.var(axis=0, dtype=np.float64)
            words = "variance {value:.2f}, rank {rank}"
        else:
            score = normalised_dispersion(values)
            words = "normalised dispersion {value:.2f}, rank {rank}"
        order = top(score, k)
        return Selection(order, reasons(words, score[order]))


def normalised_dispersion(X: np.ndarray) -> np.ndarray:
    """Seurat's normalised dispersion of log-normalised ``X``, float64 ``(n_genes,)``.

    Log of variance over mean of ``expm1(X)``, minus the mean and over the standard deviation of
    the genes in the same of 20 bins of ``log1p(mean)``; a gene alone in its bin gets 1, a
    constant one −∞ (Satija et al., *Nat. Biotechnol.* 33, 2015; as scanpy's ``seurat`` flavour).
    """
    import pandas as pd

    n = len(X)
    mean, square = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for begin in range(0, n, 2048):  # float64 by blocks: a whole copy would double the memory
        block = np.expm1(X[begin : begin + 2048], dtype=np.float64)
        mean += block.sum(axis=0)
        square += (block**2).sum(axis=0)
    mean /= n
    variance = (square / n - mean**2) * (n / (n - 1))
    mean = np.where(mean == 0, 1e-12, mean)
    alive = variance > CONSTANT
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = np.where(alive, np.log(variance / mean), np.nan)
    frame = pd.DataFrame({"bin": pd.cut(np.log1p(mean), bins=BINS), "value": dispersion})
    by_bin = frame.groupby("bin", observed=True)["value"]
    center, spread = by_bin.transform("mean"), by_bin.transform("std")
    single = spread.isna()
    spread = spread.where(~single, center)
    center = center.where(~single, 0.0)
    score = ((frame["value"] - center) / spread).to_numpy(dtype=np.float64)
    return np.where(np.isnan(score), -np.inf, score)
