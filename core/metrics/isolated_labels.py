"""Isolated labels: whether the cell types of fewest batches are still told apart."""

from __future__ import annotations

import numpy as np


def batches_per_label(labels: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """In how many batches each cell type occurs, int64 ``(n_labels,)``."""
    pairs = np.unique(np.column_stack([labels, batches]), axis=0)
    return np.bincount(pairs[:, 0], minlength=int(labels.max()) + 1)


def isolated_labels(
    widths: np.ndarray, labels: np.ndarray, batches: np.ndarray, *, most: int | None = None
) -> float:
    """Mean rescaled silhouette of the cell types found in the fewest batches.

    Parameters
    ----------
    widths
        Silhouette of each cell ``(n,)`` from :func:`core.metrics.silhouette.silhouette_samples`.
    most
        Types in at most so many batches count as isolated; default: the fewest that occur
        (Luecken et al. 2022, doi 10.1038/s41592-021-01336-8).
    """
    counts = batches_per_label(labels, batches)
    most = int(counts[counts > 0].min()) if most is None else most
    isolated = np.flatnonzero((counts > 0) & (counts <= most))
    if not len(isolated):
        return float("nan")
    rescaled = (widths + 1) / 2
    return float(np.mean([rescaled[labels == label].mean() for label in isolated]))
