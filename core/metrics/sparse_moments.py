"""Moments and rank sums of every gene in every group of cells, from the non-zeros alone.

A gene that is measured in a tenth of the cells has nine tenths of its ranks in one tie: sorting
the other tenth is enough. Genes are taken in blocks, so that memory is bounded by the block and
not by the matrix, and blocks go to threads (the work releases the GIL).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from core.data.expression import TARGET_SUM, Expression
from core.errors import DataError
from core.metrics import _moment_kernels as kernels
from core.progress import OnProgress, silent

#: Non-zeros of a block of genes; a block takes about 40 bytes for each while it is worked on.
BLOCK = 2_000_000


@dataclass(frozen=True)
class GroupMoments:
    """What tests need to know of each gene in each group.

    Attributes
    ----------
    sizes
        Cells of each group, int64 ``(n_groups,)``.
    mean, m2, low, high
        Mean, sum of squared deviations from it, least and greatest value,
        float64 ``(n_groups, n_genes)``.
    n_nonzero
        Cells whose value is not 0, int64 ``(n_groups, n_genes)``.
    rank_sum
        Sum of the mid-ranks of the group's cells among the cells of all groups, float64
        ``(n_groups, n_genes)``; None where ranks were not asked for.
    ties
        Sum over ties of t³ − t, float64 ``(n_genes,)``; None like ``rank_sum``.
    """

    sizes: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_nonzero: np.ndarray
    rank_sum: np.ndarray | None
    ties: np.ndarray | None


def group_moments(
    matrix: Any,
    codes: np.ndarray,
    n_groups: int,
    *,
    ranks: bool = True,
    n_threads: int | None = None,
    on_progress: OnProgress = silent,
) -> GroupMoments:
    """Moments, and rank sums where asked, of every gene in every group.

    Parameters
    ----------
    matrix
        Values, ``(n_cells, n_genes)``: CSR, CSC, dense, or an
        :class:`~core.data.expression.Expression`, whose counts are normalised block by block. It
        is not copied, except where a sparse matrix has unsorted or repeated entries.
    codes
        Group of each cell from 0, ``(n_cells,)``; -1 for cells that take no part.
    n_groups
        Number of groups; each must have a cell.
    ranks
        Whether to rank.
    n_threads
        Default: the processor's cores, at most 4.
    on_progress
        Called with genes done, genes in all.

    Raises
    ------
    DataError
        Where a value of these cells is missing or infinite.
    """
    n_cells, n_genes = shape_of(matrix)
    if len(codes) != n_cells:
        raise DataError(
            f"{len(codes):,} cells were put into groups, but the matrix has {n_cells:,}."
        )
    codes = np.ascontiguousarray(codes, dtype=np.int32)
    sizes = np.bincount(codes[codes >= 0], minlength=n_groups).astype(np.int64)
    shape = (n_groups, n_genes)
    mean, m2, low, high = (np.zeros(shape) for _ in range(4))
    n_nonzero = np.zeros(shape, dtype=np.int64)
    rank_sum = np.zeros(shape) if ranks else None
    ties = np.zeros(n_genes) if ranks else None
    source = _source(matrix, codes)

    def work(block: tuple[int, int]) -> tuple[int, int, tuple[np.ndarray, ...]]:
        values, owners, starts = source.block(*block)
        if not np.isfinite(values).all():
            at = int(np.searchsorted(starts, np.flatnonzero(~np.isfinite(values))[0], "right")) - 1
            raise DataError(
                f"Gene number {block[0] + at + 1} of the matrix holds a missing or infinite "
                "value, so it cannot be compared."
            )
        if ranks:
            values, owners = _sorted(values, owners, starts)
        return *block, kernels.moments(values, owners, starts, sizes, ranks)

    done = 0
    workers = n_threads or min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        for first, last, parts in pool.map(work, source.blocks()):
            here = slice(first, last)
            mean[:, here], m2[:, here], low[:, here], high[:, here] = parts[:4]
            n_nonzero[:, here] = parts[4]
            if rank_sum is not None and ties is not None:
                rank_sum[:, here], ties[here] = parts[5:]
            done += last - first
            on_progress(done, n_genes, f"{done:,} of {n_genes:,} genes compared")
    return GroupMoments(sizes, mean, m2, low, high, n_nonzero, rank_sum, ties)


def shape_of(matrix: Any) -> tuple[int, int]:
    """Cells and genes of anything that :func:`group_moments` takes."""
    rows, columns = (matrix.stored if isinstance(matrix, Expression) else matrix).shape
    return int(rows), int(columns)


class _Csr:
    """Columns of some rows of a CSR matrix."""

    def __init__(self, matrix: sparse.csr_matrix, codes: np.ndarray) -> None:
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        self._matrix = matrix
        self._rows = np.flatnonzero(codes >= 0)
        self._codes = codes[self._rows]
        self._counts = kernels.count_columns(
            matrix.indptr, matrix.indices, self._rows, matrix.shape[1]
        )

    def blocks(self) -> Iterator[tuple[int, int]]:
        return _cut(self._counts)

    def block(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        starts = np.concatenate([[0], np.cumsum(self._counts[first:last])])
        m = self._matrix
        values, owners = kernels.take_columns(
            m.indptr, m.indices, _floats(m.data), self._rows, self._codes, first, last, starts
        )
        return values, owners, starts


class _Csc:
    """Some rows of the columns of a CSC matrix, or of an expression by gene."""

    def __init__(self, matrix: sparse.csc_matrix | Expression, codes: np.ndarray) -> None:
        self._factors: np.ndarray | None = None
        if isinstance(matrix, Expression):
            if matrix.counts:
                totals = np.maximum(matrix.totals, np.finfo(np.float64).tiny)
                self._factors = (TARGET_SUM / totals).astype(np.float32)
            matrix = matrix.stored
        elif not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        self._matrix, self._codes = matrix, codes

    def blocks(self) -> Iterator[tuple[int, int]]:
        return _cut(np.diff(self._matrix.indptr))

    def block(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        indptr = self._matrix.indptr[first : last + 1].astype(np.int64)
        here = slice(indptr[0], indptr[-1])
        rows = np.asarray(self._matrix.indices[here])
        owners = self._codes[rows]
        kept = owners >= 0
        counts = np.concatenate([[0], np.cumsum(kept)])
        values = _floats(np.asarray(self._matrix.data[here]))[kept]
        if self._factors is not None:
            values = np.log1p(values * self._factors[rows[kept]])
        return values, owners[kept], counts[indptr - indptr[0]].astype(np.int64)


class _Dense:
    """Some rows of the columns of a dense matrix."""

    def __init__(self, matrix: np.ndarray, codes: np.ndarray) -> None:
        self._matrix = matrix
        self._rows = np.flatnonzero(codes >= 0)
        self._codes = codes[self._rows]

    def blocks(self) -> Iterator[tuple[int, int]]:
        return _cut(np.full(self._matrix.shape[1], len(self._rows), dtype=np.int64))

    def block(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        columns = np.asarray(self._matrix[self._rows, first:last]).T
        n = len(self._rows)
        starts = np.arange(last - first + 1, dtype=np.int64) * n
        return _floats(columns.reshape(-1)), np.tile(self._codes, last - first), starts


def _source(matrix: Any, codes: np.ndarray) -> _Csr | _Csc | _Dense:
    if isinstance(matrix, Expression):
        return _Csc(matrix, codes)
    if sparse.issparse(matrix):
        if matrix.format == "csc":
            return _Csc(matrix, codes)
        return _Csr(matrix if matrix.format == "csr" else matrix.tocsr(), codes)
    return _Dense(np.asarray(matrix), codes)


def _floats(values: np.ndarray) -> np.ndarray:
    """Values as float32 or float64, whichever holds them exactly."""
    if values.dtype in (np.float32, np.float64):
        return np.ascontiguousarray(values)
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _cut(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Neighbouring columns together as long as they hold no more than a block's entries."""
    first, held = 0, 0
    for column, count in enumerate(counts):
        if column > first and held + count > BLOCK:
            yield first, column
            first, held = column, 0
        held += int(count)
    if len(counts):
        yield first, len(counts)


def _sorted(
    values: np.ndarray, owners: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each column's values in ascending order, with their groups.

    Values and groups go into one 64-bit key where values have 32 bits: NumPy sorts integers
    several times faster than it sorts by an index.
    """
    if values.dtype == np.float32:
        keys = kernels.pack(values, owners)
        for first, last in itertools.pairwise(starts):
            keys[first:last].sort()
        return kernels.unpack(keys)
    values, owners = values.copy(), owners.copy()
    for first, last in itertools.pairwise(starts):
        order = np.argsort(values[first:last])
        values[first:last] = values[first:last][order]
        owners[first:last] = owners[first:last][order]
    return values, owners
