"""Cells from h5ad files, and from tables of cells × genes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.columns import DESCRIPTIVE, INDEX_COLUMN, normalise, numbers
from core.data.faults import count
from core.data.readers.hdf5 import open_h5
from core.errors import DataError
from core.progress import OnProgress

if TYPE_CHECKING:
    from anndata import AnnData


def read_h5ad(path: Path) -> AnnData:
    """Read an h5ad file, or say in one sentence why not.

    Raises
    ------
    DataError
        Where the file is missing, empty, cut short, no HDF5 or no AnnData.
    """
    import anndata

    with open_h5(path) as file:
        missing = [part for part in ("obs", "var") if part not in file]
        if missing:
            raise DataError(
                f"The file {path.name} is HDF5 but no h5ad: it has no {' and no '.join(missing)}."
            )
        with warnings.catch_warnings():
            # Notes on old layouts and repeated names: what matters of them, validation says.
            warnings.simplefilter("ignore")
            return anndata.read_h5ad(path)


def read_cells(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """The one h5ad file of a data set, as it is."""
    (path,) = files.values()
    on_progress(0, 0, f"Reading {path.name}")
    return read_h5ad(path)


def read_baron_packed(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Baron islets as packed in ``came``: raw counts, ``obs`` donor, cell_type1 and library.

    Adds the names that other studies use: ``cell_type`` and ``batch`` (the donor).
    """
    cells = read_cells(files, on_progress)
    for column in ("donor", "cell_type1"):
        if column not in cells.obs:
            raise DataError(f"The packed islets have no obs column '{column}'.")
    cells.obs["cell_type"] = cells.obs["cell_type1"]
    cells.obs["batch"] = cells.obs["donor"]
    return cells


def read_pbmc68k(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Scanpy's reduced PBMC 68k: log-normalised values (``raw``) become ``X``.

    The file's own ``X`` is scaled (centred, unit variance); it is kept as layer ``scaled``.
    """
    cells = read_cells(files, on_progress)
    if cells.raw is not None and list(cells.raw.var_names) == list(cells.var_names):
        cells.layers["scaled"] = np.asarray(cells.X, dtype=np.float32)
        cells.X = sparse.csr_matrix(cells.raw.X, dtype=np.float32)
        cells.raw = None
    if "bulk_labels" in cells.obs:
        cells.obs["cell_type"] = cells.obs["bulk_labels"]
    return cells


def read_bone_marrow(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """The opening example: ``obs["condition"]`` is ``healthy`` or ``AML``, values are log2(1 + x).

    ``uns["log1p"]["base"]`` says the base, as scanpy's tests want to know it.
    """
    cells = read_cells(files, on_progress)
    if "Type" not in cells.obs:
        raise DataError("The bone marrow example has no obs column 'Type'.")
    cells.obs["condition"] = cells.obs["Type"]
    cells.uns["log1p"] = {"base": 2.0}
    return cells


def cells_from_genes(frame: pd.DataFrame) -> AnnData:
    """Cells of a table of genes × cells: the first column names the genes, each other is a cell."""
    import anndata

    if frame.empty:
        raise DataError("The table has a header but no rows.")
    genes = pd.Index(frame.iloc[:, 0].astype(str))
    names = [str(name) for name in frame.columns[1:]]
    columns = []
    for position, name in enumerate(names, start=1):
        values = numbers(frame.iloc[:, position])
        if values.isna().any():
            i = int(np.flatnonzero(values.isna())[0])
            raise DataError(
                f"The cell '{name}' has no number in row {i + 1:,} (gene {genes[i]!s}): it is "
                f"'{frame.iloc[i, position]!s}'."
            )
        columns.append(values.to_numpy(dtype=np.float32))
    if not columns:
        raise DataError("The table has one column, so it holds no cells.")
    return anndata.AnnData(
        X=sparse.csr_matrix(np.stack(columns)),
        obs=pd.DataFrame(index=pd.Index(names)),
        var=pd.DataFrame(index=genes),
    )


def cells_from_frame(frame: pd.DataFrame) -> AnnData:
    """Cells × genes from a table: text columns describe cells, numeric columns are genes.

    The first column names the cells if it is text without repeats.
    """
    import anndata

    if frame.empty:
        raise DataError("The table has a header but no rows.")
    frame = frame.copy()
    columns = [str(name) for name in frame.columns]
    names = pd.Index([f"cell{i + 1}" for i in range(len(frame))])
    first = frame.iloc[:, 0]
    skip = set()
    if not pd.api.types.is_numeric_dtype(first.dtype) and not first.duplicated().any():
        names, skip = pd.Index(first.astype(str)), {0}
    genes, described = [], {}
    for position, name in enumerate(columns):
        series = frame.iloc[:, position]
        if position in skip or INDEX_COLUMN.fullmatch(name):
            continue
        numeric = pd.api.types.is_numeric_dtype(series.dtype)
        if numeric and normalise(name) not in DESCRIPTIVE:
            genes.append(position)
        elif not numeric and numbers(series.dropna()).notna().mean() > 0.5:
            i = int(np.flatnonzero(numbers(series).isna())[0])
            raise DataError(
                f"The gene '{name}' is '{series.iloc[i]}' in row {i + 1:,} ({names[i]}), which is "
                "not a number."
            )
        else:
            described[name] = series.to_numpy()
    if not genes:
        raise DataError("The table has no numeric columns, so it holds no genes.")
    values = frame.iloc[:, genes].to_numpy(dtype=np.float32)
    if np.isnan(values).any():
        i, j = np.argwhere(np.isnan(values))[0]
        raise DataError(
            f"The gene '{columns[genes[j]]}' has no value in row {i + 1:,} ({names[i]}); "
            f"{count(int(np.isnan(values).sum()), 'such value')} in all."
        )
    return anndata.AnnData(
        X=sparse.csr_matrix(values),
        obs=pd.DataFrame(described, index=names),
        var=pd.DataFrame(index=pd.Index([columns[i] for i in genes])),
    )
