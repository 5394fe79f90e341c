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

from core.data import store, untrusted
from core.data.orientation import GENES_BY_CELLS, ORIENTATIONS
from core.data.orientation import orientation as orientation_of
from core.data.registry import CELLS, DATASETS, KINDS, PERTURBATION, RawArrays, RawTable
from core.data.workspace import DataSetStatus, status_of
from core.errors import DataError
from core.progress import OnProgress, silent
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from anndata import AnnData

PARQUET, DELIMITED = (".parquet", ".pq"), (".csv", ".tsv", ".txt", ".tab")
GZIP_MAGIC = b"\x1f\x8b"
FORMATS = "parquet, CSV, TSV (also gzipped), h5ad, 10x h5, 10x mtx (zip or tar.gz), loom and .RData"


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
    orientation: str | None = None,
    settings: Settings | None = None,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Read, explain, validate and store a user's file.

    Parameters
    ----------
    path
        Parquet, CSV, TSV (gzipped too; commas, tabs, semicolons or bars), h5ad, 10x h5, the three
        files of 10x mtx in a zip or tar.gz, loom, or the ``.RData`` of a PanglaoDB sample.
    id, label
        Name in the workspace and for people; by default made of the file's name.
    kind
        ``"perturbation"`` or ``"cells"``; by default told from the columns.
    organism
        By default guessed from how genes are named, for cells.
    target
        What a value of a perturbation table is, with its unit.
    orientation
        ``"cells × genes"`` or ``"genes × cells"`` for cells; by default found from the names.

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
    base = {"label": label or path.name, "source": f"imported from {path.name}"}
    if orientation is not None and orientation not in ORIENTATIONS:
        raise DataError(f"'{orientation}' is no orientation: use {' or '.join(ORIENTATIONS)}.")
    if ending(path) in untrusted.ENDINGS:
        with untrusted.read(path, kind, organism, orientation, settings) as found:
            if isinstance(found, RawArrays):
                return _import_table(id, found, target, organism, base, found.notes, settings)
            on_progress(0, 0, f"Storing {path.name}")
            meta = {**base, **found.meta}
            stored = store.adopt_cells(id, found.file, found.shape, settings, meta)
            understood, warnings = found.meta["understood"], found.meta["warnings"]
            return ImportReport(status_of(id, stored), tuple(understood), tuple(warnings), ())
    raw, understood = _read(path, kind, orientation)
    on_progress(0, 0, f"Checking {path.name}")
    if isinstance(raw, RawTable):
        return _import_table(id, raw, target, organism, base, understood, settings)
    return _import_cells(id, raw, organism, base, understood, settings)


def ending(path: Path) -> str:
    """The ending that names a file's format, without ``.gz``; ``.tar`` for tar archives."""
    name = path.name.lower()
    if name.endswith((".tar.gz", ".tgz", ".tar")):
        return ".tar"
    return "." + name.removesuffix(".gz").rsplit(".", 1)[-1]


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
    name = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".sparse.RData")
    return name.rsplit(".", 1)[0] if "." in name else name


def _read(
    path: Path, kind: str | None, orientation: str | None
) -> tuple[RawTable | AnnData, list[str]]:
    """A table in text or parquet, as what it holds."""
    if ending(path) in PARQUET:
        from core.data.readers.competition import parquet_origin, read_parquet

        frame, understood, origin = read_parquet(path), [], parquet_origin(path)
    elif ending(path) in DELIMITED:
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
    return _cells_of(frame, orientation, understood)


def _cells_of(
    frame: pd.DataFrame, asked: str | None, understood: list[str]
) -> tuple[AnnData, list[str]]:
    """Cells of a table, whichever side they stand on."""
    from core.data.readers.h5ad import cells_from_frame, cells_from_genes

    named = len(frame) > 0 and not pd.api.types.is_numeric_dtype(frame.iloc[:, 0].dtype)
    found = asked or orientation_of(frame.iloc[:, 0] if named else (), frame.columns)
    if found == GENES_BY_CELLS and named:
        why = "as asked" if asked else "for they are named as genes"
        return cells_from_genes(frame), [*understood, f"Rows were read as genes, {why}."]
    if asked == GENES_BY_CELLS:
        raise DataError("The first column of the table does not name its genes: it holds numbers.")
    note = "Rows were read as cells."
    if found is None:
        note = (
            "Rows were read as cells; no names tell genes from cells, so give the orientation if "
            "that is wrong."
        )
    return cells_from_frame(frame), [*understood, note]


def _kind_of(frame: pd.DataFrame) -> str:
    """A table that names compounds or structures is a perturbation table; others are cells.

    A near miss of either counts too, so that the message is about the misspelt column.
    """
    from core.data import columns as cols

    found = cols.understand(frame.head(100))
    if {"sm_name", "SMILES"} & set(found.roles) or found.near_miss(frame):
        return PERTURBATION
    return CELLS


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
