from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.data.gene_sets import gene_sets_from_dict, go_biological_process, read_gmt
from core.errors import DataError


def test_gmt_is_read_plain_and_gzipped(tmp_path: Path) -> None:
    text = "apoptosis\tdesc\tBAX\tBCL2\tBAX\n\ncycle\t\tCDK1\tBCL2\n"
    (tmp_path / "a.gmt").write_text(text)
    (tmp_path / "b.gmt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.gmt", "b.gmt.gz"):
        sets = read_gmt(tmp_path / name)
        assert list(sets.terms) == ["apoptosis", "cycle"]
        assert sets.members("apoptosis") == ["BAX", "BCL2"]
        assert set(sets.members("cycle")) == {"CDK1", "BCL2"}
        assert sets.membership.shape == (2, 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no gene sets"),
        (b"term\tdescription\n", "line 1"),
        (b"a\t\tX\nb only\n", "line 2"),
        (b"a\t\tX\na\t\tY\n", "line 2.*twice"),
        (b"\xff\xfe\x00\x81", "not a text file"),
        (gzip.compress(b"a\t\tX\n" * 500)[:-12], "damaged gzip"),
    ],
)
def test_faults_are_one_sentence_that_names_the_place(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "bad.gmt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as raised:
        read_gmt(path)
    assert "bad.gmt" in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.gmt cannot be read"):
        read_gmt(tmp_path / "nowhere.gmt")


def test_the_carried_gene_ontology_is_whole(shared_data: Path) -> None:
    sets = go_biological_process()
    original = read_gmt(shared_data / "go_bp_human_2022.gmt.gz")
    assert len(sets) == 6482
    assert list(sets.terms) == list(original.terms)
    assert (sets.membership != original.membership).nnz == 0


def test_sets_from_a_dictionary_keep_order_and_drop_repeats() -> None:
    sets = gene_sets_from_dict({"t": ["B", "A", "B"]}, name="mine")
    assert list(sets.genes) == ["B", "A"]
    assert sets.membership.toarray().tolist() == [[True, True]]
