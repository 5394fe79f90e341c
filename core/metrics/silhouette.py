"""Silhouettes of cell types and of batches within cell types."""

from __future__ import annotations

import numpy as np

_CHUNK = 2048


def silhouette_samples(points: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Euclidean silhouette of each cell, float64 ``(n,)`` (Rousseeuw 1987); 0 for a lone one.

    Parameters
    ----------
    points
        ``(n, d)``.
    codes
        Group of each cell, integers from 0 without gaps; at least two groups.
    """
    points = np.asarray(points, dtype=np.float64)
    points = points - points.mean(axis=0)
    sizes = np.bincount(codes).astype(np.float64)
    belongs = np.zeros((len(codes), len(sizes)))
    belongs[np.arange(len(codes)), codes] = 1.0
    squares = np.square(points).sum(axis=1)
    result = np.empty(len(codes))
    for start in range(0, len(codes), _CHUNK):
        rows = slice(start, start + _CHUNK)
        own = codes[rows]
        at = np.arange(len(own))
        squared = squares[rows, None] + squares[None, :] - 2 * points[rows] @ points.T
        distances = np.sqrt(np.maximum(squared, 0.0))
        distances[at, start + at] = 0.0
        sums = distances @ belongs
        within = np.where(sizes[own] > 1, sums[at, own] / np.maximum(sizes[own] - 1, 1), np.nan)
        means = sums / sizes
        means[at, own] = np.inf
        result[rows] = _width(within, means.min(axis=1))
    return result


def _width(within: np.ndarray, between: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        width = (between - within) / np.maximum(within, between)
    return np.nan_to_num(width, nan=0.0)


def _cosine_to_others(points: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Silhouette by cosine distance against the mean of all other groups' cells.

    The mean cosine distance to a group is one minus the product with the mean of its unit
    vectors, so no pairwise distances are needed.
    """
    points = np.asarray(points, dtype=np.float64)
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.where(norms > 0, norms, 1.0)
    sizes = np.bincount(codes).astype(np.float64)
    sums = np.zeros((len(sizes), points.shape[1]))
    np.add.at(sums, codes, unit)
    own, mine = sizes[codes], np.einsum("ij,ij->i", unit, sums[codes])
    to_itself = np.einsum("ij,ij->i", unit, unit)
    with np.errstate(invalid="ignore", divide="ignore"):
        within = ((own - 1) - (mine - to_itself)) / (own - 1)
        within[own == 1] = np.nan
        rest = len(codes) - own
        between = (rest - (unit @ sums.sum(axis=0) - mine)) / rest
    return _width(within, between)


def batch_silhouettes(
    points: np.ndarray, labels: np.ndarray, batches: np.ndarray, *, bras: bool = True
) -> np.ndarray:
    """Mixing of batches within each cell type, float64 ``(n_labels,)``: 1 mixed, 0 apart.

    One minus the absolute silhouette of the batches, averaged over the type's cells; NaN for a
    type in one batch only, or with no two cells in the same one.

    Parameters
    ----------
    bras
        By cosine distance and against the mean of the other batches' cells (Rautenstrauch &
        Ohler 2025, doi 10.1038/s41587-025-02743-4), as scib-metrics' totals; otherwise the
        classic score, Euclidean and against the nearest batch (Luecken et al. 2022).
    """
    n_labels = int(labels.max()) + 1
    scores = np.full(n_labels, np.nan)
    for label in range(n_labels):
        inside = np.flatnonzero(labels == label)
        found, codes = np.unique(batches[inside], return_inverse=True)
        if len(found) < 2 or len(found) == len(inside):
            continue
        width = (_cosine_to_others if bras else silhouette_samples)(points[inside], codes)
        scores[label] = float(np.mean(1 - np.abs(width)))
    return scores
