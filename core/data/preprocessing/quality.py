"""Quality of each cell: its reads, genes and mitochondrial share; and what cut-offs remove."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.cells import ENSEMBL, SYMBOL_COLUMNS
from core.data.preprocessing.config import Preprocessing
from core.data.preprocessing.counts import counts_of

if TYPE_CHECKING:
    from anndata import AnnData

COUNTS, GENES, MITO = "counts", "genes", "mito_percent"
#: ``MT-ND1`` in human, ``mt-Nd1`` in mouse; R writes the hyphen as a dot.
MITO_SYMBOL = re.compile(r"mt[-.]", re.IGNORECASE)
#: Ensembl numbers of the 13 protein-coding genes of the human and the mouse mitochondrion.
_HUMAN: tuple[int, ...] = (
    198888,
    198763,
    198804,
    198712,
    228253,
    198899,
    198938,
    198840,
    212907,
    198886,
)
_HUMAN += (198786, 198695, 198727)
_MOUSE = (64341, 64345, 64351, 64354, 64356, 64357, 64358, 64360, 65947, 64363, 64367, 64368, 64370)
MITO_ENSEMBL = frozenset([f"ENSG{n:011d}" for n in _HUMAN] + [f"ENSMUSG{n:011d}" for n in _MOUSE])


def mitochondrial(cells: AnnData) -> np.ndarray:
    """Which genes are mitochondrial, bool ``(n_genes,)``.

    By symbol (``MT-`` in human, ``mt-`` in mouse), in ``var_names`` or in a column of symbols
    where the names are Ensembl ids; failing that by the Ensembl ids of the 13 protein-coding
    genes.
    """
    columns = [cells.var_names.astype(str)]
    columns += [cells.var[name].astype(str) for name in SYMBOL_COLUMNS if name in cells.var]
    for names in columns:
        found = np.array([bool(MITO_SYMBOL.match(name)) for name in names], dtype=bool)
        if found.any():
            return found
    ids = columns[0] if "gene_ids" not in cells.var else cells.var["gene_ids"].astype(str)
    bare = [name.split(".")[0] if ENSEMBL.fullmatch(name) else "" for name in ids]
    return np.array([name in MITO_ENSEMBL for name in bare], dtype=bool)


def quality(cells: AnnData) -> pd.DataFrame:
    """Reads, genes and mitochondrial share of each cell, from raw counts over all genes.

    Returns
    -------
    DataFrame
        By ``obs_names``: ``counts`` (total reads), ``genes`` (with at least one read),
        ``mito_percent`` (0–100; NaN where no mitochondrial gene is known or the cell is empty).

    Raises
    ------
    core.errors.DataError
        Where there are no raw counts.
    """
    return quality_of(counts_of(cells), mitochondrial(cells), cells.obs_names)


def quality_of(counts: sparse.csr_matrix, mito: np.ndarray, names: pd.Index) -> pd.DataFrame:
    """:func:`quality` of a matrix ``(n_cells, n_genes)``."""
    total = row_sums(counts)
    genes = np.asarray((counts != 0).sum(axis=1)).ravel()
    share = np.full(len(total), np.nan)
    if mito.any():
        on_mito = np.asarray(counts @ mito.astype(np.float64)).ravel()
        np.divide(100 * on_mito, total, out=share, where=total > 0)
    return pd.DataFrame({COUNTS: total, GENES: genes.astype(np.int64), MITO: share}, index=names)


def row_sums(matrix: sparse.csr_matrix) -> np.ndarray:
    """Sums of rows in float64, ``(n_rows,)``."""
    return np.asarray(matrix @ np.ones(matrix.shape[1], dtype=np.float64)).ravel()


def gene_cells(counts: sparse.csr_matrix, min_reads: int) -> np.ndarray:
    """In how many cells each gene has at least ``min_reads`` reads, int64 ``(n_genes,)``."""
    hits = counts.indices[counts.data >= min_reads]
    return np.bincount(hits, minlength=counts.shape[1]).astype(np.int64)


#: Field of the config, column of :func:`quality`, and whether cells above it are removed.
CELL_CUTS = (
    ("min_counts", COUNTS, False),
    ("max_counts", COUNTS, True),
    ("min_genes", GENES, False),
    ("max_genes", GENES, True),
    ("max_mito", MITO, True),
)


def failing(table: pd.DataFrame, config: Preprocessing) -> dict[str, np.ndarray]:
    """Which cells each cut-off in force removes: field → bool ``(n_cells,)``.

    A cell whose mitochondrial share is unknown is not removed.
    """
    found = {}
    for field, column, above in CELL_CUTS:
        limit: Any = getattr(config, field)
        if limit is not None:
            values = table[column].to_numpy(dtype=np.float64)
            found[field] = values > limit if above else values < limit
    return found


def cut_offs(table: pd.DataFrame, config: Preprocessing) -> pd.DataFrame:
    """What each cut-off on cells removes.

    Parameters
    ----------
    table
        Of :func:`quality`.

    Returns
    -------
    DataFrame
        One row a cut-off in force: ``cut_off`` (field's title), ``limit``, ``removed`` (cells
        that fail it), ``only`` (that fail no other), ``percent`` of all cells; and a last row
        ``all together``, with the cells that fail any.
    """
    masks = failing(table, config)
    fails = np.sum(list(masks.values()), axis=0) if masks else np.zeros(len(table), dtype=int)
    rows = [
        {
            "cut_off": str(Preprocessing.model_fields[field].title),
            "limit": float(getattr(config, field)),
            "removed": int(mask.sum()),
            "only": int((mask & (fails == 1)).sum()),
        }
        for field, mask in masks.items()
    ]
    together = int((fails > 0).sum())
    rows.append({"cut_off": "all together", "limit": np.nan, "removed": together, "only": together})
    out = pd.DataFrame(rows)
    out["percent"] = 100 * out["removed"] / max(len(table), 1)
    return out
