"""Noise of a signed −log10 p."""

from __future__ import annotations

import numpy as np

from core.data.simulation.calibration import EFFECT_VARIANCE, NULL_SCALE


def noise_sd(truth: np.ndarray, noise: float, gene_noise: np.ndarray) -> np.ndarray:
    """Standard deviation of signed −log10 p around ``truth``, of the same shape.

    Parameters
    ----------
    truth
        Noiseless values ``(n, n_genes)``.
    noise
        SD of the z-score behind the p-value; 1 in theory.
    gene_noise
        Relative noise of each gene ``(n_genes,)``.

    Notes
    -----
    Without an effect p is uniform, so −log10 p is exponential with scale 1/ln 10 and, signed,
    Laplace with variance 2/(ln 10)². With a strong effect the delta method on
    −log10 p ≈ z²/(2 ln 10) gives the variance (2/ln 10) |truth|; the second term below tends to
    it, and to zero, quadratically, where there is no effect.
    """
    size = np.abs(truth)
    null = np.square(gene_noise) * (2 * NULL_SCALE**2)
    return noise * np.sqrt(null + EFFECT_VARIANCE * np.square(size) / (size + NULL_SCALE))


def draw_noise(
    rng: np.random.Generator, truth: np.ndarray, noise: float, gene_noise: np.ndarray
) -> np.ndarray:
    """Laplace noise of the standard deviation that :func:`noise_sd` gives, float32."""
    draw = rng.standard_exponential(truth.shape, dtype=np.float32)
    draw -= rng.standard_exponential(truth.shape, dtype=np.float32)
    draw *= noise_sd(truth, float(noise), gene_noise) / np.float32(np.sqrt(2))
    return draw
