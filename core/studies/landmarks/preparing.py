"""Filters and normalisation of the landmark study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from core.errors import DataError
from core.studies.landmarks.config import LandmarkDataConfig

if TYPE_CHECKING:
    from anndata import AnnData


def prepared(
    cells: AnnData, config: LandmarkDataConfig, label_key: str | None
) -> tuple[AnnData, list[str]]:
    """Filtered, log-normalised cells with counts in ``layers['counts']``, and what was done.

    ``obs['_library_size']`` keeps each cell's counts over all genes of the file.

    Raises
    ------
    DataError
        Where the values are no counts.
    """
    counts = cells.layers.get("counts", cells.X)
    counts = sparse.csr_matrix(counts, dtype=np.float32)
    if not len(counts.data) or counts.data.min() < 0 or (counts.data % 1).any():
        raise DataError(
            "The data set holds no raw counts, so cells cannot be filtered by reads and normalised."
        )
    steps = []
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    keep = np.flatnonzero(library >= max(config.min_counts, 1))
    steps.append(
        f"{cells.n_obs - len(keep):,} of {cells.n_obs:,} cells with fewer than "
        f"{config.min_counts:,} counts removed."
    )
    if config.max_per_type is not None and label_key is not None:
        before = len(keep)
        keep = _balanced(keep, cells.obs[label_key].astype(str).to_numpy(), config)
        steps.append(
            f"{before - len(keep):,} cells left out so that no type has more than "
            f"{config.max_per_type:,}."
        )
    if len(keep) > config.max_cells:
        rng = np.random.default_rng(config.seed)
        steps.append(f"{config.max_cells:,} of {len(keep):,} cells drawn at random.")
        keep = np.sort(rng.choice(keep, config.max_cells, replace=False))
    counts, library = counts[keep], library[keep]
    cells_with = np.asarray((counts >= config.gene_min_reads).sum(axis=0)).ravel()
    genes = np.flatnonzero(cells_with >= config.gene_min_cells)
    steps.append(
        f"{len(genes):,} of {cells.n_vars:,} genes kept: at least {config.gene_min_reads} reads in "
        f"at least {config.gene_min_cells} cells."
    )
    counts = counts[:, genes].tocsr()
    total = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    empty = int((total == 0).sum())
    if empty:
        keep, library, counts = keep[total > 0], library[total > 0], counts[total > 0]
        total = total[total > 0]
        steps.append(f"{empty:,} cells without a count of a kept gene removed.")
    scale = config.target_sum or float(np.median(total) if len(total) else 1.0)
    normalised = counts.copy()
    normalised.data = np.log1p(
        counts.data * np.repeat(scale / total, np.diff(counts.indptr))
    ).astype(np.float32)
    steps.append(f"Each cell scaled to {scale:,.0f} counts, then log(1 + x).")
    kept = cells[keep, genes].copy()
    kept.X = normalised
    kept.layers["counts"] = counts
    kept.obs["_library_size"] = library
    return kept, steps


def _balanced(keep: np.ndarray, types: np.ndarray, config: LandmarkDataConfig) -> np.ndarray:
    """At most ``max_per_type`` cells of each type, drawn at random."""
    rng = np.random.default_rng(config.seed)
    parts = []
    for name in np.unique(types[keep]):
        rows = keep[types[keep] == name]
        if len(rows) > (config.max_per_type or len(rows)):
            rows = rng.choice(rows, config.max_per_type, replace=False)
        parts.append(rows)
    return np.sort(np.concatenate(parts))
