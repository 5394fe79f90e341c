"""Writes R's serialisation format (XDR, version 2) by hand, as ``save`` and ``saveRDS`` do.

Format: "R Internals", section 1.8 (serialization formats). Only what the tests need.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

SYMBOL, PAIRLIST, ENVIRONMENT, CHAR, LOGICAL, INTEGER, REAL, STRING, LIST, S4 = (
    *(1, 2, 4, 9, 10, 13, 14, 16, 19, 25),
)
NIL, GLOBAL_ENVIRONMENT = 254, 253
IS_OBJECT, HAS_ATTRIBUTES, HAS_TAG = 1 << 8, 1 << 9, 1 << 10
ASCII, S4_BIT = 1 << 18, 1 << 16


class Strings(list):
    """A character vector; ``Strings(...)`` keeps it apart from a list."""


class S4Object(dict):
    """Slots of an S4 object, with its class under ``class``."""


class Environment(dict):
    """Variables of an environment, in its hash table (R's habit) or in its frame."""

    hashed = True


def _int(value: int) -> bytes:
    return struct.pack(">i", value)


def _char(text: str) -> bytes:
    content = text.encode("ascii")
    return _int(CHAR | ASCII) + _int(len(content)) + content


def _pairlist(items: Mapping[str, Any]) -> bytes:
    out = b""
    for name, value in items.items():
        out += _int(PAIRLIST | HAS_TAG) + _int(SYMBOL) + _char(name) + _object(value)
    return out + _int(NIL)


def _object(value: Any) -> bytes:
    if value is None:
        return _int(NIL)
    if isinstance(value, S4Object):
        slots = _pairlist(value)
        return _int(S4 | IS_OBJECT | HAS_ATTRIBUTES | S4_BIT) + slots
    if isinstance(value, Environment):
        # unlocked, its parent, its frame, its hash table, no attributes
        table = _int(LIST) + _int(2) + _pairlist(value) + _int(NIL)
        inside = _int(NIL) + table if value.hashed else _pairlist(value) + _int(NIL)
        return _int(ENVIRONMENT) + _int(0) + _int(GLOBAL_ENVIRONMENT) + inside + _int(NIL)
    if isinstance(value, Strings):
        return _int(STRING) + _int(len(value)) + b"".join(map(_char, value))
    if isinstance(value, Mapping):
        body = _int(len(value)) + b"".join(map(_object, value.values()))
        names = _pairlist({"names": Strings(value)})
        return _int(LIST | HAS_ATTRIBUTES) + body + names
    if isinstance(value, list):
        return _int(LIST) + _int(len(value)) + b"".join(map(_object, value))
    array = np.asarray(value)
    kind, dtype = (REAL, ">f8") if array.dtype.kind == "f" else (INTEGER, ">i4")
    return _int(kind) + _int(array.size) + array.astype(dtype).tobytes()


def _header() -> bytes:
    return b"X\n" + _int(2) + _int(0x00030600) + _int(0x00020300)


def write_rdata(path: Path, objects: Mapping[str, Any]) -> None:
    """As ``save(..., file = path)``: gzipped, with names."""
    path.write_bytes(gzip.compress(b"RDX2\n" + _header() + _pairlist(objects)))


def write_rds(path: Path, value: Any) -> None:
    """As ``saveRDS(value, path)``: gzipped, one object."""
    path.write_bytes(gzip.compress(_header() + _object(value)))


def dgcmatrix(matrix: Any, rows: Sequence[str] | None, columns: Sequence[str] | None) -> S4Object:
    """A ``Matrix::dgCMatrix``."""
    csc = sparse.csc_matrix(matrix)
    return S4Object(
        {
            "i": csc.indices,
            "p": csc.indptr,
            "Dim": np.array(csc.shape),
            "Dimnames": [
                None if rows is None else Strings(rows),
                None if columns is None else Strings(columns),
            ],
            "x": csc.data.astype(float),
            "factors": [],
            "class": Strings(["dgCMatrix"]),
        }
    )


def dframe(columns: Mapping[str, Sequence[Any]], rownames: Sequence[str] | None) -> S4Object:
    """A Bioconductor ``DFrame``."""
    data = {
        name: Strings(values) if isinstance(values[0], str) else np.asarray(values)
        for name, values in columns.items()
    }
    return S4Object(
        {
            "rownames": None if rownames is None else Strings(rownames),
            "nrows": np.array([len(next(iter(columns.values())))]),
            "listData": data,
            "class": Strings(["DFrame"]),
        }
    )


def experiment(counts: S4Object, cells: S4Object, genes: S4Object) -> S4Object:
    """A ``SummarizedExperiment`` as Bioconductor 3.10 saved it: assays behind an environment."""
    assays = S4Object({"listData": {"counts": counts}, "class": Strings(["SimpleList"])})
    shallow = S4Object(
        {".xData": Environment({"data": assays}), "class": Strings(["ShallowSimpleListAssays"])}
    )
    return S4Object(
        {
            "colData": cells,
            "assays": shallow,
            "NAMES": None,
            "elementMetadata": genes,
            "metadata": [],
            "class": Strings(["SummarizedExperiment"]),
        }
    )
