from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli import build, main, modules
from core.cli._progress import ProgressBar
from core.settings import PROJECT_ROOT, get_settings
from tests.data.tables import frame


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command line reads its settings from the environment."""
    monkeypatch.setenv("PERTURBSCOPE_WORKSPACE", str(tmp_path / "workspace"))
    get_settings.cache_clear()
    yield tmp_path / "workspace"  # type: ignore[misc]
    get_settings.cache_clear()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    frame().to_csv(tmp_path / "my screen.csv", index=False)
    return tmp_path / "my screen.csv"


Captured = pytest.CaptureFixture[str]


def test_list_shows_state_size_and_licence(capsys: Captured) -> None:
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "KIND", "DOWNLOAD", "SHAPE", "LICENCE"]
    (demo,) = [line for line in lines if line.startswith("op2-demo ")]
    assert "not fetched, simulated" in demo
    (op2,) = [line for line in lines if line.startswith("op2 ")]
    assert "761 MB" in op2 and "CC BY 4.0" in op2


def test_lists_can_be_narrowed_and_machine_read(csv: Path, capsys: Captured) -> None:
    assert main(["data", "import", str(csv)]) == 0
    capsys.readouterr()
    assert main(["data", "list", "--ready", "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert only["id"] == "my-screen" and only["ready"] and only["imported"]
    assert main(["data", "list", "--kind", "cells"]) == 0
    assert "op2-demo" not in capsys.readouterr().out


def test_fetch_info_remove(capsys: Captured, workspace: Path) -> None:
    assert main(["data", "fetch", "pbmc68k"]) == 0
    out, err = capsys.readouterr()
    assert "pbmc68k is ready: 700 cells × 765 genes" in out
    assert "Reading 10x_pbmc68k_reduced.h5ad …" in err
    assert main(["data", "info", "pbmc68k"]) == 0
    out = capsys.readouterr().out
    for words in ("ready", "CC BY 4.0", "Zheng", "SHA-256:", "installed package scanpy"):
        assert words in out
    assert main(["data", "info", "pbmc68k", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_rows"] == 700
    assert main(["data", "remove", "pbmc68k"]) == 0
    assert not (workspace / "datasets" / "pbmc68k").exists()


def test_import_explains_itself(csv: Path, capsys: Captured) -> None:
    table = frame().rename(columns={"sm_name": "compound"}).drop(columns="cell_type").iloc[::2]
    table.loc[0, "SMILES"] = None
    table.to_csv(csv, index=False)
    assert main(["data", "import", str(csv), "--id", "mine", "--target", "z-score"]) == 0
    out = capsys.readouterr().out
    assert "Imported as 'mine': 2 pairs × 4 genes." in out
    assert "The column 'compound' was read as 'sm_name'." in out
    assert "pseudo cell type, 'all cells'" in out
    assert "Left out: Row 1 (aspirin) has no SMILES." in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data", "fetch", "op3"], "Error: There is no data set called 'op3'; did you mean 'op2'?"),
        (["data", "info", "../x"], "Error: '../x' cannot be a data set's id"),
        (["data", "remove", "op2"], "Error: The data set 'op2' is not prepared"),
        (["data", "import", "nowhere.csv"], "Error: nowhere.csv does not exist."),
    ],
)
def test_errors_are_one_line_on_stderr(arguments: list[str], says: str, capsys: Captured) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(says)


def test_every_fault_of_an_import_is_shown(csv: Path, capsys: Captured) -> None:
    table = frame()
    table.loc[1, "CD69"] = None
    table.loc[4, "SMILES"] = "((("
    table.to_csv(csv, index=False)
    assert main(["data", "import", str(csv)]) == 2
    err = capsys.readouterr().err
    assert "row 2 (B cells, aspirin)" in err and "'((('" in err
    assert "Traceback" not in err


def test_bad_settings_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("PERTURBSCOPE_DEVICE", "toaster")
    get_settings.cache_clear()
    assert main(["data", "list"]) == 2
    assert "PERTURBSCOPE_DEVICE='toaster'" in capsys.readouterr().err


def test_unknown_commands_and_help(capsys: Captured) -> None:
    assert main(["data", "dance"]) == 2
    assert main(["nonsense"]) == 2
    assert main(["--help"]) == 0
    assert "data" in capsys.readouterr().out
    assert main([]) == 2


def test_groups_are_found_and_only_the_needed_one_is_built() -> None:
    assert "data" in modules() and "_progress" not in modules()
    names = [group.name for group in build(only="data").registered_groups]
    assert names == ["data"]


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.cli.data.prepare", interrupted)
    assert main(["data", "fetch", "op2"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_the_module_runs_as_a_program(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core", "data", "fetch", "zzzzzz"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PERTURBSCOPE_WORKSPACE": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: There is no data set called 'zzzzzz'")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(workspace: Path) -> None:
    command = f"{sys.executable} -m core data list --json | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PERTURBSCOPE_WORKSPACE": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[" and done.stderr == ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressBar() as bar:
        for done in range(0, 50_000, 5_000):
            bar(done, 50_000, "Downloading x")
        bar(0, 0, "Reading x")
        bar(1, 3, "Counting")
    err = capsys.readouterr().err
    assert "Downloading x" in err and "50.0k" in err
    assert "Reading x …" in err and "Counting" in err and "1/3" in err
