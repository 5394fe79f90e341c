"""Filters and normalisation of the landmark study, by ``core.data.preprocessing``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from core.data.preprocessing import Preprocessing, preprocess
from core.studies.landmarks.config import LandmarkDataConfig

if TYPE_CHECKING:
    from anndata import AnnData


def preprocessing_of(config: LandmarkDataConfig, label_key: str | None) -> Preprocessing:
    """The study's filters as a :class:`~core.data.preprocessing.Preprocessing`."""
    balanced = label_key is not None and config.max_per_type is not None
    return Preprocessing(
        min_counts=max(config.min_counts, 1),
        max_mito=config.max_mito,
        gene_min_reads=config.gene_min_reads,
        gene_min_cells=config.gene_min_cells,
        genes_first=config.genes_first,
        balance_key=label_key if balanced else None,
        max_per_group=config.max_per_type if balanced else None,
        target_sum=config.target_sum,
        seed=config.seed,
    )


def prepared(
    cells: AnnData, config: LandmarkDataConfig, label_key: str | None
) -> tuple[AnnData, list[str]]:
    """Filtered, log-normalised cells with counts in ``layers['counts']``, and what was done.

    ``obs['counts']`` is each cell's library size.

    Raises
    ------
    DataError
        Where the values are no counts, or nothing is left.
    """
    done = preprocess(cells, preprocessing_of(config, label_key))
    kept, steps = done.cells, list(done.steps)
    total = np.asarray(sparse.csr_matrix(kept.layers["counts"]).sum(axis=1)).ravel()
    if (total == 0).any():
        kept = kept[total > 0].copy()
        steps.append(f"Removed {int((total == 0).sum()):,} cells without a read of a kept gene.")
    if kept.n_obs > config.max_cells:
        rng = np.random.default_rng(config.seed)
        steps.append(
            f"Drew {config.max_cells:,} of {kept.n_obs:,} cells at random (seed {config.seed})."
        )
        kept = kept[np.sort(rng.choice(kept.n_obs, config.max_cells, replace=False))].copy()
    return kept, steps
