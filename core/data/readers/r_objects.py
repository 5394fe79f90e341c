"""Sparse matrices out of R's own files: PanglaoDB samples, and SummarizedExperiment objects.

Files are parsed, never evaluated: no R runs.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.cells import ENSEMBL
from core.errors import DataError
from core.progress import OnProgress

if TYPE_CHECKING:
    from anndata import AnnData

#: Names under which PanglaoDB saved its matrices.
MATRIX_NAMES = ("sm", "sm2")


def load_r(path: Path) -> Any:
    """The object of an ``.rds`` file, or the named objects of an ``.RData`` file.

    Raises
    ------
    DataError
        Where the file is empty, cut short, or not R's.
    """
    import rdata

    if not path.is_file() or path.stat().st_size == 0:
        state = "is empty" if path.is_file() else "does not exist"
        raise DataError(f"The R file {path.name} {state}.")
    content = path.read_bytes()
    if path.name.lower().endswith(".gz") and content[:2] == b"\x1f\x8b":
        content = _gunzip_once(path, content)
    try:
        with warnings.catch_warnings():
            # rdata has no constructors for S4 classes; their slots are all that is needed.
            warnings.simplefilter("ignore")
            return rdata.conversion.convert(rdata.parser.parse_data(content))
    except Exception as error:  # a parser of foreign bytes fails in many ways
        raise DataError(
            f"The R file {path.name} cannot be read: it is cut short, damaged or of a kind that is "
            f"not supported ({type(error).__name__})."
        ) from error


def _gunzip_once(path: Path, content: bytes) -> bytes:
    """R's files are gzipped themselves; GEO gzips them once more."""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise DataError(f"The R file {path.name} is cut short or damaged: {error}.") from error


def _is_sparse(value: Any) -> bool:
    return all(hasattr(value, slot) for slot in ("i", "p", "x", "Dim", "Dimnames"))


def sparse_matrix(value: Any, name: str) -> tuple[sparse.csc_matrix, list[str], list[str]]:
    """A ``dgCMatrix`` as SciPy CSC ``(n_rows, n_columns)`` with its row and column names."""
    if not _is_sparse(value):
        raise DataError(f"The R object '{name}' is no sparse matrix (dgCMatrix).")
    shape = tuple(int(n) for n in value.Dim)
    data = np.asarray(value.x, dtype=np.float32)
    rows, starts = np.asarray(value.i, dtype=np.int32), np.asarray(value.p, dtype=np.int64)
    whole = len(starts) == shape[1] + 1 and len(rows) == len(data) == starts[-1]
    ordered = whole and starts[0] == 0 and not (np.diff(starts) < 0).any()
    if not ordered or (len(rows) and not 0 <= rows.min() <= rows.max() < shape[0]):
        raise DataError(f"The sparse matrix '{name}' contradicts itself: its slots do not fit.")
    matrix = sparse.csc_matrix((data, rows, starts), shape=shape)
    names = []
    for axis, length in zip(value.Dimnames, shape, strict=True):
        words = [str(word) for word in axis] if axis is not None else []
        if words and len(words) != length:
            raise DataError(
                f"The sparse matrix '{name}' has {length} rows or columns but {len(words)} names."
            )
        names.append(words)
    return matrix, names[0], names[1]


def _cells(matrix: sparse.csc_matrix, genes: list[str], names: list[str]) -> AnnData:
    import anndata

    if not genes:
        raise DataError("The sparse matrix has no row names, so its genes are unknown.")
    names = names or [f"cell{i + 1}" for i in range(matrix.shape[1])]
    return anndata.AnnData(
        X=sparse.csr_matrix(matrix.T),
        obs=pd.DataFrame(index=pd.Index(names)),
        var=pd.DataFrame(index=pd.Index(genes)),
    )


def split_symbol(name: str) -> tuple[str, str]:
    """``"INS_ENSG00000254647.6"`` → ``("INS", "ENSG00000254647.6")``; no id gives ``""``."""
    for separator in ("_", "-"):
        symbol, found, id = name.rpartition(separator)
        if found and ENSEMBL.fullmatch(id):
            return symbol, id
    return name, ""


def read_sparse(path: Path) -> AnnData:
    """Cells of the ``dgCMatrix`` (genes × cells) in an ``.RData`` or ``.rds`` file.

    In an ``.RData`` file the matrix is called ``sm`` or ``sm2`` as in PanglaoDB, or is the only
    one. Row names ``SYMBOL_ENSG…`` are split into symbols and ``var['gene_ids']``.
    """
    loaded = load_r(path)
    if isinstance(loaded, dict):
        found = {name: value for name, value in loaded.items() if _is_sparse(value)}
        name = next((name for name in MATRIX_NAMES if name in found), next(iter(found), None))
        if name is None:
            held = ", ".join(map(str, loaded)) or "nothing"
            raise DataError(f"The R file {path.name} holds no sparse matrix (it holds {held}).")
        value = found[name]
    else:
        name, value = path.name, loaded
    matrix, rows, columns = sparse_matrix(value, name)
    split = [split_symbol(row) for row in rows]
    cells = _cells(matrix, [symbol for symbol, _ in split], columns)
    if any(id for _, id in split):
        cells.var["gene_ids"] = [id for _, id in split]
    return cells


