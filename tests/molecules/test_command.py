from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from rdkit import Chem

from core.cli import main
from core.settings import Settings
from tests.pages.small import TABLE, small_table, workplace

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("molecules-cli")) as settings:
        small_table(settings)
        yield settings


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["molecules", *words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_show_as_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", ASPIRIN)
    assert code == 0 and "C9H8O4" in out and "Lipinski   passes" in out
    _, out, _ = run(capsys, "show", ASPIRIN, "--json")
    told = json.loads(out)
    assert told["identifiers"]["inchikey"] == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"
    assert len(told["rules"]) == 5


def test_a_fault_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", "C1CC")
    assert code == 2 and out == "" and err.count("\n") == 1 and "ring 1" in err


def test_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg, sdf = tmp_path / "a.svg", tmp_path / "a.sdf"
    assert run(capsys, "draw", ASPIRIN, "-o", str(svg), "--highlight", "C(=O)O")[0] == 0
    assert svg.read_text().startswith("<svg")
    code, _, err = run(capsys, "conformer", f"{ASPIRIN} aspirin", "-o", str(sdf), "--n", "1")
    assert code == 0 and "MMFF94s" in err
    mol = next(Chem.SDMolSupplier(str(sdf)))
    assert mol.GetProp("_Name") == "aspirin" and mol.GetConformer().Is3D()


def test_parts_bits_and_random_smiles(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "parts", ASPIRIN)
    assert "1\tBRICS fragment\tc1ccccc1\t[4, 5, 6, 7, 8, 9]" in out
    _, out, _ = run(capsys, "bits", "CCO")
    assert len(out.splitlines()) == 6
    _, out, _ = run(capsys, "random", ASPIRIN, "-n", "5")
    assert out and all(line.startswith("same\t") for line in out.splitlines())


def test_the_data_is_searched(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "search", "C(=O)N[OH]", "--dataset", TABLE)
    assert len(out.splitlines()) == 5 and "Vorinostat" in out
    vorinostat = "O=C(CCCCCCC(=O)Nc1ccccc1)NO"
    _, out, _ = run(capsys, "similar", vorinostat, "--dataset", TABLE, "-k", "3")
    assert out.splitlines()[0].startswith("1.000\tVorinostat")
    assert len(out.splitlines()) == 3
    code, _, err = run(capsys, "search", "c1cc", "--dataset", TABLE)
    assert code == 2 and "not a valid SMARTS" in err


def test_the_count_matrix_is_a_table(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "counts.csv"
    assert run(capsys, "counts", "--dataset", TABLE, "-o", str(target))[0] == 0
    table = pd.read_csv(target, index_col=0)
    assert len(table) == 146 and table.loc["Clotrimazole", "Benzene rings"] == 3


def test_lines_are_standardised_and_bad_ones_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.smi"
    source.write_text("[Na+].CC(=O)[O-] acetate\n\nC1CC bad\nCCO\n")
    code, out, err = run(capsys, "standardise", str(source))
    assert code == 0
    assert out.splitlines() == ["CC(=O)O\tacetate\tlargest part kept, neutralised", "CCO\t\t"]
    assert err.startswith("line 3: ")
