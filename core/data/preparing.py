"""From a registered data set to a stored one: fetch, read, validate, compare, store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.data import store
from core.data.registry import CELLS, DataSet, Maker, RawArrays, RawTable
from core.data.table import PerturbationTable
from core.errors import DataError
from core.progress import OnProgress
from core.settings import Settings

if TYPE_CHECKING:
    from anndata import AnnData


def prepare_dataset(
    dataset: DataSet, settings: Settings, on_progress: OnProgress
) -> dict[str, Any]:
    """Fetch, read, validate and store ``dataset``; return its ``meta.json``."""
    if dataset.reader is None:
        return _store_made(dataset, settings, on_progress)
    provider: Any = dataset.provider
    files = provider.fetch(settings, on_progress)
    raw = dataset.reader(files, on_progress)
    on_progress(0, 0, f"Checking {dataset.label}")
    if isinstance(raw, RawTable | RawArrays):
        return _store_table(dataset, raw, settings, on_progress)
    return _store_cells(dataset, raw, settings, on_progress)


def provenance(dataset: DataSet) -> dict[str, Any]:
    """Where a table came from, as it travels with it."""
    return {
        "label": dataset.label,
        "source": dataset.provider.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "homepage": dataset.homepage,
        "organism": dataset.organism,
        "note": dataset.note,
    }


def _store_made(dataset: DataSet, settings: Settings, on_progress: OnProgress) -> dict[str, Any]:
    maker: Maker = dataset.provider  # type: ignore[assignment]
    table: PerturbationTable = maker.make(on_progress)
    table = replace(
        table, id=dataset.id, simulated=True, meta={**table.meta, **provenance(dataset)}
    )
    on_progress(0, 0, f"Storing {dataset.label}")
    differences = compare(dataset, table.n_pairs, table.n_genes, list(table.obs.columns))
    return store.write_perturbation(
        table, settings, {**provenance(dataset), "warnings": differences}
    )


def _store_table(
    dataset: DataSet, raw: RawTable | RawArrays, settings: Settings, on_progress: OnProgress
) -> dict[str, Any]:
    from core.data.validation import validate

    found = validate(raw)
    differences = compare(dataset, len(found.obs), len(found.genes), list(found.obs.columns))
    table = found.table(dataset.id, simulated=dataset.simulated, meta=provenance(dataset))
    on_progress(0, 0, f"Storing {dataset.label}")
    meta = {
        **provenance(dataset),
        "warnings": [*differences, *found.warnings],
        "understood": found.understood,
        "dropped": found.dropped,
    }
    return store.write_perturbation(table, settings, meta)


def _store_cells(
    dataset: DataSet, cells: AnnData, settings: Settings, on_progress: OnProgress
) -> dict[str, Any]:
    from core.data.cells import cells_hash, validate_cells

    if dataset.kind != CELLS:
        raise DataError(f"The files of '{dataset.id}' hold cells, not a perturbation table.")
    found = validate_cells(cells, organism=dataset.organism or None)
    shape = (found.cells.n_obs, found.cells.n_vars)
    differences = compare(dataset, *shape, list(found.cells.obs.columns))
    on_progress(0, 0, f"Storing {dataset.label}")
    meta = {
        **provenance(dataset),
        "values": found.values,
        "identifiers": found.identifiers,
        "warnings": [*differences, *found.warnings],
        "understood": found.understood,
        "content_hash": cells_hash(found.cells),
    }
    return store.write_cells(dataset.id, found.cells, settings, meta)


def compare(dataset: DataSet, n_rows: int, n_vars: int, obs: list[str]) -> list[str]:
    """What differs from the published facts, one sentence each."""
    rows = "cells" if dataset.kind == CELLS else "pairs"
    sentences = []
    for name, got, noun in (("n_rows", n_rows, rows), ("n_vars", n_vars, "genes")):
        wanted = dataset.expected.get(name)
        if wanted is not None and wanted != got:
            sentences.append(f"The files hold {got:,} {noun} where {wanted:,} are published.")
    missing = [name for name in dataset.expected.get("obs", ()) if name not in obs]
    if missing:
        sentences.append(f"The files lack the description {', '.join(missing)}.")
    return sentences
