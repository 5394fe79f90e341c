"""The same steps on Dask arrays, for cells that are larger than memory.

Cells and genes are judged block by block; normalisation, logarithm and variable genes go through
scanpy's Dask support, and nothing is computed before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.preprocessing.config import Preprocessing
from core.data.preprocessing.counts import LAYER, as_csr, fault
from core.data.preprocessing.quality import (
    COUNTS,
    GENES,
    MITO,
    gene_cells,
    mitochondrial,
    quality_of,
)
from core.data.preprocessing.run import (
    STEPS,
    UNS,
    Preprocessed,
    balanced,
    cells_left,
    genes_left,
    known_columns,
    normalise,
    variable_genes,
)
from core.errors import DataError
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData


def blocks(array: Any) -> Iterator[sparse.csr_matrix]:
    """Blocks of rows of a Dask array, computed one after the other."""
    for i in range(array.numblocks[0]):
        yield as_csr(array.blocks[i, 0].compute(scheduler="synchronous"))


def lazy_counts(cells: AnnData) -> Any:
    """The Dask array of raw counts: the layer ``counts``, else ``X``; ``None`` without counts."""
    array: Any = cells.layers.get(LAYER, cells.X)
    seen = False
    for block in blocks(array):
        if not block.data.any():
            continue
        seen = True
        if fault(block) is not None:
            return None
    return array if seen else None


def lazy_quality(
    counts: Any, mito: np.ndarray, columns: np.ndarray, names: pd.Index
) -> pd.DataFrame:
    """:func:`core.data.preprocessing.quality` over some genes, block by block."""
    parts, start = [], 0
    for block in blocks(counts):
        part = block if len(columns) == block.shape[1] else block[:, columns]
        parts.append(quality_of(part, mito[columns], names[start : start + block.shape[0]]))
        start += block.shape[0]
    return pd.concat(parts)


def _gene_cells(counts: Any, rows: np.ndarray, config: Preprocessing) -> np.ndarray:
    total = np.zeros(counts.shape[1], dtype=np.int64)
    keep = np.zeros(counts.shape[0], dtype=bool)
    keep[rows] = True
    start = 0
    for block in blocks(counts):
        total += gene_cells(block[keep[start : start + block.shape[0]]], config.gene_min_reads)
        start += block.shape[0]
    return total


def preprocess_lazy(
    cells: AnnData, config: Preprocessing, *, on_progress: OnProgress = silent
) -> Preprocessed:
    """:func:`core.data.preprocessing.preprocess` of cells whose ``X`` is a Dask array of CSR blocks.

    ``X`` and ``layers["counts"]`` of the result are Dask arrays too: write them with
    ``write_h5ad``, which computes them block by block.

    Raises
    ------
    DataError
        As :func:`core.data.preprocessing.preprocess`.
    """
    import anndata

    known_columns(cells.obs, config)
    on_progress(0, STEPS, "Looking for raw counts")
    counts = lazy_counts(cells)
    if counts is None:
        raise DataError("The cells hold no raw counts: they are normalised or scaled already.")
    steps: list[str] = []
    mito = mitochondrial(cells)
    columns, rows = np.arange(cells.n_vars), np.arange(cells.n_obs)
    if config.genes_first and config.gene_min_cells is not None:
        columns = genes_left(_gene_cells(counts, rows, config), config, steps)
    on_progress(1, STEPS, "Judging cells")
    table = lazy_quality(counts, mito, columns, cells.obs_names)
    rows = cells_left(table, config, bool(mito[columns].any()), steps)
    rows = balanced(cells.obs, rows, config, steps)
    on_progress(2, STEPS, "Judging genes")
    if not config.genes_first and config.gene_min_cells is not None:
        columns = genes_left(_gene_cells(counts, rows, config), config, steps)
    taken = counts
    if len(rows) < cells.n_obs:
        taken = taken[rows]
    if len(columns) < cells.n_vars:
        taken = taken[:, columns]
    taken = taken.map_blocks(as_csr, dtype=np.float32, meta=sparse.csr_matrix((0, 0), dtype="f4"))
    obs = cells.obs.iloc[rows].copy()
    for name in (COUNTS, GENES, MITO):
        obs[name] = table[name].to_numpy()[rows]
    result = anndata.AnnData(
        X=taken, obs=obs, var=cells.var.iloc[columns].copy(), layers={LAYER: taken}
    )
    normalise(result, config, steps, on_progress)
    result, chosen = variable_genes(result, config, on_progress)
    steps += chosen
    result.uns[UNS] = {"config": config.model_dump_json(), "steps": list(steps)}
    on_progress(STEPS, STEPS, "Preprocessed")
    return Preprocessed(result, steps)
