"""``python -m core screen`` on a small workspace."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.cli import main
from core.data import save_perturbation
from core.runs.demo.screening import demo_library
from core.settings import get_settings
from tests.studies.screening_small import WIDTH, train
from tests.studies.test_perturbation import make_table


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERTURBSCOPE_WORKSPACE", str(tmp_path / "w"))
    monkeypatch.setenv("PERTURBSCOPE_DEVICE", "cpu")
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def test_preview(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace / "l.csv"
    path.write_text("name;SMILES\na;CCO\n")
    assert main(["screen", "preview", str(path)]) == 0
    said = capsys.readouterr().out
    assert "separated by semicolons: 1 rows" in said
    assert "structures: SMILES" in said


def test_screen_hits_and_explain(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["screen", "run", "x.smi", "--lower", "G1"]) == 2
    assert "no finished perturbation run" in capsys.readouterr().err
    settings = get_settings()
    save_perturbation(make_table(), settings)
    train(settings, models=[{"name": "mlp", "params": WIDTH}])
    path = workspace / "l.smi"
    path.write_text("CCOc1ccccc1C(=O)NC a\nc1ccccc1CO b\nC1CC c\n")
    assert main(["screen", "run", str(path), "--lower", "G1,G2", "--permutations", "20"]) == 0
    assert main(["screen", "hits", "last", "--csv", str(workspace / "h.csv")]) == 0
    assert "simulated" in capsys.readouterr().out
    assert set(pd.read_csv(workspace / "h.csv")["id"]) == {"a", "b"}
    assert main(["screen", "explain", "last", "a"]) == 0
    assert "score" in capsys.readouterr().out
    assert main(["screen", "explain", "last", "nobody"]) == 2
    assert "no hit called 'nobody'" in capsys.readouterr().err


def test_one_objective_only(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = get_settings()
    save_perturbation(make_table(), settings)
    train(settings, models=[{"name": "mlp", "params": WIDTH}])
    for options in ([], ["--lower", "G1", "--raise", "G2"]):
        assert main(["screen", "run", "x.smi", *options]) == 2
        assert "Name one objective" in capsys.readouterr().err


def test_the_demo_library_reads_back() -> None:
    from core.molecules.parse import parse_line

    lines = demo_library().splitlines()
    assert len(lines) > 200
    assert all(parse_line(line).mol is not None for line in lines)
