"""The command that the Train page shows makes the same configuration."""

from __future__ import annotations

import shlex

import pytest
import typer
from typer.testing import CliRunner

from core.cli import _options
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.presets import PRESETS, preset
from pages.components.command import command_line


def read_back(command: str) -> PerturbationConfig:
    made: list[PerturbationConfig] = []

    def run(*, values: dict) -> None:
        made.append(_options.build(PerturbationConfig, values=values))

    app = typer.Typer(add_completion=False)
    app.command()(_options.command(PerturbationConfig, run, "test"))
    words = shlex.split(command)
    assert words[:5] == ["python", "-m", "core", "run", "perturbation"]
    result = CliRunner().invoke(app, words[5:])
    assert result.exit_code == 0, result.output
    return made[0]


@pytest.mark.parametrize("name", PRESETS.names())
def test_presets(name: str) -> None:
    config = preset(name, "op2-demo")
    assert read_back(command_line("perturbation", config)) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "it's; rm -rf 'x' $HOME"},
        {"final_fit": False, "target": {"robust_weights": True, "clip": 2.5}},
        {"validation": {"scheme": "scaffold", "seed": 3}, "training": {"loss": "log-cosh"}},
        {"features": [{"name": "morgan", "params": {"kind": "bits", "radius": 3}}]},
        {"features": [{"name": "fragments", "params": {"labelled": True}}, {"name": "onehot"}]},
        {"models": [{"name": "mlp", "params": {"dropout": 0.25}}, {"name": "median"}]},
    ],
)
def test_changes(changes: dict) -> None:
    config = PerturbationConfig(**changes)
    assert read_back(command_line("perturbation", config)) == config


def test_defaults_need_no_options() -> None:
    assert command_line("perturbation", PerturbationConfig()) == "python -m core run perturbation"
