"""The running sum of :mod:`core.metrics.connectivity`, compiled; it holds no lock."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_compiled: Any = njit(nogil=True, cache=True)


@_compiled
def running_sums(order, sizes, members):
    """Largest deviation of the running sum of each set, float64 ``(n_sets,)``.

    Parameters
    ----------
    order
        int64 ``(n_genes,)``: genes from the largest response to the smallest.
    sizes
        float64 ``(n_genes,)``: absolute responses.
    members
        int64 ``(n_sets, size)``: gene positions.
    """
    n_genes, (n_sets, size) = len(order), members.shape
    rank = np.empty(n_genes, np.int64)
    for place in range(n_genes):
        rank[order[place]] = place
    scores = np.empty(n_sets)
    places = np.empty(size, np.int64)
    step = 1.0 / max(n_genes - size, 1)
    for which in range(n_sets):
        total = 0.0
        for j in range(size):
            gene = members[which, j]
            places[j] = rank[gene]
            total += sizes[gene]
        places.sort()
        climbed = 0.0
        peak, trough = -np.inf, np.inf
        # The running sum is highest just after a member and lowest just before one.
        for j in range(size):
            fallen = (places[j] - j) * step
            trough = min(trough, climbed - fallen)
            climbed += sizes[order[places[j]]] / total if total > 0 else 1.0 / size
            peak = max(peak, climbed - fallen)
        scores[which] = peak if peak >= -trough else trough
    return scores
