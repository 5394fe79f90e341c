"""Score of a gene set in every cell: its mean expression above that of comparable genes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.expression import Expression
from core.errors import DataError
from core.metrics.sparse_moments import group_moments, shape_of


@dataclass(frozen=True)
class GeneScore:
    """A score and what it was made of.

    Attributes
    ----------
    values
        Score of each cell, float64 ``(n_cells,)``.
    used, missing
        Genes of the set that the data has, and those that it has not.
    controls
        The control genes.
    """

    values: np.ndarray
    used: list[str]
    missing: list[str]
    controls: list[str]


def score_genes(
    matrix: Any,
    genes: Sequence[str] | pd.Index,
    gene_set: Iterable[str],
    *,
    control_size: int = 50,
    n_bins: int = 25,
    gene_pool: Iterable[str] | None = None,
    seed: int = 0,
) -> GeneScore:
    """Mean of a gene set minus the mean of random genes of the same expression level.

    The genes of the pool are put into ``n_bins`` bins by the rank of their mean; from each bin in
    which the set has a gene, ``control_size`` genes are drawn, and those of the set itself are
    taken out again (Tirosh et al. 2016, https://doi.org/10.1126/science.aad0501; Satija et al.
    2015). Equal to ``scanpy.tl.score_genes`` of the same seed, without touching NumPy's global
    random state.

    Parameters
    ----------
    matrix
        Log-normalised expression, CSR, CSC, dense ``(n_cells, n_genes)``, or an
        :class:`~core.data.expression.Expression`.
    genes
        Names, ``(n_genes,)``.
    gene_set
        Genes to score; those that are not measured are left out and named.
    control_size
        Genes drawn from each bin.
    gene_pool
        Genes to draw from; default: all.
    seed
        Of the draw.

    Raises
    ------
    DataError
        No gene of the set, or of the pool, is measured; no control gene is left.
    """
    names = pd.Index(genes).astype(str)
    asked = list(dict.fromkeys(map(str, gene_set)))
    used = [gene for gene in asked if gene in names]
    missing = [gene for gene in asked if gene not in names]
    if not used:
        raise DataError(f"None of the {len(asked):,} genes of the set is in this data set.")
    pool = names if gene_pool is None else names.intersection(list(map(str, gene_pool)), sort=False)
    if not len(pool):
        raise DataError("None of the genes to draw controls from is in this data set.")
    means = pd.Series(_means_of_genes(matrix)[names.get_indexer(pool)], index=pool)
    means = means[np.isfinite(means)]
    size = max(1, int(np.round(len(means) / (n_bins - 1))))
    bins = means.rank(method="min") // size
    wanted = np.unique(bins.reindex(used).dropna())
    # scanpy draws from the legacy generator: the same seed gives the same genes.
    rng = np.random.RandomState(seed)
    controls: set[str] = set()
    for level in wanted:
        candidates = bins.index[bins == level]
        if control_size < len(candidates):
            candidates = candidates[rng.choice(len(candidates), control_size, replace=False)]
        controls |= set(candidates)
    controls -= set(used)
    if not controls:
        raise DataError(
            "No control gene is left beside the set's own: its genes fill their bins of "
            "expression; choose fewer bins or a smaller set."
        )
    ordered = [gene for gene in names if gene in controls]
    values = _means_of_cells(matrix, names, used) - _means_of_cells(matrix, names, ordered)
    return GeneScore(values, used, missing, ordered)


def _means_of_genes(matrix: Any) -> np.ndarray:
    n_cells = shape_of(matrix)[0]
    if isinstance(matrix, Expression):
        return group_moments(matrix, np.zeros(n_cells, np.int32), 1, ranks=False).mean[0]
    if sparse.issparse(matrix):  # added up as scanpy does, so that bins are cut alike
        return np.asarray(matrix.sum(axis=0, dtype=np.float64)).ravel() / n_cells
    return np.asarray(matrix).mean(axis=0)


def _means_of_cells(matrix: Any, names: pd.Index, genes: list[str]) -> np.ndarray:
    if isinstance(matrix, Expression):
        part: Any = matrix.by_gene(genes)
    else:
        part = matrix[:, names.get_indexer(pd.Index(genes))]
    if sparse.issparse(part):
        # SciPy adds up float32 where the matrix holds float32, whatever ``dtype`` asks for.
        return np.asarray(part.astype(np.float64).sum(axis=1)).ravel() / len(genes)
    return np.asarray(part).mean(axis=1, dtype=np.float64)
