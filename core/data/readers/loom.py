"""Loom files (http://linnarssonlab.org/loompy/format): HDF5 of genes × cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.readers.hdf5 import open_h5
from core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

#: Attributes that name genes and cells, the usual first.
GENE_NAMES = ("Gene", "gene", "var_names", "gene_name", "GeneName", "Accession")
CELL_NAMES = ("CellID", "cell_id", "obs_names", "cell", "barcode")
#: Cells that are read at once.
CHUNK = 1024


def read_loom(path: Path) -> AnnData:
    """Cells of a loom file: ``/matrix`` (genes × cells) with row and column attributes.

    Raises
    ------
    DataError
        Where the file is damaged, or no loom file.
    """
    import anndata

    with open_h5(path, "loom") as file:
        if "matrix" not in file or not hasattr(file["matrix"], "shape"):
            raise DataError(f"The file {path.name} is HDF5 but no loom file: it has no 'matrix'.")
        stored = file["matrix"]
        if stored.ndim != 2:
            raise DataError(f"The matrix of {path.name} has {stored.ndim} dimensions, not two.")
        n_genes, n_cells = stored.shape
        var, genes = _attributes(file.get("row_attrs"), n_genes, GENE_NAMES)
        obs, cells = _attributes(file.get("col_attrs"), n_cells, CELL_NAMES)
        if genes is None:
            raise DataError(f"The loom file {path.name} does not name its genes (row_attrs/Gene).")
        blocks = [
            sparse.csr_matrix(np.asarray(stored[:, start : start + CHUNK], dtype=np.float32).T)
            for start in range(0, n_cells, CHUNK)
        ]
        matrix = sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((0, n_genes))
    names = cells or [f"cell{i + 1}" for i in range(n_cells)]
    var.index, obs.index = pd.Index(genes), pd.Index(names)
    return anndata.AnnData(X=matrix, obs=obs, var=var)


def _attributes(
    group: Any, length: int, naming: tuple[str, ...]
) -> tuple[pd.DataFrame, list[str] | None]:
    """One-dimensional attributes as a frame, and the names among them."""
    columns: dict[str, Any] = {}
    for name in group or ():
        values = group[name]
        if getattr(values, "shape", None) == (length,):
            array = values[:]
            if array.dtype.kind in "SO":
                array = np.array(
                    [
                        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)
                        for v in array
                    ],
                    dtype=object,
                )
            columns[str(name)] = array
    key = next((name for name in naming if name in columns), None)
    names = None if key is None else [str(value) for value in columns.pop(key)]
    return pd.DataFrame(columns, index=range(length)), names
