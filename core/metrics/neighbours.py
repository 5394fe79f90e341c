"""Nearest neighbours of cells, searched once and shared by every score of an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from core.errors import DataError

#: Neighbours (the cell itself included) that the scores of scib-metrics look at.
K_GRAPH, K_KBET, K_LISI = 15, 50, 90


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

    By UMAP's own function, so that graphs are those of scanpy and scib-metrics to the last digit.
    """
    from umap.umap_ import fuzzy_simplicial_set

    nothing = sparse.coo_matrix((neighbours.n, 1), dtype=np.float32)
    union = fuzzy_simplicial_set(
        nothing,
        n_neighbors=neighbours.k,
        random_state=None,
        metric=None,
        knn_indices=neighbours.indices,
        knn_dists=neighbours.distances,
        set_op_mix_ratio=1.0,
        local_connectivity=1.0,
    )[0].tocsr()
    union.sort_indices()
    return union
