"""A user's own file: read, explained column by column, validated, stored."""

from __future__ import annotations

import gzip
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.data import store
from core.data.registry import CELLS, DATASETS, KINDS, PERTURBATION, RawArrays, RawTable
from core.data.workspace import DataSetStatus, status_of
from core.errors import DataError
from core.progress import OnProgress, silent
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from anndata import AnnData

PARQUET, DELIMITED = (".parquet", ".pq"), (".csv", ".tsv", ".txt", ".tab")
HDF5, R_OBJECTS = (".h5ad",), (".rdata", ".rda", ".rds")
GZIP_MAGIC = b"\x1f\x8b"
FORMATS = "parquet, CSV, TSV (also gzipped), h5ad and .RData"


@dataclass(frozen=True)
class ImportReport:
    """What became of a user's file.

    Attributes
    ----------
    status
        The data set as it now stands in the workspace.
    understood
        How the file was read, column by column, in plain sentences.
    warnings
        What the user should know though it is no fault.
    dropped
        Rows left out, each named with its reason.
    """

    status: DataSetStatus
    understood: tuple[str, ...]
    warnings: tuple[str, ...]
    dropped: tuple[str, ...]


def import_file(
    path: str | Path,
    *,
    id: str | None = None,
    label: str | None = None,
    kind: str | None = None,
    organism: str | None = None,
    target: str | None = None,
    settings: Settings | None = None,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Read, explain, validate and store a user's file.

    Parameters
    ----------
    path
        Parquet, CSV, TSV (gzipped too; commas, tabs, semicolons or bars), h5ad, or the
        ``.RData`` of a PanglaoDB sample.
    id, label
        Name in the workspace and for people; by default made of the file's name.
    kind
        ``"perturbation"`` or ``"cells"``; by default told from the columns.
    organism
        By default guessed from how genes are named, for cells.
    target
        What a value of a perturbation table is, with its unit.

    Raises
    ------
    DataError
        Where the file cannot be read or does not hold what it must; every fault named by row
        and column (:class:`core.data.faults.InvalidTableError` has them all).
    """
    settings = settings or get_settings()
    path = Path(path)
    if kind is not None and kind not in KINDS:
        raise DataError(f"'{kind}' is no kind of data set: use {' or '.join(KINDS)}.")
    _check_file(path, settings)
    id = _free_id(id, path, settings)
    on_progress(0, 0, f"Reading {path.name}")
    raw, understood = _read(path, kind)
    on_progress(0, 0, f"Checking {path.name}")
    base = {"label": label or path.name, "source": f"imported from {path.name}"}
    if isinstance(raw, RawTable | RawArrays):
        return _import_table(id, raw, target, organism, base, understood, settings)
    return _import_cells(id, raw, organism, base, understood, settings)


def _check_file(path: Path, settings: Settings) -> None:
    if not path.is_file():
        what = "is a folder, a file is needed" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}.")
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"The file {path.name} is empty.")
    if size > settings.upload_limit_mb * 1e6:
        raise DataError(
            f"The file {path.name} has {size / 1e6:,.0f} MB, more than the limit of "
            f"{settings.upload_limit_mb:,} MB (PERTURBSCOPE_UPLOAD_LIMIT_MB)."
        )
    _check_unpacked(path, settings.upload_limit_mb * 10**6)


def _check_unpacked(path: Path, limit: int) -> None:
    """A small gzip file may unpack to more than memory holds: count before reading it."""
    with path.open("rb") as file:
        if file.read(2) != GZIP_MAGIC:
            return
    unpacked = 0
    with gzip.open(path, "rb") as stream, suppress(EOFError, OSError, zlib.error):
        while chunk := stream.read(2**20):  # damage is for the format's reader to say
            unpacked += len(chunk)
            if unpacked > limit:
                break
    if unpacked > limit:
        raise DataError(
            f"The file {path.name} unpacks to more than {limit / 1e6:,.0f} MB "
            "(PERTURBSCOPE_UPLOAD_LIMIT_MB)."
        )


def _free_id(id: str | None, path: Path, settings: Settings) -> str:
    """The id asked for, if nobody has it, or a free one made of the file's name."""
    taken = {*DATASETS.names(), *store.stored(settings)}
    if id is not None:
        if store.check_id(id) in taken:
            raise DataError(f"There is a data set '{id}' already: choose another id or remove it.")
        return id
    stem = re.sub(r"[^a-z0-9]+", "-", _stem(path).lower()).strip("-")[:50] or "table"
    candidate, n = stem, 1
    while candidate in taken:
        n += 1
        candidate = f"{stem}-{n}"
    return store.check_id(candidate)


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] if "." in name else name


