"""Data sets of a workspace: list, prepare, load, save, remove."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data import store
from core.data.registry import CELLS, DATASETS, KINDS, PERTURBATION, DataSet
from core.data.table import PerturbationTable
from core.errors import DataError
from core.progress import OnProgress, silent
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class DataSetStatus:
    """One data set, registered or imported, and whether it is ready to use.

    ``n_rows``, ``n_vars``, ``content_hash`` and ``disk_mb`` are ``None`` until it is prepared;
    so is ``values``, which says what cells hold (``"counts"``, ``"non-negative values"`` …).
    """

    id: str
    label: str
    kind: str
    organism: str
    ready: bool
    imported: bool
    simulated: bool
    shape: str
    size_mb: float
    licence: str
    citation: str
    source: str
    homepage: str
    note: str
    n_rows: int | None = None
    n_vars: int | None = None
    content_hash: str | None = None
    disk_mb: float | None = None
    help: str = ""
    target: str | None = None
    created: str | None = None
    warnings: tuple[str, ...] = ()
    values: str | None = None


def shape_text(kind: str, n_rows: int, n_vars: int) -> str:
    """``"614 pairs × 18,211 genes"`` or ``"1,886 cells × 14,877 genes"``."""
    rows = "pairs" if kind == PERTURBATION else "cells"
    return f"{n_rows:,} {rows} × {n_vars:,} genes"


def _registered(dataset: DataSet, meta: dict[str, Any] | None) -> DataSetStatus:
    prepared = meta or {}
    return DataSetStatus(
        id=dataset.id,
        label=dataset.label,
        kind=dataset.kind,
        organism=dataset.organism,
        ready=meta is not None,
        imported=False,
        simulated=dataset.simulated,
        shape=_shape(prepared) if meta else dataset.shape,
        size_mb=dataset.size_mb,
        licence=dataset.licence,
        citation=dataset.citation,
        source=dataset.provider.source,
        homepage=dataset.homepage,
        note=_note(dataset),
        help=dataset.help,
        **_measured(prepared),
    )


def _note(dataset: DataSet) -> str:
    estimated = "The size of the download is an estimate." if dataset.size_estimated else ""
    return f"{dataset.note} {estimated}".strip()


def _shape(meta: dict[str, Any]) -> str:
    return shape_text(meta["kind"], meta["n_rows"], meta["n_vars"])


def _measured(meta: dict[str, Any]) -> dict[str, Any]:
    names = ("n_rows", "n_vars", "content_hash", "disk_mb", "target", "created", "values")
    return {name: meta.get(name) for name in names} | {"warnings": tuple(meta.get("warnings", ()))}


def _unregistered(id: str, meta: dict[str, Any]) -> DataSetStatus:
    return DataSetStatus(
        id=id,
        label=meta.get("label") or id,
        kind=meta["kind"],
        organism=meta.get("organism") or "unknown",
        ready=True,
        imported=True,
        simulated=bool(meta.get("simulated", False)),
        shape=_shape(meta),
        size_mb=0.0,
        licence=meta.get("licence") or "as its owner states",
        citation=meta.get("citation", ""),
        source=meta.get("source", ""),
        homepage=meta.get("homepage", ""),
        note=meta.get("note", ""),
        **_measured(meta),
    )


def list_datasets(settings: Settings | None = None) -> list[DataSetStatus]:
    """Every registered data set, perturbation tables first, then the imported ones by id."""
    settings = settings or get_settings()
    metas = store.stored(settings)
    rows = [_registered(entry.value, metas.pop(entry.name, None)) for entry in DATASETS]
    rows.sort(key=lambda status: KINDS.index(status.kind))
    return rows + [_unregistered(id, meta) for id, meta in metas.items()]


def get_dataset(id: str, settings: Settings | None = None) -> DataSetStatus:
    """The status of one data set.

    Raises
    ------
    DataError
        Where neither the catalogue nor the workspace has it, with the nearest known id.
    """
    settings = settings or get_settings()
    meta = store.read_meta(store.folder_of(id, settings))
    if meta is None and id not in DATASETS:
        raise unknown(id, settings)
    return status_of(id, meta)


def status_of(id: str, meta: dict[str, Any] | None) -> DataSetStatus:
    """The status that ``meta.json`` tells; ``None`` is a registered set that is not prepared."""
    if id in DATASETS:
        return _registered(DATASETS.get(id).value, meta)
    return _unregistered(id, meta or {})


def unknown(id: str, settings: Settings) -> DataError:
    """The error for an id that nobody knows."""
    import difflib

    known = [*DATASETS.names(), *store.stored(settings)]
    near = difflib.get_close_matches(id, known, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}."
    return DataError(f"There is no data set called '{id}'; {hint}")


def _load_meta(id: str, kind: str, settings: Settings) -> tuple[Path, dict[str, Any]]:
    folder = store.folder_of(id, settings)
    meta = store.read_meta(folder)
    if meta is None:
        if id in DATASETS:
            raise _unprepared(id)
        raise unknown(id, settings)
    if meta["kind"] != kind:
        holds = {PERTURBATION: "a perturbation table", CELLS: "cells"}
        raise DataError(f"The data set '{id}' holds {holds[meta['kind']]}, not {holds[kind]}.")
    return folder, meta


def require_ready(id: str, settings: Settings | None = None) -> DataSetStatus:
    """The status of a prepared data set.

    Raises
    ------
    DataError
        Where it is unknown, or not prepared (and how to prepare it).
    """
    settings = settings or get_settings()
    status = get_dataset(id, settings)
    if not status.ready:
        raise _unprepared(id)
    return status


def _unprepared(id: str) -> DataError:
    return DataError(
        f"The data set '{id}' is not prepared yet: run 'python -m core data fetch {id}' "
        "or press Prepare on the Data sets page."
    )


def load_perturbation(id: str, settings: Settings | None = None) -> PerturbationTable:
    """Load a prepared perturbation table; its values are read-only memory maps.

    Raises
    ------
    DataError
        Where it is unknown, not prepared (and how to prepare it), damaged, or of another kind.
    """
    folder, meta = _load_meta(id, PERTURBATION, settings or get_settings())
    return store.read_perturbation(id, folder, meta)


def load_cells(id: str, settings: Settings | None = None) -> AnnData:
    """Load prepared cells as AnnData, in memory, with embeddings computed since.

    Raises
    ------
    DataError
        Where it is unknown, not prepared (and how to prepare it), damaged, or of another kind.
    """
    from core.data.attachments import add_attached

    settings = settings or get_settings()
    folder, _ = _load_meta(id, CELLS, settings)
    return add_attached(store.read_cells(id, folder), id, settings)


def save_perturbation(
    table: PerturbationTable, settings: Settings | None = None, **meta: Any
) -> DataSetStatus:
    """Store a table in the workspace under its id, replacing what was there.

    ``meta`` may add ``label``, ``organism``, ``source``, ``licence``, ``citation``, ``note``.
    """
    settings = settings or get_settings()
    words = ("label", "organism", "source", "licence", "citation", "homepage", "note")
    known = {name: table.meta[name] for name in words if name in table.meta}
    return status_of(table.id, store.write_perturbation(table, settings, {**known, **meta}))


def remove(id: str, settings: Settings | None = None) -> None:
    """Remove a prepared or imported data set from the workspace; downloads stay.

    Raises
    ------
    DataError
        Where the workspace does not have it.
    """
    settings = settings or get_settings()
    if not store.folder_of(id, settings).is_dir():
        if id in DATASETS:
            raise DataError(f"The data set '{id}' is not prepared, so there is nothing to remove.")
        raise unknown(id, settings)
    store.delete(id, settings)


def prepare(
    id: str,
    *,
    settings: Settings | None = None,
    on_progress: OnProgress = silent,
    force: bool = False,
) -> DataSetStatus:
    """Fetch, read, validate and store a registered data set.

    What is stored appears as one step: an interrupted call leaves nothing half-made. A file
    that was fetched before is used again after its checksum is compared.

    Parameters
    ----------
    force
        Prepare it again even if it is ready.

    Raises
    ------
    DataError
        Where the id is unknown or the files do not hold what they must.
    core.errors.FetchError
        Where a file cannot be had.
    """
    settings = settings or get_settings()
    if id not in DATASETS:
        status = get_dataset(id, settings)
        raise DataError(f"The data set '{status.id}' was imported: it is ready as it is.")
    status = get_dataset(id, settings)
    if status.ready and not force:
        return status
    from core.data.preparing import prepare_dataset

    return status_of(id, prepare_dataset(DATASETS.get(id).value, settings, on_progress))
