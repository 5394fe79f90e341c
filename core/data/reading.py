"""What the helper process of :mod:`core.data.untrusted` does: read one file, check it, write ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Imported with the module, so that slow imports do not count as time that a file takes.
import numpy as np
from anndata import AnnData

from core.data import chunked
from core.data.cells import cells_hash, validate_cells
from core.data.faults import InvalidTableError, first_line
from core.data.orientation import GENES_BY_CELLS, orientation, transposed_words
from core.data.preprocessing.counts import LAYER, as_csr, fault
from core.data.readers.competition import looks_like_op2, read_op2_h5ad
from core.data.readers.h5ad import read_h5ad
from core.data.readers.loom import read_loom
from core.data.readers.tenx import read_10x_archive, read_10x_h5
from core.data.registry import PERTURBATION
from core.errors import DataError

#: Parts of ``uns`` that scanpy's tools read; a stranger's other entries are not carried on.
KNOWN_UNS = ("log1p", "pca", "neighbors")


def read_and_check(
    path: str,
    out: str,
    kind: str | None,
    organism: str | None,
    orientation: str | None,
    limit: int,
    chunked_above: int,
) -> dict[str, Any]:
    """Read ``path``, and write what it holds to the folder ``out``.

    Returns
    -------
    dict
        ``type`` (``"cells"`` or ``"table"``) with shape and words; or ``faults``, all that is
        wrong with the content.
    """
    source, folder = Path(path), Path(out)
    try:
        if source.name.lower().endswith(".h5ad"):
            if kind == PERTURBATION or (kind is None and looks_like_op2(source)):
                return _table(source, folder)
            if (found := _large(source, organism, folder, chunked_above)) is not None:
                return found
        elif kind == PERTURBATION:
            raise DataError(f"The file {source.name} can only be read as cells.")
        cells, understood = _parsed(source, limit)
        return _cells(cells, understood, organism, orientation, folder)
    except InvalidTableError as error:
        return {"faults": list(error.faults)}


def _parsed(path: Path, limit: int) -> tuple[AnnData, list[str]]:
    try:
        return read_any(path, limit)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a parser of foreign bytes fails in many ways
        raise DataError(
            f"The file {path.name} is damaged or of a kind that is not supported "
            f"({type(error).__name__}: {first_line(error)})."
        ) from error


def read_any(path: Path, limit: int) -> tuple[AnnData, list[str]]:
    """Cells of a file in any of the binary formats, and how it was read."""
    name = path.name.lower()
    if name.endswith(".h5ad"):
        return read_h5ad(path), []
    if name.endswith(".loom"):
        return read_loom(path), ["The loom file was read as genes × cells."]
    if name.endswith((".h5", ".hdf5")):
        return read_10x_h5(path), ["The file was read as Cell Ranger's HDF5 matrix."]
    if name.endswith((".zip", ".tar", ".tar.gz", ".tgz")):
        return read_10x_archive(path, limit), ["The archive was read as Cell Ranger's mtx files."]
    from core.data.readers.r_objects import read_sparse

    return read_sparse(path), ["The sparse matrix of the R file was read as genes × cells."]


def _cells(
    cells: AnnData,
    understood: list[str],
    organism: str | None,
    asked: str | None,
    folder: Path,
) -> dict[str, Any]:
    cells, words = oriented(cells, asked)
    cells, more = _own_counts(cells)
    for name in [name for name in cells.uns if name not in KNOWN_UNS]:
        del cells.uns[name]
    found = validate_cells(cells, organism=organism)
    found.cells.write_h5ad(folder / "data.h5ad", compression="lzf")
    meta = {
        "organism": found.organism,
        "values": found.values,
        "identifiers": found.identifiers,
        "warnings": found.warnings,
        "understood": [*understood, *words, *more, *found.understood],
        "content_hash": cells_hash(found.cells),
    }
    return {"type": "cells", "n_rows": cells.n_obs, "n_vars": cells.n_vars, "meta": meta}


def oriented(cells: AnnData, asked: str | None) -> tuple[AnnData, list[str]]:
    """Cells in rows; a file whose rows are named as genes is refused unless that was said."""
    if asked == GENES_BY_CELLS:
        return cells.T.copy(), ["Rows were read as genes, as asked."]
    if asked is None and orientation(cells.obs_names, cells.var_names) == GENES_BY_CELLS:
        raise InvalidTableError([transposed_words(cells.obs_names)])
    return cells, []


def _own_counts(cells: AnnData) -> tuple[AnnData, list[str]]:
    """Counts that only ``raw`` holds become the layer ``counts``; ``raw`` itself is let go."""
    raw = cells.raw
    words: list[str] = []
    if raw is not None:
        covered = set(cells.var_names) <= set(raw.var_names) and raw.var_names.is_unique
        matrix: Any = raw.X
        whole = LAYER in cells.layers or cells.X is None or fault(cells.X) is None
        if covered and not whole and fault(matrix) is None:
            positions = raw.var_names.get_indexer(cells.var_names)
            cells.layers[LAYER] = as_csr(matrix)[:, positions]
            words.append("Raw counts were taken from the file's 'raw' into the layer 'counts'.")
        cells.raw = None
    return cells, words


def _table(path: Path, folder: Path) -> dict[str, Any]:
    arrays = read_op2_h5ad(path)
    arrays.obs.to_parquet(folder / "obs.parquet", index=False)
    np.save(folder / "values.npy", np.asarray(arrays.values), allow_pickle=False)
    understood = ["Rows of the h5ad were read as pairs, X as the response of its genes."]
    return {"type": "table", "genes": list(map(str, arrays.genes)), "understood": understood}


def _large(
    path: Path, organism: str | None, folder: Path, chunked_above: int
) -> dict[str, Any] | None:
    """A file whose values are larger than is read at once; ``None`` where it is not."""
    if chunked.stored_bytes(path) <= chunked_above:
        return None
    return chunked.import_chunked(path, folder / "data.h5ad", organism)
