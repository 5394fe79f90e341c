"""``python -m core data``: list, fetch, look at, import and remove data sets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.cli._progress import ProgressBar
from core.data import DataSetStatus, get_dataset, import_file, list_datasets, prepare, remove
from core.data.faults import InvalidTableError

NAME = "data"
app = typer.Typer(help="Data sets: list, fetch, info, import, remove.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The data set's id, as 'data list' shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_command(
    kind: Annotated[str | None, typer.Option(help="Only 'perturbation' or only 'cells'.")] = None,
    ready: Annotated[bool, typer.Option("--ready", help="Only those that are prepared.")] = False,
    as_json: AsJson = False,
) -> None:
    """List registered and imported data sets."""
    rows = [
        status
        for status in list_datasets()
        if kind in (None, status.kind) and (status.ready or not ready)
    ]
    if as_json:
        print(json.dumps([asdict(status) for status in rows], ensure_ascii=False))
        return
    header = ("ID", "STATE", "KIND", "DOWNLOAD", "SHAPE", "LICENCE")
    lines = [header, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        padded = (word.ljust(width) for word, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def _state(status: DataSetStatus) -> str:
    words = ["ready" if status.ready else "not fetched"]
    words += ["imported"] * status.imported + ["simulated"] * status.simulated
    return ", ".join(words)


def _size(status: DataSetStatus) -> str:
    return f"{status.size_mb:,.0f} MB" if status.size_mb else "none"


def _cells(status: DataSetStatus) -> tuple[str, ...]:
    return (
        status.id,
        _state(status),
        status.kind,
        _size(status),
        status.shape,
        status.licence,
    )


@app.command()
def fetch(
    id: Id,
    force: Annotated[
        bool, typer.Option("--force", help="Prepare it again even if it is ready.")
    ] = False,
) -> None:
    """Fetch a registered data set, check it, and store it in the workspace."""
    with ProgressBar() as bar:
        status = prepare(id, on_progress=bar, force=force)
    print(f"{status.id} is ready: {status.shape}, {status.disk_mb:,.1f} MB on disk.")
    for warning in status.warnings:
        print(f"Note: {warning}")


@app.command()
def info(id: Id, as_json: AsJson = False) -> None:
    """Say what a data set is, where it comes from, and whether it is ready."""
    status = get_dataset(id)
    if as_json:
        print(json.dumps(asdict(status), ensure_ascii=False))
        return
    for name, value in (
        ("Label", status.label),
        ("State", _state(status)),
        ("Kind", status.kind),
        ("Organism", status.organism),
        ("Shape", status.shape),
        ("Values", status.target),
        ("Download", _size(status)),
        ("On disk", f"{status.disk_mb:,.1f} MB" if status.disk_mb else None),
        ("Licence", status.licence),
        ("Citation", status.citation),
        ("Source", status.source),
        ("Homepage", status.homepage),
        ("SHA-256", status.content_hash),
        ("About", status.help),
        ("Note", status.note),
    ):
        if value:
            print(f"{name + ':':<10} {value}")
    for warning in status.warnings:
        print(f"{'Warning:':<10} {warning}")


@app.command("import")
def import_command(
    path: Annotated[
        Path, typer.Argument(help="parquet, CSV, TSV, h5ad, 10x h5 or mtx, loom, .RData.")
    ],
    id: Annotated[str | None, typer.Option(help="Id in the workspace.")] = None,
    label: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    kind: Annotated[str | None, typer.Option(help="'perturbation' or 'cells'.")] = None,
    organism: Annotated[str | None, typer.Option(help="'human', 'mouse' …")] = None,
    target: Annotated[
        str | None, typer.Option(help="What a value is, e.g. 'signed −log10 p' or 'z-score'.")
    ] = None,
    orientation: Annotated[
        str | None, typer.Option(help="'cells × genes' or 'genes × cells'; default: from names.")
    ] = None,
) -> None:
    """Import a file of your own, and say how it was understood."""
    try:
        with ProgressBar() as bar:
            report = import_file(
                path,
                id=id,
                label=label,
                kind=kind,
                organism=organism,
                target=target,
                orientation=orientation,
                on_progress=bar,
            )
    except InvalidTableError as error:
        for fault in error.faults[1:]:
            typer.echo(f"Also: {fault}", err=True)
        raise
    print(f"Imported as '{report.status.id}': {report.status.shape}.")
    for sentence in report.understood:
        print(f"  {sentence}")
    for warning in report.warnings:
        print(f"Note: {warning}")
    for row in report.dropped[:10]:
        print(f"Left out: {row}")
    if len(report.dropped) > 10:
        print(f"Left out: {len(report.dropped) - 10:,} more rows.")


@app.command("remove")
def remove_command(id: Id) -> None:
    """Remove a prepared or imported data set from the workspace; downloads stay."""
    remove(id)
    print(f"{id} was removed.")
