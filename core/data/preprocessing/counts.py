"""Where an AnnData keeps its raw counts, and whether they are counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

LAYER = "counts"
#: Values that are looked at in one go.
CHUNK = 2**22


def _entries(matrix: Any) -> np.ndarray:
    return matrix.data if sparse.issparse(matrix) else np.asarray(matrix).reshape(-1)


def fault(matrix: Any) -> str | None:
    """Why ``matrix`` cannot be raw counts, in words; ``None`` where it can."""
    entries = _entries(matrix)
    any_value = False
    for start in range(0, len(entries), CHUNK):
        part = entries[start : start + CHUNK]
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            return "missing or infinite values"
        if part.dtype.kind != "u" and (part < 0).any():
            return "negative values, so it is scaled"
        if part.dtype.kind == "f" and (part != np.round(part)).any():
            return "values that are no whole numbers, so it is normalised or on a log scale"
        any_value = any_value or bool(part.any())
    return None if any_value else "nothing but zeros"


def has_counts(cells: AnnData) -> bool:
    """Whether :func:`counts_of` finds raw counts."""
    return LAYER in cells.layers or (cells.X is not None and fault(cells.X) is None)


def counts_of(cells: AnnData) -> sparse.csr_matrix:
    """Raw counts, float32 CSR ``(n_cells, n_genes)``: the layer ``counts``, else ``X``.

    Shares memory with ``cells`` where types fit: do not write into it.

    Raises
    ------
    DataError
        Where neither holds counts: what is there instead.
    """
    matrix: Any = cells.layers.get(LAYER, cells.X)
    where = "The layer 'counts'" if LAYER in cells.layers else "X"
    if matrix is None:
        raise DataError("The cells have neither X nor a layer 'counts'.")
    if why := fault(matrix):
        raise DataError(
            f"{where} holds {why}: raw counts are needed, and there is no layer 'counts' that has "
            "them."
            if where == "X"
            else f"{where} holds {why}: raw counts are needed."
        )
    return as_csr(matrix)


def as_csr(matrix: Any) -> sparse.csr_matrix:
    """``matrix`` as float32 CSR, itself where it is that already."""
    if not (sparse.issparse(matrix) and matrix.format == "csr"):
        matrix = sparse.csr_matrix(matrix)
    return matrix if matrix.dtype == np.float32 else matrix.astype(np.float32)
