"""kBET: whether neighbourhoods hold the batches in the proportions of their cell type."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import gammaincc

from core.metrics.neighbours import nearest

#: Diffusion components, neighbourhood sizes and least part of a type in large components, as
#: scib-metrics has them.
COMPONENTS, LEAST_K, MOST_K, LEAST_PART = 100, 10, 70, 0.75
FEWEST_CELLS = 10
#: Up to so many cells all eigenvectors at once are faster than the strongest ones alone.
_DENSE = 400


def acceptance(neighbours: np.ndarray, batches: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """Which cells' neighbourhoods keep the overall batch proportions, bool ``(n,)``.

    Pearson's chi-squared test of the neighbours' batches against all of ``batches`` (Büttner et
    al. 2019, doi 10.1038/s41592-018-0254-1).

    Parameters
    ----------
    neighbours
        Indices ``(n, k)``.
    batches
        Codes from 0 without gaps; at least two.
    """
    n, k = neighbours.shape
    n_batches = int(batches.max()) + 1
    flat = np.arange(n)[:, None] * n_batches + batches[neighbours]
    observed = np.bincount(flat.ravel(), minlength=n * n_batches).reshape(n, n_batches)
    expected = np.bincount(batches, minlength=n_batches) / len(batches) * k
    statistic = (np.square(observed - expected) / expected).sum(axis=1)
    return gammaincc((n_batches - 1) / 2, statistic / 2) >= alpha


def kbet_by_label(
    connectivities: sparse.csr_matrix, labels: np.ndarray, batches: np.ndarray, alpha: float = 0.05
) -> np.ndarray:
    """Acceptance rate of kBET within each cell type, float64 ``(n_labels,)``.

    NaN for a type of fewer than ten cells or in one batch only; 0 where the type falls into
    pieces too small to test. Neighbours are searched in a diffusion map of the type's own graph,
    as scib-metrics does (Luecken et al. 2022, doi 10.1038/s41592-021-01336-8).

    Parameters
    ----------
    connectivities
        UMAP connectivities of 50 neighbours, CSR ``(n, n)``.
    """
    n_labels = int(labels.max()) + 1
    rates = np.full(n_labels, np.nan)
    # The package lowers the number of components for good at a small type, in this order.
    components = COMPONENTS
    for label in range(n_labels):
        inside = np.flatnonzero(labels == label)
        sizes = np.bincount(batches[inside]) if len(inside) else np.zeros(0, int)
        sizes = sizes[sizes > 0]
        if len(inside) < FEWEST_CELLS or len(sizes) < 2:
            continue
        k = int(min(MOST_K, max(LEAST_K, np.floor(sizes.mean() / 4))))
        part = connectivities[inside][:, inside].tocsr()
        pieces, piece = connected_components(part, connection="strong")
        if pieces > 1:
            large = np.flatnonzero(np.bincount(piece) >= 3 * k)
            kept = np.flatnonzero(np.isin(piece, large))
            if len(kept) / len(inside) < LEAST_PART:
                rates[label] = 0.0
                continue
            inside, part = inside[kept], part[kept][:, kept].tocsr()
        components = min(components, len(inside) - 1)
        rates[label] = _rate(part, batches[inside], k, components, alpha)
    return rates


def _rate(
    graph: sparse.csr_matrix, batches: np.ndarray, k: int, components: int, alpha: float
) -> float:
    codes = np.unique(batches, return_inverse=True)[1]
    if codes.max() == 0:  # only one batch is left in the pieces large enough
        return 1.0
    place = diffusion_map(graph, components)
    found = nearest(place, k + 1).indices
    return float(acceptance(found, codes, alpha).mean())


def diffusion_map(graph: sparse.csr_matrix, n_components: int) -> np.ndarray:
    """Multiscale diffusion map of a connected graph, float32 ``(n, n_components)``.

    Density-normalised symmetric transitions (Coifman & Lafon 2006); each eigenvector is scaled by
    ``e / (1 - e)``, the sum over all diffusion times, the stationary one (``e = 1``) by 1.

    Single precision, step by step as in scib-metrics: there the stationary eigenvalue of a small
    cell type may round to just below 1, its scale is then 16 million, and neighbours are cells of
    like density. A score that is to equal the package's must follow it in that.
    """
    n = graph.shape[0]
    density = np.asarray(graph.sum(axis=0)).ravel()
    with np.errstate(divide="ignore"):
        inverse = sparse.spdiags(1.0 / density, 0, n, n)
        kernel = inverse @ graph @ inverse
        root = np.sqrt(np.asarray(kernel.sum(axis=0)).ravel())
        scale = sparse.spdiags(1.0 / root, 0, n, n)
    transitions = (scale @ kernel @ scale).astype(np.float64)
    if n <= _DENSE:
        values, vectors = np.linalg.eigh(transitions.toarray())
        strongest = np.argsort(-np.abs(values), kind="stable")[:n_components]
        values, vectors = values[strongest], vectors[:, strongest]
    else:
        from scipy.sparse.linalg import eigsh

        start = root.astype(np.float64) + 1 / n
        values, vectors = eigsh(transitions, k=n_components, which="LM", v0=start)
    single = values.astype(np.float32) + np.float32(1e-8)
    stationary = single == 1
    scales = np.where(stationary, 1, single / np.where(stationary, 1, 1 - single))
    return vectors.astype(np.float32) * scales.astype(np.float32)
