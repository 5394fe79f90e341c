"""Files of molecules: every layout, hostile and damaged ones, every row accounted for."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from core.errors import DataError
from core.molecules.parse import parse_line
from core.molecules.reading import CSV, SDF, SMI, TSV, parse_text, preview, read_molecules
from core.molecules.reading_lines import MAX_LINE

ROWS = [("a1", "CCO"), ("a2", "c1ccccc1O"), ("a3", "CC(=O)N")]


def read(path: Path, *columns: str, **options: int) -> pd.DataFrame:
    return pd.concat(list(read_molecules(path, *columns, **options)), ignore_index=True)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def block(smiles: str, name: str = "", **fields: str) -> str:
    mol = Chem.MolFromSmiles(smiles)
    mol.SetProp("_Name", name)
    data = "".join(f"> <{key}>\n{value}\n\n" for key, value in fields.items())
    return f"{Chem.MolToMolBlock(mol)}{data}$$$$\n"


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_of_any_separator(tmp_path: Path, separator: str, mark: bytes, end: str) -> None:
    lines = [separator.join(("compound_id", "SMILES", "note"))]
    lines += [separator.join((name, smiles, "x")) for name, smiles in ROWS]
    path = write(tmp_path / "t.csv", mark + end.join([*lines, ""]).encode())
    about = preview(path)
    assert about.kind == (TSV if separator == "\t" else CSV)
    assert (about.smiles_column, about.id_column) == ("SMILES", "compound_id")
    assert about.byte_order_mark == bool(mark)
    assert (about.n_rows, about.exact, about.separator) == (3, True, separator)
    found = read(path)
    assert list(zip(found["id"], found["smiles"], strict=True)) == ROWS
    assert found["row"].tolist() == [1, 2, 3]
    assert (found["fault"] == "").all()


def test_gzip_whatever_the_name(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", gzip.compress(b"name,canonical_smiles\nx,CCO\n"))
    assert preview(path).gzipped
    assert read(path)["smiles"].tolist() == ["CCO"]


def test_structures_are_recognised_by_content(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "foo,bar\n1.5,CCO\n2.5,c1ccccc1\n3.5,CCN\n")
    assert preview(path).smiles_column == "bar"
    assert read(path)["id"].tolist() == ["row 1", "row 2", "row 3"]


def test_tables_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "CCO,ethanol\nCCN,ethylamine\n")
    assert not preview(path).header
    assert read(path)["smiles"].tolist() == ["CCO", "CCN"]


def test_chosen_columns_count(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "smiles,parent,key,name\nCCO,CCCO,k1,n1\n")
    found = read(path, "parent", "key")
    assert (found["smiles"][0], found["id"][0]) == ("CCCO", "k1")
    with pytest.raises(DataError, match="no structure column 'nope'"):
        read(path, "nope")
    with pytest.raises(DataError, match="no id column 'nope'"):
        read(path, "parent", "nope")


def test_no_column_of_structures(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b\n1,2\n3,4\n")
    assert preview(path).smiles_column is None
    with pytest.raises(DataError, match="choose the column of SMILES"):
        read(path)


def test_smiles_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "t.smi", "CCO ethanol absolute\n\nc1ccccc1\tbenzene\nCCN\n")
    about = preview(path)
    assert (about.kind, about.n_rows) == (SMI, 3)
    found = read(path)
    assert found["id"].tolist() == ["ethanol absolute", "benzene", "row 3"]
    assert found["smiles"].tolist() == ["CCO", "c1ccccc1", "CCN"]
    headed = write(tmp_path / "h.smi", "smiles name\nCCO x\n")
    assert read(headed)["smiles"].tolist() == ["CCO"]


def test_sd_records(tmp_path: Path) -> None:
    text = block("CCO", "first", chembl_id="C1") + block("c1ccccc1", "second", chembl_id="C2")
    path = write(tmp_path / "t.sdf.gz", gzip.compress(text.encode()))
    about = preview(path)
    assert (about.kind, about.n_rows, about.id_column) == (SDF, 2, "chembl_id")
    assert read(path)["smiles"].tolist() == ["CCO", "c1ccccc1"]
    assert read(path)["id"].tolist() == ["first", "second"]
    assert read(path, None, "chembl_id")["id"].tolist() == ["C1", "C2"]  # type: ignore[arg-type]


def test_broken_sd_records_are_told(tmp_path: Path) -> None:
    broken = block("CCC", "x").replace("  1  2  1  0", "  1  9  1  0")
    cut = block("CCN", "y").split("M  END")[0]
    path = write(tmp_path / "t.sdf", block("CCO", "a") + broken + "$$$$\n" + cut)
    found = read(path)
    assert found["smiles"].tolist() == ["CCO", "", "", ""]
    assert found["id"].tolist() == ["a", "x", "row 3", "y"]
    assert [bool(fault) for fault in found["fault"]] == [False, True, True, True]
    assert "cut short" in found["fault"][3]


def test_rows_of_wrong_width_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "id,smiles\n1,CCO\n2\n3,CCN,extra\n4,CCC\n")
    found = read(path)
    assert found["row"].tolist() == [1, 2, 3, 4]
    assert "ends before the column 'smiles'" in found["fault"][1]
    assert "3 fields" in found["fault"][2]
    assert found["fault"].tolist()[::3] == ["", ""]


def test_an_open_quote_spoils_its_own_row_only(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 'name,smiles\n"a, b",CCO\n"open,CCN\nc,CCC\n')
    found = read(path)
    assert found["id"][0] == "a, b"
    assert found["smiles"][2] == "CCC"
    assert len(found) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "nothing but blank lines"),
        (b"\xff\xfea\0b\0", "UTF-16"),
        (b"\x89PNG\0\0", "no text file"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(write(tmp_path / "t.csv", content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        preview(tmp_path / "none.csv")


def test_a_gzip_that_is_cut_short_says_where(tmp_path: Path) -> None:
    text = "".join(f"{'C' * (i % 60 + 1)} m{i}\n" for i in range(20_000))
    packed = gzip.compress(text.encode())
    path = write(tmp_path / "t.smi.gz", packed[: len(packed) * 2 // 3])
    with pytest.raises(DataError, match=r"cut short or damaged after line [\d,]+"):
        read(path)


def test_other_encodings_spoil_no_other_row(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "name,smiles\nβ,CCO\n".encode() + b"\xe4,CCN\n")
    found = read(path)
    assert found["smiles"].tolist() == ["CCO", "CCN"]
    assert found["id"].tolist() == ["β", "\ufffd"]


def test_endless_lines_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "t.smi", "CCO a\n" + "C" * (3 * MAX_LINE) + "\nCCN b\n")
    found = read(path)
    assert found["id"].tolist() == ["a", "row 2", "b"]
    assert len(found["smiles"][1]) == MAX_LINE
    assert "at most" in parse_line(found["smiles"][1]).reason


def test_chunks_do_not_depend_on_their_size(tmp_path: Path) -> None:
    text = "".join(f"{'C' * (i % 9 + 1)} m{i}\n" for i in range(101))
    path = write(tmp_path / "t.smi", text)
    whole = read(path)
    pd.testing.assert_frame_equal(read(path, chunk_size=7), whole)
    assert [len(c) for c in read_molecules(path, chunk_size=50)] == [50, 50, 1]


def test_only_the_chunk_is_in_memory(tmp_path: Path) -> None:
    """An endless supply: the first chunk comes without reading the rest."""
    path = write(tmp_path / "t.smi", "CCO x\n" * 400_000)
    about = preview(path)
    assert not about.exact
    assert about.n_rows == pytest.approx(400_000, rel=0.01)
    assert len(next(iter(read_molecules(path, chunk_size=10)))) == 10


def test_pasted_text() -> None:
    found = parse_text("\ufeffCCO ethanol\n\nc1ccccc1\n")
    assert found["id"].tolist() == ["ethanol", "row 2"]
    assert parse_text("name;smiles\na;CCO\n")["smiles"].tolist() == ["CCO"]
    assert parse_text("CCO,ethanol\nCCN,amine")["id"].tolist() == ["ethanol", "amine"]
    assert parse_text("smiles\nCCO")["smiles"].tolist() == ["CCO"]
    assert parse_text("  \n ").empty


def test_names_with_markup_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path / "t.smi", "CCO <script>alert(1)</script>\x07\nCCN =cmd()\n")
    assert read(path)["id"].tolist() == ["<script>alert(1)</script>", "=cmd()"]


@pytest.mark.parametrize(
    ("smiles", "usable"),
    [
        ("C" * 500, True),
        ("C" * 1001, False),
        ("[Na+].[Cl-]", True),
        ("[Fe+2].[O-]C=O.[O-]C=O", True),
        ("C[CH2]", True),
        ("CCO>>CC=O", False),
        ("[Pt](Cl)(Cl)(N)N", True),
        ("C" + "(C" * 300 + ")" * 300, False),
        ("c1ccccc", False),
        ("*C", True),
    ],
)
def test_odd_molecules(smiles: str, usable: bool) -> None:
    parsed = parse_line(smiles)
    assert (parsed.mol is not None) == usable
    assert bool(parsed.reason) == (not usable)


ALPHABET = "CNOPSFIclnosBr()[]=#+-.@/\\%0123456789H*>:$~ \t\"',;|\r\n\x00é"


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.text(ALPHABET, max_size=40), st.text(max_size=15)))
def test_any_text_is_read_or_explained(text: str) -> None:
    parsed = parse_line(text)
    assert (parsed.mol is None) == bool(parsed.reason)
    for line in parse_text(text).itertuples():
        assert line.fault or isinstance(line.smiles, str)
    assert "\n" not in parsed.reason


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.sampled_from(["x.csv", "x.smi", "x.sdf", "x.txt"]))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = write(tmp_path_factory.mktemp("any") / name, content)
    try:
        rows = read(path)
    except (DataError, ValueError) as error:
        assert isinstance(error, DataError) or "No objects" in str(error)
    else:
        assert rows["row"].tolist() == list(range(1, len(rows) + 1))
