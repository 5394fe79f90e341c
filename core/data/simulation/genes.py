"""Programmes of genes: modules, toxicity, cell types, and each gene's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.data.simulation.calibration import (
    CELL_TYPES,
    LINEAGE_CORRELATION,
    N_FACTORS,
    PROGRAMME_CORRELATION,
    PROGRAMME_RMS,
    TOXICITY_SHAPE,
)


@dataclass(frozen=True)
class GenePrograms:
    """What the genes do, float32.

    Attributes
    ----------
    loadings
        ``(n_cell_types, n_factors, n_genes)``: response to one unit of each latent factor.
    toxicity
        ``(n_cell_types, n_genes)``: the response that all toxic compounds share.
    programme
        ``(n_cell_types, n_genes)``: the part that all rows of a cell type share.
    noise
        ``(n_genes,)``: relative noise of each gene, unit mean square.
    """

    loadings: np.ndarray
    toxicity: np.ndarray
    programme: np.ndarray
    noise: np.ndarray


def unit_rms(values: np.ndarray) -> np.ndarray:
    """Scale the last axis to a root mean square of one; zeros stay zeros."""
    mean_square = np.mean(np.square(values), axis=-1, keepdims=True)
    return values / np.sqrt(np.where(mean_square > 0, mean_square, 1))


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student t with 4 degrees of freedom, scaled to unit variance."""
    return rng.standard_t(4, size=shape) / np.sqrt(2)


def simulate_genes(rng: np.random.Generator, n_genes: int) -> GenePrograms:
    """Draw the programmes of ``n_genes`` genes."""
    n_types = len(CELL_TYPES)
    expression = rng.uniform(size=n_genes)
    active = expression**1.5

    # Co-regulated modules: one main module a gene, a faint response to all others.
    module = rng.integers(N_FACTORS, size=n_genes)
    shared = 0.25 * rng.standard_normal((N_FACTORS, n_genes))
    shared[module, np.arange(n_genes)] += heavy_tailed(rng, (n_genes,))
    specific = 0.25 * rng.standard_normal((n_types, N_FACTORS, n_genes))
    specific[:, module, np.arange(n_genes)] += heavy_tailed(rng, (n_types, n_genes))
    lineage = np.linalg.cholesky(LINEAGE_CORRELATION)
    common = LINEAGE_CORRELATION.min()
    own = np.tensordot(
        np.linalg.cholesky((LINEAGE_CORRELATION - common) / (1 - common)), specific, axes=1
    )
    loadings = np.sqrt(common) * shared + np.sqrt(1 - common) * own
    loadings = unit_rms(loadings * active)

    # Cells that die lose the transcripts they had; silent genes all seem to gain, the more the
    # less they are expressed, up to a ceiling.
    silent = (1 - expression) ** TOXICITY_SHAPE[:, None]
    lost = np.sqrt(0.6) * rng.standard_normal(n_genes)
    lost = lost + np.sqrt(0.4) * (lineage @ rng.standard_normal((n_types, n_genes)))
    toxicity = unit_rms(unit_rms(silent) + 0.8 * expression * lost)

    mixing = np.linalg.cholesky(PROGRAMME_CORRELATION)
    programme = unit_rms(mixing @ heavy_tailed(rng, (n_types, n_genes)) * (0.3 + active))
    programme *= PROGRAMME_RMS[:, None]

    noise = unit_rms(np.exp(0.15 * rng.standard_normal(n_genes)) * (0.85 + 0.3 * expression))
    return GenePrograms(
        *(part.astype(np.float32) for part in (loadings, toxicity, programme, noise))
    )
