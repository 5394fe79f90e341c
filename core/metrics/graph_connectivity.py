"""Graph connectivity: whether every cell type is one connected piece of the neighbour graph."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from core.metrics.neighbours import Neighbours


def connectivity_by_label(neighbours: Neighbours, labels: np.ndarray) -> np.ndarray:
    """Share of each cell type's cells in its largest component, float64 ``(n_labels,)``.

    Components are the strong ones of the directed graph of ``neighbours`` (15 for the score of
    scib-metrics) among the cells of the type (Luecken et al. 2022, doi 10.1038/s41592-021-01336-8).
    """
    n, k = neighbours.indices.shape
    ones = np.ones(n * k, np.float32)
    rows = np.arange(0, n * k + 1, k)
    graph = sparse.csr_matrix((ones, neighbours.indices.ravel(), rows), shape=(n, n))
    return graph_connectivity_by_label(graph, labels)


def graph_connectivity_by_label(graph: sparse.csr_matrix, labels: np.ndarray) -> np.ndarray:
    """As :func:`connectivity_by_label`, of a given directed graph ``(n, n)``."""
    n_labels = int(labels.max()) + 1
    shares = np.full(n_labels, np.nan)
    for label in range(n_labels):
        inside = np.flatnonzero(labels == label)
        if len(inside):
            part = graph[inside][:, inside]
            pieces = connected_components(part, connection="strong")[1]
            shares[label] = np.bincount(pieces).max() / len(inside)
    return shares
