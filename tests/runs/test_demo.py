"""The demo workspace: each step once, failures told and passed over."""

from __future__ import annotations

import pytest

from core.cli import main
from core.errors import FetchError
from core.registry import Registry
from core.runs import demo
from core.runs.demo import DEMO_STEPS, DemoStep, prepare_demo
from core.settings import Settings, get_settings


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three steps, the second of which cannot be done; returns what was called."""
    called: list[str] = []
    made: set[str] = set()
    registry: Registry[DemoStep] = Registry("demo step")

    def add(name: str, fails: bool = False) -> None:
        def prepare(settings: Settings, on_progress) -> None:
            called.append(name)
            on_progress(1, 1, name)
            if fails:
                raise FetchError("The host does not answer.")
            made.add(name)

        step = DemoStep(lambda settings: name in made, prepare)
        registry.add(name, step, label=f"Label {name}", help="")

    add("first")
    add("second", fails=True)
    add("third")
    monkeypatch.setattr(demo, "DEMO_STEPS", registry)
    return called


def test_steps_run_once_and_a_failed_one_again(settings: Settings, steps: list[str]) -> None:
    outcomes = prepare_demo(settings)
    assert steps == ["first", "second", "third"]
    assert [outcome.fault for outcome in outcomes] == [None, "The host does not answer.", None]
    assert [outcome.fresh for outcome in outcomes] == [True, True, True]
    outcomes = prepare_demo(settings)
    assert steps == ["first", "second", "third", "second"]
    assert [outcome.fresh for outcome in outcomes] == [False, True, False]
    assert outcomes[0].seconds == 0


def test_command_tells_what_it_does(
    settings: Settings,
    steps: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERTURBSCOPE_WORKSPACE", str(settings.workspace))
    get_settings.cache_clear()
    try:
        assert main(["demo"]) == 0
    finally:
        get_settings.cache_clear()
    captured = capsys.readouterr()
    assert "Label first" in captured.out
    assert "2 of 3 are ready" in captured.out
    assert "skipped: The host does not answer." in captured.err


def test_data_sets_come_before_the_runs_on_them() -> None:
    names = DEMO_STEPS.names()
    assert names.index("op2-demo") < names.index("demo-mlp")
    assert {"op2-demo", "baron-mouse", "pbmc68k"} <= set(names)


def test_demo_runs_are_valid_configurations() -> None:
    from core.runs.demo.perturbation import _SMALL, DEMO_RUNS
    from core.studies.perturbation.config import PerturbationConfig

    for values in DEMO_RUNS.values():
        PerturbationConfig.model_validate(_SMALL | values)
