"""Counts as 10x Genomics' Cell Ranger writes them: one HDF5 file, or the three files of mtx."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmread

from core.data.faults import first_line, listing
from core.data.readers.hdf5 import open_h5
from core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

EXPRESSION = "Gene Expression"
MATRIX = ("matrix.mtx",)
FEATURES = ("features.tsv", "genes.tsv")
BARCODES = ("barcodes.tsv",)


def _texts(values: Any) -> list[str]:
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def read_10x_h5(path: Path) -> AnnData:
    """Cell Ranger's ``filtered_feature_bc_matrix.h5``, version 3, or the older one by genome.

    Only the features of type ``Gene Expression`` are kept; the counts of several genomes stand
    side by side.

    Raises
    ------
    DataError
        Where the file is damaged, or holds no such matrix.
    """
    with open_h5(path, "10x HDF5") as file:
        groups = [file["matrix"]] if "matrix" in file else [file[name] for name in file]
        parts = [_group(group, path) for group in groups if hasattr(group, "keys")]
        if not parts:
            raise DataError(f"The file {path.name} is HDF5 but no 10x matrix: it has no 'matrix'.")
    return parts[0] if len(parts) == 1 else _side_by_side(parts, path)


def _group(group: Any, path: Path) -> AnnData:
    missing = [name for name in ("data", "indices", "indptr", "shape") if name not in group]
    if missing or "barcodes" not in group:
        what = missing[0] if missing else "barcodes"
        raise DataError(
            f"The file {path.name} is HDF5 but no 10x matrix: it has no '{what}' in '{group.name}'."
        )
    n_genes, n_cells = (int(n) for n in group["shape"][:])
    data, indices, indptr = (group[name][:] for name in ("data", "indices", "indptr"))
    fits = len(indptr) == n_cells + 1 and indptr[0] == 0 and indptr[-1] == len(data)
    fits = fits and len(data) == len(indices) and not (np.diff(indptr) < 0).any()
    if not fits or (len(indices) and not 0 <= indices.min() <= indices.max() < n_genes):
        raise DataError(f"The 10x matrix in {path.name} contradicts itself: its parts do not fit.")
    # Stored by cell (CSC of genes × cells), which is CSR of cells × genes.
    matrix = sparse.csr_matrix((data.astype(np.float32), indices, indptr), shape=(n_cells, n_genes))
    features = group.get("features", group)
    ids = _texts(features["id" if "id" in features else "genes"][:])
    names = _texts(features["name" if "name" in features else "gene_names"][:])
    types = _texts(features["feature_type"][:]) if "feature_type" in features else None
    genome = _texts(features["genome"][:]) if "genome" in features else None
    return _assemble(matrix, _texts(group["barcodes"][:]), ids, names, types, genome, path)


def _assemble(
    matrix: sparse.csr_matrix,
    barcodes: list[str],
    ids: list[str],
    names: list[str],
    types: list[str] | None,
    genome: list[str] | None,
    path: Path,
) -> AnnData:
    import anndata

    for words, n, what in (
        (barcodes, matrix.shape[0], "barcodes"),
        (ids, matrix.shape[1], "features"),
        (names, matrix.shape[1], "features"),
    ):
        if len(words) != n:
            raise DataError(
                f"The 10x matrix in {path.name} has {n:,} {what}, but {len(words):,} are named."
            )
    var = pd.DataFrame({"gene_ids": ids}, index=pd.Index(names))
    if types is not None:
        var["feature_types"] = types
    if genome is not None and len(set(genome)) > 1:
        var["genome"] = genome
    cells = anndata.AnnData(X=matrix, obs=pd.DataFrame(index=pd.Index(barcodes)), var=var)
    if types is not None and set(types) != {EXPRESSION}:
        expressed = np.array([kind == EXPRESSION for kind in types])
        if not expressed.any():
            raise DataError(
                f"The 10x matrix in {path.name} holds no gene expression, but "
                f"{listing(sorted(set(types)))}."
            )
        cells = cells[:, expressed].copy()
    return cells


def _side_by_side(parts: list[AnnData], path: Path) -> AnnData:
    import anndata

    if any(list(part.obs_names) != list(parts[0].obs_names) for part in parts[1:]):
        raise DataError(f"The genomes in {path.name} have different cells.")
    joined = anndata.AnnData(
        X=sparse.hstack([part.X for part in parts], format="csr"),
        obs=parts[0].obs,
        var=pd.concat([part.var for part in parts]),
    )
    return joined


def read_10x_archive(path: Path, limit: int) -> AnnData:
    """The three files of Cell Ranger's mtx folder in a zip, tar or tar.gz.

    ``matrix.mtx``, ``features.tsv`` (or ``genes.tsv``) and ``barcodes.tsv``, each gzipped or not,
    in any folder of the archive.

    Parameters
    ----------
    limit
        Most bytes that the three may unpack to.

    Raises
    ------
    DataError
        Where the archive is damaged, lacks one of them or has two, or they do not fit.
    """
    with _damage_said(path):
        found = _three(path, limit)
    missing = [name for name in ("matrix.mtx", "features.tsv", "barcodes.tsv") if name not in found]
    if missing:
        raise DataError(
            f"The archive {path.name} has no {listing(missing)}: it must hold matrix.mtx, "
            "features.tsv (or genes.tsv) and barcodes.tsv."
        )
    return _from_mtx(found, path)


def _three(path: Path, limit: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = limit
    for name, stream in _members(path):
        base = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
        if base.startswith("._"):
            continue  # what macOS adds to archives
        part = _part(base.removesuffix(".gz"))
        if part is None:
            continue
        if part in found:
            raise DataError(f"The archive {path.name} holds more than one {part}: send one sample.")
        found[part] = _unpack(stream, base, left, path)
        left -= len(found[part])
    return found


def _part(base: str) -> str | None:
    for known, part in (
        (MATRIX, "matrix.mtx"),
        (FEATURES, "features.tsv"),
        (BARCODES, "barcodes.tsv"),
    ):
        if any(
            base == name or base.endswith(("_" + name, "." + name, "-" + name)) for name in known
        ):
            return part
    return None


@contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    """Whatever archives and their parts raise on damage, as one sentence."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    except (OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"The archive {path.name} is cut short or damaged ({first_line(error)}).")


