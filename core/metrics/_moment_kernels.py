"""The loops of :mod:`core.metrics.sparse_moments`, compiled; they hold no lock."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

#: Without ``parallel``: numba's own threads may not be entered from several threads at once, as
#: the sessions of a server would.
_compiled: Any = njit(nogil=True, cache=True)
_SIGN = np.uint32(0x80000000)


@_compiled
def count_columns(indptr, indices, rows, n_columns):
    """Stored entries of each column in some rows, int64."""
    counts = np.zeros(n_columns, np.int64)
    for row in rows:
        for at in range(indptr[row], indptr[row + 1]):
            counts[indices[at]] += 1
    return counts


@_compiled
def take_columns(indptr, indices, data, rows, codes, first, last, starts):
    """Entries of columns ``first`` to ``last`` of some rows, column by column, with their groups."""
    values = np.empty(starts[-1], data.dtype)
    owners = np.empty(starts[-1], np.int32)
    at = starts[:-1].copy()
    for i in range(len(rows)):
        stop = np.int64(indptr[rows[i] + 1])
        low = np.int64(indptr[rows[i]])
        high = stop
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < first:
                low = middle + 1
            else:
                high = middle
        while low < stop and indices[low] < last:
            column = indices[low] - first
            values[at[column]] = data[low]
            owners[at[column]] = codes[i]
            at[column] += 1
            low += 1
    return values, owners


@_compiled
def pack(values, owners):
    """float32 values and groups as uint64 keys that sort like the values."""
    bits = values.view(np.uint32)
    keys = np.empty(len(values), np.uint64)
    for i in range(len(values)):
        word = bits[i]
        ordered = ~word if word & _SIGN else word | _SIGN
        keys[i] = (np.uint64(np.uint32(ordered)) << np.uint64(32)) | np.uint64(owners[i])
    return keys


@_compiled
def unpack(keys):
    """The values and groups of :func:`pack`."""
    bits = np.empty(len(keys), np.uint32)
    owners = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        word = np.uint32(keys[i] >> np.uint64(32))
        bits[i] = word & ~_SIGN if word & _SIGN else ~word
        owners[i] = np.int32(keys[i] & np.uint64(0xFFFFFFFF))
    return bits.view(np.float32), owners


@_compiled
def moments(values, owners, starts, sizes, ranks):
    """Mean, m2, low, high, n_nonzero, rank sums and ties; sorted columns where ranks are asked."""
    n_groups, n_genes = len(sizes), len(starts) - 1
    mean = np.zeros((n_groups, n_genes))
    m2 = np.zeros((n_groups, n_genes))
    low = np.zeros((n_groups, n_genes))
    high = np.zeros((n_groups, n_genes))
    n_nonzero = np.zeros((n_groups, n_genes), np.int64)
    rank_sum = np.zeros((n_groups if ranks else 0, n_genes))
    ties = np.zeros(n_genes if ranks else 0)
    n_cells = sizes.sum()
    for gene in range(n_genes):
        first, last = starts[gene], starts[gene + 1]
        n_stored = 0
        for i in range(first, last):
            value = np.float64(values[i])
            if value == 0.0:
                continue
            group = owners[i]
            n_stored += 1
            if n_nonzero[group, gene] == 0:
                low[group, gene] = value
                high[group, gene] = value
            n_nonzero[group, gene] += 1
            mean[group, gene] += value
            low[group, gene] = min(low[group, gene], value)
            high[group, gene] = max(high[group, gene], value)
        for group in range(n_groups):
            if n_nonzero[group, gene] < sizes[group]:
                low[group, gene] = min(low[group, gene], 0.0)
                high[group, gene] = max(high[group, gene], 0.0)
            if sizes[group] == 0:
                continue
            mean[group, gene] /= sizes[group]
            if low[group, gene] == high[group, gene]:
                mean[group, gene] = low[group, gene]
            m2[group, gene] = mean[group, gene] ** 2 * (sizes[group] - n_nonzero[group, gene])
        for i in range(first, last):
            value = np.float64(values[i])
            if value != 0.0:
                m2[owners[i], gene] += (value - mean[owners[i], gene]) ** 2
        if ranks:
            _rank(
                values,
                owners,
                first,
                last,
                sizes,
                n_nonzero,
                n_cells - n_stored,
                gene,
                rank_sum,
                ties,
            )
    return mean, m2, low, high, n_nonzero, rank_sum, ties


@_compiled
def _rank(values, owners, first, last, sizes, n_nonzero, n_zero, gene, rank_sum, ties):
    below = 0
    zeros_ranked = n_zero == 0
    i = first
    while i < last or not zeros_ranked:
        if not zeros_ranked and (i >= last or values[i] >= 0):
            rank = below + (n_zero + 1) / 2
            for group in range(len(sizes)):
                rank_sum[group, gene] += rank * (sizes[group] - n_nonzero[group, gene])
            ties[gene] += np.float64(n_zero) ** 3 - n_zero
            below += n_zero
            zeros_ranked = True
        if i >= last:
            break
        if values[i] == 0:
            i += 1
            continue
        j = i
        while j < last and values[j] == values[i]:
            j += 1
        tied = j - i
        rank = below + (tied + 1) / 2
        for k in range(i, j):
            rank_sum[owners[k], gene] += rank
        ties[gene] += np.float64(tied) ** 3 - tied
        below += tied
        i = j
