"""``python -m core run|runs|cluster``: options made of a config, one-line errors, states."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import Field

from core import runs
from core.cli import _options, main
from core.cli._watch import cancel_on_interrupt
from core.errors import ConfigError
from core.runs import RunState, tracking
from core.settings import PROJECT_ROOT, Settings, get_settings
from core.studies.base import StudyConfig
from core.studies.perturbation.config import PerturbationConfig
from tests.runs.toy import ToyConfig


@pytest.fixture
def here(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """The command line in an empty workspace."""
    store = tmp_path_factory.getbasetemp() / "cli-mlflow.db"
    monkeypatch.setenv("PERTURBSCOPE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


def test_run_prints_the_result_and_keeps_it(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["run", "toy", "--epochs", "4", "--model", "mlp:hidden=[8,4],rate=1e-3", "--model", "ridge"]
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    (record,) = runs.list_runs()
    assert record.id in captured.out
    assert "mrrmse" in captured.out
    assert "0.2500" in captured.out
    assert record.state == RunState.FINISHED
    assert record.config["training"]["epochs"] == 4
    assert record.config["models"] == [
        {"name": "mlp", "params": {"hidden": [8, 4], "rate": 0.001}},
        {"name": "ridge", "params": {}},
    ]


def test_faults_are_one_line_that_names_the_option(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "toy", "--epochs", "0", "--training.seed", "x"]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert "--epochs '0'" in error
    assert "--training.seed 'x'" in error
    assert main(["run", "toy", "--set", "training.nothing=1"]) == 2
    assert "training.nothing" in capsys.readouterr().err
    assert main(["run", "nothing"]) == 2
    assert main(["run", "toy", "--fault", "data"]) == 2
    error = capsys.readouterr().err
    assert "The toy table has no rows." in error
    assert "resume" in error
    assert len(runs.list_runs()) == 1, "a config with faults makes no run"


def test_help_shows_every_field_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "toy", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in ("--training.epochs", "--epochs", "Epochs to sleep through", "--background"):
        assert word in text


def test_runs_commands(here: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "toy", "--name", "first"])
    main(["run", "toy", "--name", "second", "--epochs", "5"])
    second, first = runs.list_runs()
    capsys.readouterr()

    assert main(["runs", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", second.id, first.id]
    assert main(["runs", "list", "--json", "--state", "finished"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in listed] == ["second", "first"]
    assert main(["runs", "list", "--state", "failed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []

    assert main(["runs", "show", "last"]) == 0
    out = capsys.readouterr().out
    assert "second" in out
    assert "training.epochs" in out
    assert main(["runs", "show", first.id[-4:]]) == 0
    assert "first" in capsys.readouterr().out
    assert main(["runs", "watch", first.id]) == 0
    assert "finished" in capsys.readouterr().out

    assert main(["runs", "compare", first.id, second.id]) == 0
    out = capsys.readouterr().out
    assert "training.epochs" in out
    assert "training.seed" not in out, "it does not differ"
    assert "0.2000" in out

    assert main(["runs", "cancel", first.id]) == 2
    assert "finished already" in capsys.readouterr().err
    assert main(["runs", "show", "2"]) == 2
    assert "write more of it" in capsys.readouterr().err
    assert main(["runs", "remove", first.id, second.id]) == 0
    assert runs.list_runs() == []
    assert main(["runs", "show", "last"]) == 2


def test_removal_reaches_mlflow_before_the_program_ends(here: Settings) -> None:
    assert main(["run", "toy", "--epochs", "1"]) == 0
    (record,) = runs.list_runs()
    command = [sys.executable, "-m", "core", "runs", "remove", "last"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    client = tracking.open_client(here)
    assert client.get_run(record.mlflow_run_id).info.lifecycle_stage == "deleted"


def test_interrupt_cancels_and_resume_goes_on(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if any(run.progress.done for run in runs.running()):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert main(["run", "toy", "--epochs", "400", "--seconds", "0.05"]) == 130
    thread.join()
    error = capsys.readouterr().err
    assert "is cancelled" in error
    (record,) = runs.list_runs()
    assert record.state == RunState.CANCELLED
    assert f"runs resume {record.id}" in error
    done = len(runs.history(record.id))
    assert 0 < done < 400

    assert main(["runs", "resume", record.id]) == 0
    assert runs.get_run(record.id).state == RunState.FINISHED
    assert runs.history(record.id)["epoch"].tolist() == list(range(400))


def test_second_interrupt_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell's background job ignores interrupts
    with pytest.raises(KeyboardInterrupt), cancel_on_interrupt(lambda: None):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_cluster_status_without_a_cluster(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", "status"]) == 0
    assert "No cluster" in capsys.readouterr().out
    assert main(["cluster", "stop"]) == 0
    assert "No cluster" in capsys.readouterr().out


# --- options from a config ------------------------------------------------------------------


class Inner(StudyConfig):
    seed: int = 0
    deep_word: bool = False
    clip: float | None = 1.0


class Other(StudyConfig):
    seed: int = 1
    config: str = "x"


class Outer(StudyConfig):
    inner: Inner = Inner()
    other: Other = Other()
    name: str = Field("", description="A name.")


def test_short_names_only_where_they_are_unambiguous() -> None:
    names = _options.flags(_options.leaves(Outer))
    assert names == {
        "inner.seed": ("--inner.seed",),
        "inner.deep_word": ("--deep-word", "--inner.deep_word"),
        "inner.clip": ("--clip", "--inner.clip"),
        "other.seed": ("--other.seed",),
        "other.config": ("--other.config",),
        "name": ("--name",),
    }
    toy = _options.flags(_options.leaves(ToyConfig))
    assert toy["seed"] == ("--seed",)
    assert toy["training.seed"] == ("--training.seed",)
    assert toy["models"] == ("--model",)


def invoke(config: type[StudyConfig], arguments: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}

    def run(*, values: dict[str, Any]) -> None:
        given.update(values)

    app = typer.Typer()
    app.command()(_options.command(config, run, "help"))
    typer.main.get_command(app).main(arguments, standalone_mode=False)
    return given


def test_only_given_options_are_values() -> None:
    assert invoke(Outer, []) == {}
    given = invoke(Outer, ["--no-deep-word", "--clip", "none", "--other.seed", "3"])
    assert given == {"inner.deep_word": False, "inner.clip": "none", "other.seed": "3"}
    built = _options.build(Outer, values=given)
    assert built == Outer(inner=Inner(clip=None), other=Other(seed=3))
    assert invoke(Outer, ["--inner.deep_word"]) == {"inner.deep_word": True}


def test_file_then_options_then_assignments(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"inner": {"seed": 7, "clip": 2.5}, "name": "file"}))
    built = _options.build(
        Outer, values={"name": "option", "inner.seed": "8"}, file=file, assignments=["inner.seed=9"]
    )
    assert built == Outer(name="option", inner=Inner(seed=9, clip=2.5))


def test_assignments_reach_into_named_parts() -> None:
    built = _options.build(
        ToyConfig,
        values={"models": [{"name": "mlp"}, {"name": "ridge"}]},
        assignments=["models.mlp.hidden=[1, 2]", "models.1.params.alpha=0.5"],
    )
    assert isinstance(built, ToyConfig)
    assert built.models[0].params == {"hidden": [1, 2]}
    assert built.models[1].params == {"alpha": 0.5}
    with pytest.raises(ConfigError, match="there is no 'knn' among models"):
        _options.build(
            ToyConfig, values={"models": [{"name": "mlp"}]}, assignments=["models.knn.k=2"]
        )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", "no JSON object"),
        ("{", "is not JSON"),
        (None, "No such file"),
        ("\xff", "is not JSON"),
    ],
)
def test_config_files_that_cannot_be_read(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=words):
        _options.build(Outer, values={}, file=file)


def test_perturbation_options_by_their_words() -> None:
    arguments = ["--dataset", "op2-demo", "--epochs", "50", "--scheme", "random", "--clip", "10"]
    arguments += ["--no-final-fit", "--validation.seed", "3", "--loss", "mae"]
    given = invoke(PerturbationConfig, arguments)
    built = _options.build(PerturbationConfig, values=given, assignments=["training.loss=mse"])
    assert isinstance(built, PerturbationConfig)
    assert built.training.epochs == 50
    assert built.training.loss == "mse"
    assert built.validation.scheme == "random"
    assert built.validation.seed == 3
    assert built.target.clip == 10.0
    assert built.final_fit is False


def test_perturbation_faults_name_option_and_choices() -> None:
    given = invoke(PerturbationConfig, ["--scheme", "nonsense", "--n-folds", "1"])
    with pytest.raises(ConfigError) as caught:
        _options.build(PerturbationConfig, values=given)
    message = str(caught.value)
    assert "--scheme 'nonsense'" in message
    assert "leave-compound-out" in message
    assert "--n-folds '1'" in message
    assert "\n" not in message
    with pytest.raises(ConfigError, match="There is no model called 'magic'"):
        _options.build(PerturbationConfig, values={"models": [{"name": "magic"}]})


def test_file_of_a_run_gives_the_same_config(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(PerturbationConfig().model_dump_json())
    assert _options.build(PerturbationConfig, values={}, file=file) == PerturbationConfig()


def test_a_data_set_that_is_not_there_leaves_no_failed_run(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, says in (
        ("op2-dmeo", "did you mean 'op2-demo'"),
        ("op2-demo", "data fetch op2-demo"),
    ):
        assert main(["run", "perturbation", "--dataset", name]) == 2
        assert says in capsys.readouterr().err
    assert runs.list_runs(settings=here) == []
