"""``python -m core run STUDY``: train from the command line, with options made of its config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from core import runs
from core.cli import _options
from core.cli._watch import RunBar, cancel_on_interrupt, report
from core.data import require_ready
from core.runs.cluster import PASSIVE_THREADS
from core.studies.base import STUDIES, Study

NAME = "run"
for _name, _value in PASSIVE_THREADS.items():  # read when torch is loaded, so set before
    os.environ.setdefault(_name, _value)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="JSON file of a config, as a run's config.json; options win."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Any field by its path, as training.loss=mae."
    ),
]
Background = Annotated[
    bool,
    typer.Option("--background", help="Give it to the cluster and return; else do it here."),
]


class Studies(TyperGroup):
    """One command a registered study, built when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the studies."""
        return STUDIES.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of one study; None where there is no such study."""
        if cmd_name not in STUDIES:
            return None
        entry = STUDIES.get(cmd_name)
        single = typer.Typer(add_completion=False)
        single.command(name=cmd_name, no_args_is_help=False)(
            _command(cmd_name, entry.value, entry.help)
        )
        return typer.main.get_command(single)


app = typer.Typer(cls=Studies, help="Run a study: one command each.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Run a study: train, validate, save and track."""


def _command(name: str, study: Study, help: str) -> Any:
    def run(
        *,
        values: dict[str, Any],
        config: ConfigFile = None,
        assignments: Assignments = None,
        background: Background = False,
    ) -> None:
        built = _options.build(
            study.Config, values=values, file=config, assignments=assignments or ()
        )
        if dataset := getattr(built, "dataset", None):
            require_ready(dataset)  # a typing error should not leave a failed run behind
        if background:
            _submit(name, built)
        else:
            _run_here(name, built)

    return _options.command(study.Config, run, help)


def _submit(study: str, config: Any) -> None:
    run_id = runs.submit(study, config)
    runs.wait_handed_over(run_id)
    record = runs.get_run(run_id)
    if record.state == runs.RunState.FAILED:
        raise typer.Exit(report(record))
    print(f"{run_id} is {record.state}; see it with: python -m core runs watch {run_id}")


def _run_here(study: str, config: Any) -> None:
    created: list[str] = []

    def announce(run_id: str) -> None:
        created.append(run_id)
        typer.echo(f"{run_id} begins", err=True)

    with RunBar() as bar, cancel_on_interrupt(lambda: created[-1] if created else None):
        run_id = runs.run_here(study, config, on_progress=bar, on_created=announce)
    raise typer.Exit(report(runs.get_run(run_id)))
