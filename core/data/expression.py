"""Expression by gene: one gene of a million cells without reading the others.

AnnData keeps ``X`` by cell, so that colouring by a gene would touch every stored value. A copy by
gene (CSC) makes it one slice. Up to :data:`IN_MEMORY` stored values the copy is held in memory;
above that it is written once to the workspace's cache, in chunks of cells, and mapped from there,
so that a file larger than memory can be coloured too.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.preprocessing.quality import mitochondrial
from core.errors import DataError
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData

#: Stored values (8 bytes each) up to which the copy by gene stays in memory.
IN_MEMORY = 50_000_000
#: Counts a cell is scaled to before the logarithm, where a data set holds raw counts.
TARGET_SUM = 1e4
CHUNK_CELLS = 50_000
FORMAT = 1
DONE = "meta.json"


@dataclass(frozen=True)
class Expression:
    """Expression on a log scale, by gene.

    Attributes
    ----------
    genes
        ``(n_genes,)`` names.
    stored
        CSC ``(n_cells, n_genes)``: what the data set holds; its arrays may be memory maps.
    counts
        Whether ``stored`` holds raw counts, which :meth:`gene` normalises; else they are taken
        as they are.
    totals, detected, mitochondrial
        ``(n_cells,)``: sum and number of non-zero values, and the share (in %) of the sum in
        mitochondrial genes (None where there are none, or where values are no counts).
    words
        What :meth:`gene` returns, in words.
    """

    genes: pd.Index
    stored: sparse.csc_matrix
    counts: bool
    totals: np.ndarray
    detected: np.ndarray
    mitochondrial: np.ndarray | None = None
    words: str = "expression as stored"
    _positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        positions = {name: i for i, name in enumerate(map(str, self.genes))}
        object.__setattr__(self, "_positions", positions)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.stored.shape[0])

    def __contains__(self, gene: object) -> bool:
        return gene in self._positions

    def position(self, gene: str) -> int:
        """Column of a gene.

        Raises
        ------
        DataError
            Where the data set has no such gene.
        """
        if gene not in self._positions:
            raise DataError(f"The data set has no gene called '{gene}'.")
        return self._positions[gene]

    def entries(self, gene: str) -> tuple[np.ndarray, np.ndarray]:
        """Cells that have a stored value of a gene, and the values on the log scale."""
        i = self.position(gene)
        part = slice(int(self.stored.indptr[i]), int(self.stored.indptr[i + 1]))
        rows = np.asarray(self.stored.indices[part])
        return rows, self._scaled(np.asarray(self.stored.data[part], dtype=np.float32), rows)

    def gene(self, gene: str) -> np.ndarray:
        """One gene's values, float32 ``(n_cells,)``."""
        rows, values = self.entries(gene)
        column = np.zeros(self.n_cells, dtype=np.float32)
        column[rows] = values
        return column

    def mean(self, genes: list[str]) -> np.ndarray:
        """Mean over genes, float32 ``(n_cells,)``."""
        total = np.zeros(self.n_cells, dtype=np.float32)
        for gene in genes:
            rows, values = self.entries(gene)
            total[rows] += values
        return total / max(len(genes), 1)

    def by_gene(self, genes: list[str] | None = None) -> sparse.csc_matrix:
        """CSC ``(n_cells, n_genes)`` on the log scale, in memory; some genes, or all."""
        some = self.stored if genes is None else self.stored[:, [self.position(g) for g in genes]]
        if not self.counts:
            return some
        data = self._scaled(np.asarray(some.data, dtype=np.float32), np.asarray(some.indices))
        return sparse.csc_matrix((data, some.indices, some.indptr), shape=some.shape, copy=False)

    def _scaled(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if not self.counts:
            return values
        factors = np.divide(
            TARGET_SUM,
            self.totals,
            out=np.zeros(self.n_cells, dtype=np.float64),
            where=self.totals > 0,
        ).astype(np.float32)
        return np.log1p(values * factors[rows])


def open_expression(
    cells: AnnData, *, counts: bool, cache: Path | None = None, on_progress: OnProgress = silent
) -> Expression:
    """The copy by gene of ``cells.X``: from the cache, or made now.

    Parameters
    ----------
    cells
        In memory or backed; not changed.
    counts
        Whether ``X`` holds raw counts.
    cache
        Folder named by the data set's content hash, used above :data:`IN_MEMORY` stored values
        or where ``cells`` is backed; None keeps everything in memory.
    """
    matrix: Any = cells.X
    genes, mito = pd.Index(cells.var_names.astype(str)), np.flatnonzero(mitochondrial(cells))
    if not cells.isbacked and (cache is None or _stored_values(matrix) <= IN_MEMORY):
        stored = sparse.csc_matrix(matrix, dtype=np.float32)
        stored.eliminate_zeros()
        stored.sort_indices()
        return _with_totals(genes, stored, counts, mito, _words(cells, counts))
    if cache is None:
        raise DataError("A data set on disk needs a cache folder for its copy by gene.")
    if not (cache / DONE).exists():
        write_by_gene(cells, cache, on_progress=on_progress)
    return _mapped(genes, cache, counts, len(mito) > 0, _words(cells, counts))


def _words(cells: AnnData, counts: bool) -> str:
    """What values are: as we make them, or as scanpy's note in ``uns`` says."""
    if counts:
        return f"log1p of counts per {TARGET_SUM:,.0f}"
    note = cells.uns.get("log1p")
    if not isinstance(note, Mapping):
        return "expression as stored"
    base = note.get("base")
    return "log1p" if base is None else f"log{float(base):g}(1 + x)"


def _stored_values(matrix: Any) -> int:
    return int(matrix.nnz) if sparse.issparse(matrix) else int(np.prod(matrix.shape))


def _with_totals(
    genes: pd.Index, stored: sparse.csc_matrix, counts: bool, mito: np.ndarray, words: str
) -> Expression:
    totals = np.asarray(stored.sum(axis=1), dtype=np.float64).ravel()
    detected = np.bincount(stored.indices, minlength=stored.shape[0])
    part = np.asarray(stored[:, mito].sum(axis=1), dtype=np.float64).ravel()
    percent = _percent(part, totals) if counts and len(mito) else None
    return Expression(genes, stored, counts, totals, detected, percent, words)


def _percent(part: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.divide(100 * part, totals, out=np.zeros_like(part), where=totals > 0)


def write_by_gene(cells: AnnData, folder: Path, *, on_progress: OnProgress = silent) -> None:
    """Write the copy by gene of ``cells.X`` to ``folder``, reading :data:`CHUNK_CELLS` at a time.

    Two passes: the first counts every gene's values, the second puts them in their places. The
    folder appears as one step.
    """
    n_cells, n_genes = cells.shape
    mito = np.flatnonzero(mitochondrial(cells))
    lengths = np.zeros(n_genes, dtype=np.int64)
    totals, detected = np.zeros(n_cells), np.zeros(n_cells, dtype=np.int64)
    part = np.zeros(n_cells)
    for start, block in _blocks(cells):
        rows = slice(start, start + block.shape[0])
        lengths += np.bincount(block.indices, minlength=n_genes)
        totals[rows] = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel()
        detected[rows] = np.diff(block.indptr)
        part[rows] = np.asarray(block[:, mito].sum(axis=1, dtype=np.float64)).ravel()
        on_progress(rows.stop, 2 * n_cells, "Counting values of every gene")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    draft.mkdir()
    try:
        _place(cells, lengths, draft, on_progress)
        arrays = {"totals": totals, "detected": detected, "part": part}
        for name, array in arrays.items():
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        meta = {"format": FORMAT, "n_cells": n_cells, "n_genes": n_genes}
        (draft / DONE).write_text(json.dumps(meta))
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _blocks(cells: AnnData) -> Any:
    """``(first cell, CSR block)``; stored zeros are dropped."""
    matrix: Any = cells.X
    for start in range(0, cells.n_obs, CHUNK_CELLS):
        block = sparse.csr_matrix(matrix[start : start + CHUNK_CELLS], dtype=np.float32)
        block.eliminate_zeros()
        yield start, block


def _place(cells: AnnData, lengths: np.ndarray, folder: Path, on_progress: OnProgress) -> None:
    n_cells = cells.n_obs
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    total = int(indptr[-1])

    def empty(name: str, dtype: type) -> np.memmap:
        return np.lib.format.open_memmap(
            folder / name, mode="w+", dtype=dtype, shape=(max(total, 1),)
        )

    data, indices = empty("data.npy", np.float32), empty("indices.npy", np.int32)
    np.save(folder / "indptr.npy", indptr, allow_pickle=False)
    after = indptr[:-1].copy()
    for start, block in _blocks(cells):
        columns = block.tocsc()
        here = np.diff(columns.indptr)
        # Gene by gene: runs of neighbouring values are copied as they are, which is many times
        # faster than a place for each value.
        for gene in np.flatnonzero(here):
            begin, end = columns.indptr[gene], columns.indptr[gene + 1]
            to = slice(after[gene], after[gene] + here[gene])
            data[to] = columns.data[begin:end]
            indices[to] = columns.indices[begin:end] + start
        after += here
        on_progress(n_cells + start + block.shape[0], 2 * n_cells, "Writing the copy by gene")
    data.flush()
    indices.flush()


def _mapped(genes: pd.Index, folder: Path, counts: bool, has_mito: bool, words: str) -> Expression:
    def array(name: str, mmap: bool = False) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r" if mmap else None, allow_pickle=False)

    try:
        meta = json.loads((folder / DONE).read_text())
        indptr = array("indptr")
        total = int(indptr[-1])
        shape = (int(meta["n_cells"]), int(meta["n_genes"]))
        totals, detected, part = array("totals"), array("detected"), array("part")
        if shape[1] != len(genes) or len(totals) != shape[0] or meta["format"] != FORMAT:
            raise ValueError("shape")
        if total < 2**31:  # one integer type for both, else SciPy copies the larger array
            indptr = indptr.astype(np.int32)
        stored = sparse.csc_matrix(shape, dtype=np.float32)
        stored.indptr = indptr
        stored.indices = array("indices", mmap=True)[:total]
        stored.data = array("data", mmap=True)[:total]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"The copy by gene in {folder} is damaged ({error}): remove that folder."
        ) from None
    stored.has_sorted_indices = True
    percent = _percent(part, totals) if counts and has_mito else None
    return Expression(genes, stored, counts, totals, detected, percent, words)
