"""Nearest neighbours of cells, searched once and shared by every score of an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from core.errors import DataError

#: Neighbours (the cell itself included) that the scores of scib-metrics look at.
K_GRAPH, K_KBET, K_LISI = 15, 50, 90
#: Bisection of the bandwidth as UMAP does it: tolerance, steps, least share of the mean distance.
_TOLERANCE, _STEPS, _LEAST_SCALE = 1e-5, 64, 1e-3


@dataclass(frozen=True)
class Neighbours:
    """The ``k`` nearest neighbours of each of ``n`` cells, itself first.

    Attributes
    ----------
    indices
        int64 ``(n, k)``.
    distances
        float32 ``(n, k)``, Euclidean, ascending.
    """

    indices: np.ndarray
    distances: np.ndarray

    @property
    def n(self) -> int:
        """Number of cells."""
        return self.indices.shape[0]

    @property
    def k(self) -> int:
        """Number of neighbours, the cell itself included."""
        return self.indices.shape[1]

    def first(self, k: int) -> Neighbours:
        """The nearest ``k`` of them (all, where there are fewer)."""
        return Neighbours(self.indices[:, :k], self.distances[:, :k])

    @cached_property
    def connectivities(self) -> sparse.csr_matrix:
        """UMAP's fuzzy union of the neighbourhoods, float32 CSR ``(n, n)``, symmetric."""
        return fuzzy_union(self)


def nearest(embedding: np.ndarray, k: int = K_LISI) -> Neighbours:
    """Exact nearest neighbours of every row among all rows, by faiss' flat index.

    Parameters
    ----------
    embedding
        ``(n, d)``, finite.
    k
        Neighbours, the cell itself included; at most ``n`` are returned.

    Raises
    ------
    DataError
        Where the embedding has no rows, or values that are not finite.
    """
    import faiss

    points = np.ascontiguousarray(embedding, dtype=np.float32)
    if points.ndim != 2 or not len(points):
        raise DataError("An embedding of at least one cell is needed to look for neighbours.")
    if not np.isfinite(points).all():
        raise DataError("The embedding holds missing or infinite values: it cannot be scored.")
    points = points - points.mean(axis=0)
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    found = index.search(points, min(k, len(points)))[1].astype(np.int64)
    return _exact(points, found)


def _exact(points: np.ndarray, found: np.ndarray, chunk: int = 4096) -> Neighbours:
    """Distances anew from differences: faiss' expansion loses digits between close cells."""
    distances = np.empty(found.shape, np.float32)
    n = len(points)
    own = np.arange(n)
    # Among duplicates faiss may name another cell first, or not name the cell at all.
    absent = ~(found == own[:, None]).any(axis=1)
    found[absent, -1] = own[absent]
    for start in range(0, n, chunk):
        rows = slice(start, start + chunk)
        difference = points[found[rows]] - points[rows, None, :]
        distances[rows] = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
    keys = np.where(found == own[:, None], -1.0, distances)
    order = np.argsort(keys, axis=1, kind="stable")
    return Neighbours(
        np.take_along_axis(found, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )


def fuzzy_union(neighbours: Neighbours) -> sparse.csr_matrix:
    """Connectivities of UMAP (McInnes et al. 2018, arXiv:1802.03426, section 3.1).

    A neighbour at distance ``d`` of cell ``i`` has the weight ``exp(-(d - rho_i) / sigma_i)``,
    with ``rho_i`` the distance of the nearest other cell and ``sigma_i`` such that the weights
    sum to ``log2(k)``; the union of both directions is ``a + b - ab``.
    """
    distances = neighbours.distances.astype(np.float64)
    n, k = distances.shape
    positive = np.where(distances > 0, distances, np.inf)
    rho = positive.min(axis=1, initial=np.inf)
    rho[~np.isfinite(rho)] = 0.0
    sigma = _bandwidths(distances, rho, np.log2(k))
    mean_row = distances.mean(axis=1)
    least = np.where(rho > 0, mean_row, distances.mean()) * _LEAST_SCALE
    sigma = np.maximum(sigma, least)
    excess = np.maximum(distances - rho[:, None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(excess > 0, np.exp(-excess / sigma[:, None]), 1.0)
    weights[neighbours.indices == np.arange(n)[:, None]] = 0.0
    rows = np.repeat(np.arange(n), k)
    one_way = sparse.csr_matrix(
        (weights.ravel(), (rows, neighbours.indices.ravel())), shape=(n, n), dtype=np.float64
    )
    one_way.eliminate_zeros()
    other = one_way.T.tocsr()
    union = (one_way + other - one_way.multiply(other)).tocsr().astype(np.float32)
    union.eliminate_zeros()
    union.sort_indices()
    return union


def _bandwidths(distances: np.ndarray, rho: np.ndarray, target: float) -> np.ndarray:
    """``sigma`` of each row by bisection, all rows at once; the first neighbour is the row."""
    n = len(distances)
    low, high, middle = np.zeros(n), np.full(n, np.inf), np.ones(n)
    excess = distances[:, 1:] - rho[:, None]
    active = np.arange(n)
    for _ in range(_STEPS):
        part = excess[active]
        terms = np.where(part > 0, np.exp(-np.maximum(part, 0) / middle[active, None]), 1.0)
        total = terms.sum(axis=1)
        going = np.abs(total - target) >= _TOLERANCE
        active, total = active[going], total[going]
        if not len(active):
            break
        above = total > target
        high[active[above]] = middle[active[above]]
        low[active[~above]] = middle[active[~above]]
        bounded = np.isfinite(high[active])
        middle[active] = np.where(bounded, (low[active] + high[active]) / 2, middle[active] * 2)
    return middle
