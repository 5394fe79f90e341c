"""``python -m core cells`` on a small data set of a workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.cli import main
from core.settings import Settings
from tests.pages.small import workplace
from tests.pages.test_cells_statistics import CELLS, LOG, put, tiny


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("cli") / "workspace") as settings:
        put(CELLS, tiny(), settings)
        log = tiny()
        log.X = log.X.log1p()
        put(LOG, log, settings)
        yield settings


def run(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict]:
    assert main(["cells", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_de_of_two_groups(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(capsys, "de", CELLS, "--by", "condition", "--group", "stim", "--reference", "ctrl")
    assert rows[0]["names"] == "IFI6"
    rest = run(capsys, "de", CELLS, "--by", "condition", "--group", "stim", "--test", "t-test")
    assert rest[0]["names"] == "IFI6"


def test_de_within_and_of_every_group(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "de.parquet"
    run(capsys, "de", CELLS, "--by", "cell_type", "--within", "condition=ctrl", "-o", str(out))
    table = pd.read_parquet(out)
    assert len(table) == 90
    assert table[table["group"] == "B"]["names"].iloc[0] == "MS4A1"


def test_pseudobulk(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--by", "condition", "--group", "stim", "--reference", "ctrl", "--test", "moderated-t")
    rows = run(capsys, "de", CELLS, *words, "--sample", "sample", "--pair-by", "donor")
    assert rows[0]["names"] == "IFI6"


def test_markers(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "markers.csv"
    rows = run(capsys, "markers", LOG, "--by", "cell_type", "-o", str(out))
    assert next(r for r in rows if r["group"] == "B")["names"] == "MS4A1"
    assert len(pd.read_csv(out)) == len(rows)


def test_energy(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    rows = run(
        capsys,
        *("energy", CELLS, "--by", "condition", "--group", "stim", "--reference", "ctrl"),
        *("--cell-type", "cell_type", "--permutations", "99"),
    )
    assert len(rows) == 3
    assert all(row["n_used"] == 20 for row in rows)
    pairs = run(capsys, "energy", CELLS, "--by", "donor", "--permutations", "99")
    assert [(pair["group"], pair["reference"]) for pair in pairs] == [("d1", "d2")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["de", CELLS, "--by", "nope"], "no column 'nope'; known: condition"),
        (["de", CELLS, "--by", "condition", "--group", "x"], "no group 'x'; known: ctrl, stim"),
        (["de", CELLS, "--by", "condition", "--within", "stim"], "COLUMN=VALUE"),
        (["de", CELLS, "--by", "condition", "--test", "anova"], "no test 'anova'"),
        (["de", CELLS, "--by", "condition", "--test", "welch"], "Pseudobulk needs --group"),
        (["de", CELLS, "--by", "condition", "-o", "x.xls"], "must end in .csv"),
        (["energy", CELLS, "--by", "condition", "--group", "stim"], "both --group and --ref"),
        (["energy", CELLS, "--by", "condition", "--distance", "l1"], "no distance 'l1'"),
        (["energy", CELLS, "--by", "condition", "--space", "X_umap"], "no coordinates 'X_umap'"),
        (["markers", "gone", "--by", "condition"], "gone"),
    ],
)
def test_faults_are_one_line(
    words: list[str], says: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cells", *words]) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("Error: ")]
    assert len(lines) == 1
    assert says in lines[0]