def read_panglaodb(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """One PanglaoDB sample, ``SRA…_SRS….sparse.RData``: read counts of genes × cells."""
    (path,) = files.values()
    on_progress(0, 0, f"Reading {path.name}")
    return read_sparse(path)


def _attribute(value: Any, *path: str) -> Any:
    """Follow slots, list members and environment variables; ``None`` where one is missing.

    An environment keeps its variables in a hash table or, if it has none, in its frame.
    """
    for name in path:
        found = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if found is None and isinstance(frame := getattr(value, "frame", None), Mapping):
            found = frame.get(name)
        if found is None:
            return None
        value = found
    return value


def _counts(experiment: Any) -> Any:
    """The sparse assay of a SummarizedExperiment, in any of its historical layouts."""
    for path in (
        ("assays", ".xData", "data"),
        ("assays", "xData", "data"),
        ("assays", "data"),
        ("assays",),
    ):
        assays = _attribute(experiment, *path)
        for slot in ("listData", None):
            held = _attribute(assays, slot) if slot else assays
            if isinstance(held, Mapping):
                for value in (held.get("counts"), *held.values()):
                    if value is not None and _is_sparse(value):
                        return value
    return None


def _frame(value: Any) -> pd.DataFrame:
    """A Bioconductor ``DataFrame`` as a pandas frame; columns of other kinds are left out."""
    columns = _attribute(value, "listData") or {}
    rows = _attribute(value, "rownames")
    plain = {
        str(name): np.asarray(column)
        for name, column in dict(columns).items()
        if not isinstance(column, SimpleNamespace | Mapping) and np.ndim(column) == 1
    }
    index = None if rows is None else pd.Index([str(row) for row in rows])
    return pd.DataFrame(plain, index=index)


def read_experiment(path: Path) -> AnnData:
    """A SummarizedExperiment with a sparse ``counts`` assay, ``colData`` and ``rowData``."""
    loaded = load_r(path)
    value = _counts(loaded)
    if value is None:
        raise DataError(f"The R file {path.name} holds no experiment with sparse counts.")
    matrix, rows, columns = sparse_matrix(value, "counts")
    described = _frame(_attribute(loaded, "colData"))
    genes = _frame(_attribute(loaded, "elementMetadata"))
    if "gene_name" in genes and len(genes) == matrix.shape[0]:
        symbols = [str(name) for name in genes["gene_name"]]
    else:
        symbols = rows or list(_attribute(loaded, "NAMES") or [])
    names = columns or list(described.index)
    cells = _cells(matrix, [str(symbol) for symbol in symbols], names)
    if len(described) == cells.n_obs:
        for name in described.columns:
            cells.obs[name] = described[name].to_numpy()
    return cells


def read_granja(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Healthy and MPAL blood of Granja et al. 2019, with the healthy cells' own cell types.

    ``cell_type`` is the healthy atlas's ``BioClassification`` where it has the cell, else the
    patients' ``ProjectClassification``; ``condition`` is ``healthy`` or ``MPAL``.
    """
    on_progress(0, 0, f"Reading {files['all'].name}")
    cells = read_experiment(files["all"])
    on_progress(0, 0, f"Reading {files['healthy'].name}")
    healthy = _frame(_attribute(load_r(files["healthy"]), "colData"))
    missing = {"Group", "Barcode"} - (set(cells.obs) & set(healthy))
    if missing or "BioClassification" not in healthy:
        raise DataError(
            f"The files of Granja et al. lack the column {min(missing or {'BioClassification'})}."
        )
    keys = healthy["Group"].astype(str) + ":" + healthy["Barcode"].astype(str)
    types = pd.Series(healthy["BioClassification"].astype(str).to_numpy(), index=keys)
    types = types[~types.index.duplicated()]
    own = (cells.obs["Group"].astype(str) + ":" + cells.obs["Barcode"].astype(str)).map(types)
    cells.obs["condition"] = np.where(own.notna(), "healthy", "MPAL")
    project = cells.obs.get("ProjectClassification")
    rest = pd.Series("unknown", index=cells.obs.index) if project is None else project.astype(str)
    cells.obs["cell_type"] = own.where(own.notna(), rest)
    cells.obs["batch"] = cells.obs["Group"].astype(str)
    return cells