def _read(path: Path, kind: str | None) -> tuple[RawTable | RawArrays | AnnData, list[str]]:
    ending = "." + path.name.lower().removesuffix(".gz").rsplit(".", 1)[-1]
    if ending in HDF5:
        return _read_h5ad(path, kind)
    if ending in R_OBJECTS:
        from core.data.readers.r_objects import read_sparse

        if kind == PERTURBATION:
            raise DataError(f"An R object ({path.name}) can only be read as cells.")
        return read_sparse(path), ["The sparse matrix of the R file was read as genes × cells."]
    if ending in PARQUET:
        from core.data.readers.competition import parquet_origin, read_parquet

        frame, understood, origin = read_parquet(path), [], parquet_origin(path)
    elif ending in DELIMITED:
        from core.data.readers.delimited import read_delimited

        frame, dialect = read_delimited(path)
        understood, origin = [dialect.words()], {}
        if dialect.encoding == "latin-1":
            understood.append("The text is not UTF-8 and was read as Latin-1.")
    else:
        raise DataError(f"The file {path.name} is of no known format: {FORMATS} can be imported.")
    if (kind or _kind_of(frame)) == PERTURBATION:
        simulated = origin.get("simulated") is True
        if simulated:
            understood.append("The file says that its values were simulated.")
        return RawTable(frame, origin.get("target"), simulated=simulated), understood
    from core.data.readers.h5ad import cells_from_frame

    return cells_from_frame(frame), [*understood, "Rows were read as cells."]


def _kind_of(frame: pd.DataFrame) -> str:
    """A table that names compounds or structures is a perturbation table; others are cells.

    A near miss of either counts too, so that the message is about the misspelt column.
    """
    from core.data import columns as cols

    found = cols.understand(frame.head(100))
    if {"sm_name", "SMILES"} & set(found.roles) or found.near_miss(frame):
        return PERTURBATION
    return CELLS


def _read_h5ad(path: Path, kind: str | None) -> tuple[RawArrays | AnnData, list[str]]:
    from core.data.readers.competition import looks_like_op2, read_op2_h5ad
    from core.data.readers.h5ad import read_h5ad

    if kind == PERTURBATION or (kind is None and looks_like_op2(path)):
        arrays = read_op2_h5ad(path)
        arrays.target = None
        return arrays, ["Rows of the h5ad were read as pairs, X as the response of its genes."]
    return read_h5ad(path), []


def _import_table(
    id: str,
    raw: RawTable | RawArrays,
    target: str | None,
    organism: str | None,
    base: dict[str, Any],
    understood: list[str],
    settings: Settings,
) -> ImportReport:
    from core.data.validation import validate

    found = validate(raw, target=target)
    base = {**base, "organism": organism or "unknown"}
    understood = [*understood, *found.understood]
    meta = {
        **base,
        "warnings": found.warnings,
        "understood": understood,
        "dropped": found.dropped,
    }
    table = found.table(id, simulated=raw.simulated, meta=base)
    status = status_of(id, store.write_perturbation(table, settings, meta))
    return ImportReport(status, tuple(understood), tuple(found.warnings), tuple(found.dropped))


def _import_cells(
    id: str,
    cells: AnnData,
    organism: str | None,
    base: dict[str, Any],
    understood: list[str],
    settings: Settings,
) -> ImportReport:
    from core.data.cells import cells_hash, validate_cells

    found = validate_cells(cells, organism=organism)
    understood = [*understood, *found.understood]
    meta = {
        **base,
        "organism": found.organism,
        "values": found.values,
        "identifiers": found.identifiers,
        "warnings": found.warnings,
        "understood": understood,
        "content_hash": cells_hash(found.cells),
    }
    status = status_of(id, store.write_cells(id, found.cells, settings, meta))
    return ImportReport(status, tuple(understood), tuple(found.warnings), ())
