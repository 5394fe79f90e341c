"""The steps themselves, each with a sentence that says what it removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.faults import count, listing
from core.data.preprocessing.config import Preprocessing
from core.data.preprocessing.counts import LAYER, counts_of
from core.data.preprocessing.quality import (
    COUNTS,
    GENES,
    MITO,
    failing,
    gene_cells,
    mitochondrial,
    quality_of,
)
from core.errors import DataError
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData

#: Key of ``uns`` in which the config (JSON) and the steps are kept.
UNS = "preprocessing"
STEPS = 6


@dataclass(frozen=True)
class Preprocessed:
    """Preprocessed cells and what was done.

    Attributes
    ----------
    cells
        ``X`` float32 CSR ``(n_cells, n_genes)``, normalised and (unless switched off) log;
        ``layers["counts"]`` raw counts of the same cells and genes; ``obs`` has ``counts``,
        ``genes`` and ``mito_percent`` over the genes by which cells were judged; ``var`` has
        ``highly_variable`` where asked for.
    steps
        One sentence a step, with the numbers removed.
    """

    cells: AnnData
    steps: list[str]


def preprocess(
    cells: AnnData, config: Preprocessing | None = None, *, on_progress: OnProgress = silent
) -> Preprocessed:
    """Filter, normalise, log and choose variable genes; the input is not changed.

    Counts are taken from ``layers["counts"]``, else from ``X``.

    Raises
    ------
    core.errors.DataError
        Where there are no raw counts (normalised or scaled already), a column is missing, or no
        cell or gene would be left.
    """
    import anndata

    config = config or Preprocessing()
    on_progress(0, STEPS, "Looking for raw counts")
    counts = counts_of(cells)
    known_columns(cells.obs, config)
    kept = select(counts, cells.obs, mitochondrial(cells), config, cells.obs_names, on_progress)
    on_progress(3, STEPS, "Taking what is left")
    taken = take(counts, kept.rows, kept.columns)
    obs = cells.obs.iloc[kept.rows].copy()
    for name in (COUNTS, GENES, MITO):
        obs[name] = kept.quality[name].to_numpy()[kept.rows]
    result = anndata.AnnData(
        X=taken.copy(), obs=obs, var=cells.var.iloc[kept.columns].copy(), layers={LAYER: taken}
    )
    for name in cells.obsm:
        result.obsm[name] = cells.obsm[name][kept.rows]
    steps = list(kept.steps)
    normalise(result, config, steps, on_progress)
    result, chosen = variable_genes(result, config, on_progress)
    steps += chosen
    result.uns[UNS] = {"config": config.model_dump_json(), "steps": list(steps)}
    on_progress(STEPS, STEPS, "Preprocessed")
    return Preprocessed(result, steps)


@dataclass(frozen=True)
class Kept:
    """Positions of the cells and genes that stay, and how that came about."""

    rows: np.ndarray
    columns: np.ndarray
    quality: pd.DataFrame
    steps: list[str]


def known_columns(obs: pd.DataFrame, config: Preprocessing) -> None:
    """Refuse a config that names a column of ``obs`` that is not there."""
    for key in (config.balance_key, config.hvg_batch_key):
        if key is not None and key not in obs:
            known = listing([f"'{name}'" for name in obs.columns]) or "none"
            raise DataError(f"The cells have no column '{key}'; known: {known}.")


def select(
    counts: sparse.csr_matrix,
    obs: pd.DataFrame,
    mito: np.ndarray,
    config: Preprocessing,
    names: pd.Index,
    on_progress: OnProgress = silent,
) -> Kept:
    """Which cells and genes the cut-offs leave."""
    steps: list[str] = []
    columns = np.arange(counts.shape[1])
    rows = np.arange(counts.shape[0])
    if config.genes_first:
        columns = _genes(counts, rows, columns, config, steps)
    on_progress(1, STEPS, "Judging cells")
    judged = counts if len(columns) == counts.shape[1] else counts[:, columns]
    table = quality_of(judged, mito[columns], names)
    rows = cells_left(table, config, bool(mito[columns].any()), steps)
    rows = balanced(obs, rows, config, steps)
    on_progress(2, STEPS, "Judging genes")
    if not config.genes_first:
        columns = _genes(counts, rows, columns, config, steps)
    return Kept(rows, columns, table, steps)


_WORDS = {
    "min_counts": "fewer than {limit:,.0f} reads",
    "max_counts": "more than {limit:,.0f} reads",
    "min_genes": "fewer than {limit:,.0f} genes",
    "max_genes": "more than {limit:,.0f} genes",
    "max_mito": "more than {limit:g} % mitochondrial reads",
}


def cells_left(
    table: pd.DataFrame, config: Preprocessing, mito_known: bool, steps: list[str]
) -> np.ndarray:
    """Positions of the cells that pass every cut-off; a cell is counted by the first it fails."""
    passed = np.ones(len(table), dtype=bool)
    for field, mask in failing(table, config).items():
        if field == "max_mito" and not mito_known:
            steps.append(
                "The mitochondrial cut-off removed no cell: no gene is known to be mitochondrial."
            )
            continue
        fresh = int((mask & passed).sum())
        words = _WORDS[field].format(limit=getattr(config, field))
        steps.append(f"Removed {count(fresh, 'cell')} with {words}.")
        passed &= ~mask
        if not passed.any():
            raise DataError(
                f"No cell is left: the last {count(fresh, 'cell')} {'has' if fresh == 1 else 'have'} "
                f"{words}; loosen that cut-off."
            )
    return np.flatnonzero(passed)


def _genes(
    counts: sparse.csr_matrix,
    rows: np.ndarray,
    columns: np.ndarray,
    config: Preprocessing,
    steps: list[str],
) -> np.ndarray:
    if config.gene_min_cells is None:
        return columns
    subset = counts if len(rows) == counts.shape[0] else counts[rows]
    return genes_left(gene_cells(subset, config.gene_min_reads), config, steps)


def genes_left(n_cells: np.ndarray, config: Preprocessing, steps: list[str]) -> np.ndarray:
    """Positions of the genes that are expressed in enough cells (``n_cells`` by gene)."""
    if config.gene_min_cells is None:
        return np.arange(len(n_cells))
    left = np.flatnonzero(n_cells >= config.gene_min_cells)
    reads = count(config.gene_min_reads, "read")
    need = count(config.gene_min_cells, "cell")
    words = f"at least {reads} in at least {need}"
    if not len(left):
        raise DataError(f"No gene is left: none has {words}; loosen that cut-off.")
    gone = len(n_cells) - len(left)
    steps.append(f"Removed {count(gone, 'gene')} without {words}; {len(left):,} stay.")
    return left


def balanced(
    obs: pd.DataFrame, rows: np.ndarray, config: Preprocessing, steps: list[str]
) -> np.ndarray:
    """``rows`` subsampled to equal groups of ``balance_key``, in their order."""
    if config.balance_key is None:
        return rows
    groups = obs[config.balance_key].iloc[rows].astype(str).to_numpy()
    names, sizes = np.unique(groups, return_counts=True)
    most = config.max_per_group or int(sizes.min())
    rng = np.random.default_rng(config.seed)
    chosen = []
    for name in names:
        members = np.flatnonzero(groups == name)
        if len(members) > most:
            members = rng.choice(members, most, replace=False)
        chosen.append(members)
    left = rows[np.sort(np.concatenate(chosen))]
    steps.append(
        f"Removed {count(len(rows) - len(left), 'cell')} at random (seed {config.seed}), so that no "
        f"group of '{config.balance_key}' has more than {most:,}."
    )
    return left


def take(counts: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> sparse.csr_matrix:
    """A copy of the rows and columns, indices sorted."""
    taken = counts[rows] if len(rows) < counts.shape[0] else counts
    taken = taken[:, columns] if len(columns) < counts.shape[1] else taken
    taken = taken.copy() if taken is counts else taken
    taken.sort_indices()
    return taken


def normalise(
    cells: AnnData, config: Preprocessing, steps: list[str], on_progress: OnProgress = silent
) -> None:
    """Scale each cell to the target sum, and take logs, in place (works on Dask arrays too)."""
    import scanpy as sc

    on_progress(4, STEPS, "Normalising")
    sc.pp.normalize_total(cells, target_sum=config.target_sum)
    target = f"{config.target_sum:,.10g} reads" if config.target_sum else "the median cell's reads"
    steps.append(f"Scaled each cell to {target}; raw counts are kept in the layer 'counts'.")
    if config.log:
        sc.pp.log1p(cells)
        steps.append("Took ln(1 + x).")


def variable_genes(
    cells: AnnData, config: Preprocessing, on_progress: OnProgress = silent
) -> tuple[AnnData, list[str]]:
    """Mark (and with ``hvg_only`` keep) the variable genes; the cells and sentences of it."""
    if config.n_hvg is None:
        return cells, []
    on_progress(5, STEPS, "Choosing variable genes")
    n = min(config.n_hvg, cells.n_vars)
    if config.hvg_flavor == "highest expressed":
        mark_highest(cells, n)
        how = "highest expressed"
    else:
        _dispersion(cells, n, config)
        how = f"most variable ({config.hvg_flavor})"
    marked = cells.var["highly_variable"].to_numpy()
    within = f", chosen within each '{config.hvg_batch_key}'" if config.hvg_batch_key else ""
    verb = "Kept only" if config.hvg_only else "Marked"
    few = "" if marked.sum() == config.n_hvg else f" ({config.n_hvg:,} were asked for)"
    sentence = f"{verb} the {marked.sum():,} {how} genes of {cells.n_vars:,}{within}{few}."
    return (cells[:, marked].copy() if config.hvg_only else cells), [sentence]


def mark_highest(cells: AnnData, n: int) -> None:
    """Mark the ``n`` genes of highest mean ``X``; ties go to the earlier gene."""
    matrix: Any = cells.X
    parts = [matrix] if not hasattr(matrix, "numblocks") else _row_blocks(matrix)
    totals = np.sum(
        [np.asarray(part.sum(axis=0, dtype=np.float64)).ravel() for part in parts], axis=0
    )
    means = totals / max(cells.n_obs, 1)
    marked = np.zeros(cells.n_vars, dtype=bool)
    marked[np.argsort(-means, kind="stable")[:n]] = True
    cells.var["means"], cells.var["highly_variable"] = means, marked


def _row_blocks(array: Any) -> Iterator[Any]:
    """Blocks of rows of a Dask array, one after the other."""
    for i in range(array.numblocks[0]):
        yield array.blocks[i, 0].compute(scheduler="synchronous")


def _dispersion(cells: AnnData, n: int, config: Preprocessing) -> None:
    import warnings

    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on empty bins and pandas' future
        try:
            sc.pp.highly_variable_genes(
                cells, n_top_genes=n, flavor=config.hvg_flavor, batch_key=config.hvg_batch_key
            )
        except ValueError as error:  # bins of equal edges: too few cells or genes differ
            raise DataError(
                "Variable genes cannot be chosen: too few genes differ between these cells for "
                f"{config.hvg_flavor}'s bins."
            ) from error
