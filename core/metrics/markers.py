"""Marker genes of each group of cells, and the summaries that dot plots and heat maps show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.errors import DataError
from core.metrics.differential import Scale, Test, group_codes, rank_genes
from core.metrics.sparse_moments import group_moments, shape_of
from core.progress import OnProgress, silent

#: Columns of :func:`marker_genes` by which groups' genes can be ordered.
ORDERS = ("scores", "auc", "logfoldchanges")


def marker_genes(
    matrix: Any,
    labels: pd.Series | np.ndarray | Sequence[str],
    *,
    genes: Sequence[str] | pd.Index,
    test: Test = "wilcoxon",
    scale: Scale = "log1p",
    n: int | None = 20,
    max_p_adjusted: float = 0.05,
    min_log_fold_change: float = 0.5,
    min_share: float = 0.25,
    order: str = "scores",
    min_cells: int = 3,
    on_progress: OnProgress = silent,
) -> pd.DataFrame:
    """Genes that are higher in a group than in the rest.

    Parameters
    ----------
    matrix, labels, genes, test, scale, on_progress
        As :func:`core.metrics.differential.rank_genes`.
    n
        Most genes a group; None for all that pass.
    max_p_adjusted, min_log_fold_change, min_share
        What a marker must pass: adjusted p at most, log2 fold change at least, share of the
        group's cells that express it at least.
    order
        ``"scores"``, ``"auc"`` or ``"logfoldchanges"``, highest first.
    min_cells
        Groups with fewer cells get no markers; their cells still count to the rest.

    Returns
    -------
    pandas.DataFrame
        Columns of :func:`~core.metrics.differential.rank_genes` and ``rank`` from 1, groups in
        their order; a group without a marker has no row.
    """
    if order not in ORDERS:
        raise DataError(f"Markers are ordered by {', '.join(ORDERS)}, not by '{order}'.")
    codes, names = group_codes(labels)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    large = [name for name, size in zip(names, sizes, strict=True) if size >= max(min_cells, 3)]
    if not large:
        raise DataError(f"No group has {max(min_cells, 3)} cells or more, so none has markers.")
    table = rank_genes(
        matrix, labels, genes=genes, groups=large, test=test, scale=scale, on_progress=on_progress
    )
    passed = (
        (table["pvals_adj"] <= max_p_adjusted)
        & (table["logfoldchanges"] >= min_log_fold_change)
        & (table["pct_nz_group"] >= min_share)
    )
    table = table[passed]
    found = []
    for name in large:
        own = table[table["group"] == name].sort_values(order, ascending=False, kind="stable")
        own = own if n is None else own.head(n)
        found.append(own.assign(rank=np.arange(1, len(own) + 1)))
    return pd.concat(found, ignore_index=True)


def group_summary(
    matrix: Any,
    labels: pd.Series | np.ndarray | Sequence[str],
    *,
    genes: Sequence[str] | pd.Index,
) -> pd.DataFrame:
    """Mean and percent expressing of genes in groups: what a dot plot shows.

    Returns
    -------
    pandas.DataFrame
        One row a group and gene: ``group``, ``gene``, ``mean``, ``share`` (of cells whose value
        is not 0, from 0 to 1), ``n_cells``, and ``scaled`` (the gene's mean from 0 in its lowest
        group to 1 in its highest; 0 where all are alike).
    """
    if not len(genes):
        raise DataError("Choose a gene or more.")
    if len(genes) != shape_of(matrix)[1]:
        raise DataError(f"There are {len(genes):,} names for {shape_of(matrix)[1]:,} genes.")
    codes, names = group_codes(labels)
    if not names:
        raise DataError("No cell has a label, so there is no group to show.")
    moments = group_moments(matrix, codes, len(names), ranks=False)
    low, high = moments.mean.min(axis=0), moments.mean.max(axis=0)
    scaled = (moments.mean - low) / np.where(high > low, high - low, 1.0)
    shape = moments.mean.shape
    return pd.DataFrame(
        {
            "group": np.repeat(np.array(names, dtype=object), shape[1]),
            "gene": np.tile(np.array([str(g) for g in genes], dtype=object), shape[0]),
            "mean": moments.mean.ravel(),
            "share": (moments.n_nonzero / moments.sizes[:, None]).ravel(),
            "scaled": scaled.ravel(),
            "n_cells": np.repeat(moments.sizes, shape[1]),
        }
    )


def composition(
    groups: pd.Series | np.ndarray | Sequence[str], parts: pd.Series | np.ndarray | Sequence[str]
) -> pd.DataFrame:
    """Of what the cells of each group are: one row a group and part.

    Returns
    -------
    pandas.DataFrame
        ``group``, ``part``, ``n_cells`` and ``share`` of the group's cells; pairs without cells
        are in it, with 0.
    """
    rows, row_names = group_codes(groups)
    columns, column_names = group_codes(parts)
    kept = (rows >= 0) & (columns >= 0)
    if not kept.any():
        raise DataError("No cell has both labels, so there is nothing to count.")
    counts = np.zeros((len(row_names), len(column_names)), dtype=np.int64)
    np.add.at(counts, (rows[kept], columns[kept]), 1)
    totals = counts.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "group": np.repeat(np.array(row_names, dtype=object), len(column_names)),
            "part": np.tile(np.array(column_names, dtype=object), len(row_names)),
            "n_cells": counts.ravel(),
            "share": (counts / np.maximum(totals, 1)).ravel(),
        }
    )
