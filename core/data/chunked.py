"""h5ad files larger than memory: checked and copied in blocks of cells, opened as Dask arrays.

Only ``obs``, ``var`` and ``obsm`` are held whole; of the values, one block of
:data:`CHUNK_CELLS` cells at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.cells import check_names, hash_names, update_hash
from core.data.faults import InvalidTableError
from core.data.orientation import GENES_BY_CELLS, orientation, transposed_words
from core.data.preprocessing.counts import fault
from core.data.readers.hdf5 import open_h5
from core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

CHUNK_CELLS = 20_000
#: Layer that is copied beside ``X``; others would have to be held whole.
COUNTS = "counts"


def stored_bytes(path: Path) -> int:
    """Bytes that ``X`` of an h5ad file takes in memory as float32 (CSR where it is sparse)."""
    with open_h5(path) as file:
        element = file.get("X") or file.get(f"layers/{COUNTS}")
        if element is None:
            return 0
        if hasattr(element, "shape"):
            return int(np.prod(element.shape, dtype=np.float64)) * 4
        return int(element["data"].shape[0]) * 8 + int(element["indptr"].shape[0]) * 8


def _blocks(element: Any, shape: tuple[int, int]) -> Iterator[sparse.csr_matrix]:
    from anndata.io import sparse_dataset

    source = element if hasattr(element, "shape") else sparse_dataset(element)
    for start in range(0, shape[0], CHUNK_CELLS):
        block: Any = source[start : start + CHUNK_CELLS]
        if not sparse.issparse(block) and np.asarray(block).dtype.kind not in "fiub":
            raise InvalidTableError([f"X holds {block.dtype} values, not numbers."])
        yield sparse.csr_matrix(block, dtype=np.float32)


class _Values:
    """What all blocks together hold."""

    def __init__(self) -> None:
        self.faults: set[str] = set()
        self.any = False
        self.top = 0.0

    def add(self, block: sparse.csr_matrix) -> None:
        if not np.isfinite(block.data).all():
            raise InvalidTableError(["X holds a missing or infinite value."])
        self.any = self.any or bool(block.data.any())
        self.top = max(self.top, float(block.data.max(initial=0)))
        if block.data.any() and (why := fault(block)):
            self.faults.add("negative" if "negative" in why else "fraction")

    @property
    def kind(self) -> str:
        if "negative" in self.faults:
            return "scaled values"
        return "non-negative values" if self.faults else "counts"


def _copy(target: Any, name: str, element: Any, shape: tuple[int, int], strict: bool) -> _Values:
    """Write a matrix block by block, by cell, as float32."""
    from anndata.io import sparse_dataset, write_elem

    values = _Values()
    for number, block in enumerate(_blocks(element, shape)):
        values.add(block)
        if strict and values.faults:
            raise InvalidTableError([f"The layer '{name.split('/')[-1]}' holds no raw counts."])
        if number == 0:
            block.indptr = block.indptr.astype(np.int64)
            write_elem(target, name, block, dataset_kwargs={"compression": "lzf"})
        else:
            sparse_dataset(target[name]).append(block)
    if not values.any:
        raise InvalidTableError([f"{name} holds nothing but zeros."])
    return values


def import_chunked(path: Path, out: Path, organism: str | None) -> dict[str, Any]:
    """Check an h5ad file and write it to ``out``, one block of cells at a time.

    Layers other than ``counts``, ``raw``, ``uns`` and graphs are left out.

    Returns
    -------
    dict
        As :func:`core.data.reading.read_and_check`.

    Raises
    ------
    core.data.faults.InvalidTableError
        Where the file does not hold what it must.
    """
    import anndata
    import h5py
    from anndata.io import read_elem, write_elem

    with open_h5(path) as file:
        for part in ("obs", "var"):
            if part not in file:
                raise DataError(f"The file {path.name} is HDF5 but no h5ad: it has no {part}.")
        frame = anndata.AnnData(obs=read_elem(file["obs"]), var=read_elem(file["var"]))
        shape = frame.shape
        element = file.get("X") or file.get(f"layers/{COUNTS}")
        if element is None or 0 in shape:
            raise InvalidTableError([f"The file holds no values ({shape[0]} × {shape[1]})."])
        understood = ["The file is larger than is read at once: it was copied in blocks of cells."]
        warnings: list[str] = []
        if orientation(frame.obs_names, frame.var_names) == GENES_BY_CELLS:
            raise InvalidTableError([transposed_words(frame.obs_names)])
        told, identifiers = check_names(frame, organism, understood, warnings)
        with h5py.File(out, "w") as target:
            target.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
            values = _copy(target, "X", element, shape, strict=False)
            write_elem(target, "layers", {})
            if COUNTS in file.get("layers", {}) and "X" in file:
                _copy(target, f"layers/{COUNTS}", file[f"layers/{COUNTS}"], shape, strict=True)
            write_elem(target, "obs", frame.obs)
            write_elem(target, "var", frame.var)
            write_elem(target, "obsm", _coordinates(file, shape[0]))
            for name in ("varm", "obsp", "varp", "uns"):
                write_elem(target, name, {})
    words = {
        "counts": f"X holds raw counts (whole numbers up to {values.top:,.0f}).",
        "non-negative values": "X holds values that are no whole numbers, so it is normalised.",
        "scaled values": "X holds negative values, so it is scaled and not counts.",
    }[values.kind]
    (understood if values.kind == "counts" else warnings).append(words)
    meta = {
        "organism": told,
        "values": values.kind,
        "identifiers": identifiers,
        "warnings": warnings,
        "understood": understood,
        "content_hash": chunked_hash(out, frame),
    }
    return {"type": "cells", "n_rows": shape[0], "n_vars": shape[1], "meta": meta}


def _coordinates(file: Any, n_cells: int) -> dict[str, np.ndarray]:
    found = {}
    for name in file.get("obsm", {}):
        element = file["obsm"][name]
        if hasattr(element, "shape") and element.ndim == 2 and element.shape[0] == n_cells:
            found[name] = np.asarray(element[:], dtype=np.float32)
    return found


def chunked_hash(path: Path, frame: AnnData) -> str:
    """:func:`core.data.cells.cells_hash` of a file with sparse ``X``, without holding it."""
    digest = hashlib.sha256()
    hash_names(digest, frame)
    with open_h5(path) as file:
        for part in ("indptr", "indices", "data"):
            stored = file["X"][part]
            for start in range(0, stored.shape[0], 2**22):
                update_hash(digest, stored[start : start + 2**22])
    return digest.hexdigest()


def open_lazy(path: Path) -> AnnData:
    """Cells of an h5ad file whose ``X`` and counts are Dask arrays of CSR blocks.

    Nothing of the values is read until it is computed; ``obs``, ``var`` and ``obsm`` are.
    """
    import anndata
    from anndata.experimental import read_elem_lazy
    from anndata.io import read_elem

    with open_h5(path) as file:
        obs, var = read_elem(file["obs"]), read_elem(file["var"])
        chunks = (min(CHUNK_CELLS, max(len(obs), 1)), len(var))
        layers = {}
        if COUNTS in file.get("layers", {}):
            layers[COUNTS] = read_elem_lazy(file[f"layers/{COUNTS}"], chunks=chunks)
        matrix: Any = read_elem_lazy(file["X"], chunks=chunks)
        obsm = read_elem(file["obsm"]) if "obsm" in file else {}
    return anndata.AnnData(X=matrix, obs=pd.DataFrame(obs), var=var, obsm=obsm, layers=layers)
