"""The command line: one module a group of commands, found by itself.

A module of this package that defines ``NAME`` and ``app`` (a :class:`typer.Typer`, or a plain
function for a single command) becomes ``python -m core NAME``.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

import typer

from core.errors import PerturbScopeError

INTERRUPTED = 130
HELP = "PerturbScope: explore perturbation data, train models, compare runs."


def modules() -> list[str]:
    """Names of the command modules."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"]


def build(only: str | None = None) -> typer.Typer:
    """The root command with its groups.

    ``only`` names the one module that is needed, so that ``data list`` does not import what
    ``run`` needs; other groups are left out then.
    """
    root = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
    root.callback()(_root)
    known = modules()
    for name in [only] if only in known else known:
        add(root, importlib.import_module(f"{__name__}.{name}"))
    return root


def add(root: typer.Typer, module: ModuleType) -> None:
    """Add a module's command or group of commands under its ``NAME``."""
    name, app = getattr(module, "NAME", None), getattr(module, "app", None)
    if name is None or app is None:
        return
    if isinstance(app, typer.Typer):
        root.add_typer(app, name=name)
    else:
        root.command(name=name)(app)


def _root() -> None:
    """Explore perturbation data, train models, compare runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    A :class:`core.errors.PerturbScopeError` is one line on stderr and exit code 2.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    first = next((word for word in arguments if not word.startswith("-")), None)
    try:
        command = typer.main.get_command(build(only=first))
        result = command.main(arguments, prog_name="python -m core", standalone_mode=True)
    except PerturbScopeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except SystemExit as stop:
        result = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        if result == INTERRUPTED:  # typer turns Ctrl-C into this code and says nothing
            print("Interrupted.", file=sys.stderr)
    except BrokenPipeError:
        # The reader (``| head``) has gone; stdout must not complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0