def _members(path: Path) -> Iterator[tuple[str, Any]]:
    """Names and streams of the plain files in an archive."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if not item.is_dir():
                    with archive.open(item) as stream:
                        yield item.filename, stream
        return
    with tarfile.open(path, "r:*") as tar:
        for member in tar:
            if member.isfile():
                yield member.name, tar.extractfile(member)


def _unpack(stream: Any, base: str, limit: int, path: Path) -> bytes:
    source = gzip.GzipFile(fileobj=stream) if base.endswith(".gz") else stream
    content = source.read(limit + 1)
    if len(content) > limit:
        raise DataError(
            f"The archive {path.name} unpacks to more than the limit (PERTURBSCOPE_UPLOAD_LIMIT_MB)."
        )
    return bytes(content)


def _from_mtx(found: dict[str, bytes], path: Path) -> AnnData:
    try:
        matrix: Any = mmread(io.BytesIO(found["matrix.mtx"]))
    except (ValueError, TypeError, OverflowError, EOFError) as error:
        raise DataError(
            f"The matrix.mtx in {path.name} cannot be read ({first_line(error)})."
        ) from error
    matrix = sparse.csr_matrix(sparse.coo_matrix(matrix).T, dtype=np.float32)
    rows = [line.split("\t") for line in _lines(found["features.tsv"], "features.tsv", path)]
    barcodes = [line.split("\t")[0] for line in _lines(found["barcodes.tsv"], "barcodes.tsv", path)]
    if (matrix.shape[1], matrix.shape[0]) == (len(barcodes), len(rows)) and len(rows) != len(
        barcodes
    ):
        matrix = sparse.csr_matrix(matrix.T)  # written cells × genes
    ids = [row[0] for row in rows]
    names = [row[1] if len(row) > 1 and row[1] else row[0] for row in rows]
    types = [row[2] for row in rows] if rows and all(len(row) > 2 for row in rows) else None
    return _assemble(matrix, barcodes, ids, names, types, None, path)


def _lines(content: bytes, name: str, path: Path) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"The {name} in {path.name} is no UTF-8 text.") from None
