"""``python -m core runs``: list, show, watch, compare, cancel, resume and remove runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from core import runs
from core.cli._watch import RunBar, cancel_on_interrupt, follow, print_metrics, report
from core.errors import RunError
from core.runs import RunRecord, RunState, flatten
from core.runs.tracking import wait_for_tracking
from core.settings import get_settings

NAME = "runs"
app = typer.Typer(
    help="Runs: list, show, watch, compare, cancel, resume, remove.", no_args_is_help=True
)


@app.callback()
def _group(context: typer.Context) -> None:
    """Runs: list, show, watch, compare, cancel, resume, remove."""
    context.call_on_close(wait_for_tracking)


Id = Annotated[str, typer.Argument(help="A run's id, the start or end of one, or 'last'.")]
Ids = Annotated[list[str], typer.Argument(help="Ids of two or more runs, or parts of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_command(
    study: Annotated[str | None, typer.Option(help="Only runs of this study.")] = None,
    state: Annotated[RunState | None, typer.Option(help="Only runs in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    records = [run for run in runs.list_runs(study=study) if state in {None, run.state}]
    if as_json:
        print(json.dumps([_plain(record) for record in records], ensure_ascii=False))
        return
    header = ("ID", "STATE", "STUDY", "NAME", "DONE", "SECONDS", "MRRMSE")
    _table([header, *map(_row, records)])


@app.command()
def show(run: Id, as_json: AsJson = False) -> None:
    """Show one run: how it stands, its parameters and its metrics."""
    record = find(run)
    if as_json:
        print(json.dumps(_plain(record), ensure_ascii=False))
        return
    facts = {
        "state": record.state + (f" ({record.error})" if record.error else ""),
        "study": record.study,
        "data set": _dataset(record),
        "data hash": record.data_hash,
        "code": record.code_version,
        "device": record.device,
        "created": record.created.isoformat(timespec="seconds"),
        "attempt": record.attempt,
        "MLflow run": record.mlflow_run_id,
        "folder": record.folder,
    }
    print(f"{record.id}  {record.name}")
    _table([(key, str(value)) for key, value in facts.items() if value])
    for warning in record.warnings:
        print(f"Warning: {warning}")
    print("Parameters")
    _table([(f"  {key}", str(value)) for key, value in flatten(record.config).items()])
    if record.metrics:
        print("Metrics")
        print_metrics(record)


@app.command()
def watch(run: Id) -> None:
    """Follow a run until it ends."""
    raise typer.Exit(report(follow(find(run).id)))


@app.command()
def compare(run: Ids) -> None:
    """Show the parameters in which runs differ, and their metrics beside each other."""
    records = [find(word) for word in run]
    if len(records) < 2:
        raise RunError("Name two or more runs to compare.")
    for frame in (runs.differing_parameters(records), runs.metric_table(records)):
        rows = [(str(key), *(_number(value) for value in frame[key])) for key in frame.columns]
        _table([("", *(record.id for record in records)), *rows])
        print()


@app.command()
def cancel(run: Id) -> None:
    """Stop a run at the end of its epoch; what is finished is kept."""
    record = find(run)
    state = runs.cancel(record.id)
    words = "is cancelled" if state == RunState.CANCELLED else "stops after this epoch"
    print(f"{record.id} {words}")


@app.command()
def resume(
    run: Id,
    background: Annotated[
        bool, typer.Option("--background", help="Give it to the cluster; else do it here.")
    ] = False,
) -> None:
    """Go on with a cancelled, failed or interrupted run from its last checkpoint."""
    run_id = find(run).id
    if background:
        runs.resume(run_id)
        runs.wait_handed_over(run_id)
        print(f"{run_id} is {runs.get_run(run_id).state}")
        return
    with RunBar() as bar, cancel_on_interrupt(lambda: run_id):
        runs.resume(run_id, here=True, on_progress=bar)
    raise typer.Exit(report(runs.get_run(run_id)))


@app.command()
def remove(run: Ids) -> None:
    """Delete runs that have ended: their folders, and their entries in MLflow."""
    for word in run:
        record = find(word)
        runs.remove(record.id)
        print(f"{record.id} removed")


def find(word: str) -> RunRecord:
    """The run whose id is, begins or ends with ``word``; the newest for ``last``."""
    settings = get_settings()
    known = [path.name for path in runs.run_folders(settings)]
    if word == "last" and known:
        return runs.get_run(known[0])
    if word in known:
        return runs.get_run(word)
    hits = [run_id for run_id in known if run_id.startswith(word) or run_id.endswith(word)]
    if len(hits) == 1:
        return runs.get_run(hits[0])
    if hits:
        raise RunError(f"'{word}' may be any of the runs {', '.join(hits[:5])}; write more of it.")
    raise RunError(f"There is no run '{word}' in {settings.runs_folder}.")


def _row(record: RunRecord) -> tuple[str, ...]:
    score = record.metrics.get("mrrmse")
    return (
        record.id,
        record.state,
        record.study,
        record.name,
        f"{100 * record.progress.fraction:.0f} %" if record.progress.total else "",
        f"{record.seconds:.0f}" if record.seconds is not None else "",
        f"{score:.4f}" if score is not None else "",
    )


def _dataset(record: RunRecord) -> str | None:
    if record.dataset and record.simulated:
        return f"{record.dataset} (simulated)"
    return record.dataset


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)


def _plain(record: RunRecord) -> dict[str, Any]:
    values = asdict(record)
    for key in ("created", "started", "ended"):
        values[key] = values[key].isoformat() if values[key] else None
    return values | {"folder": str(record.folder)}


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    for row in rows:
        padded = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())
