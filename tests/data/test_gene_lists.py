from __future__ import annotations

import pytest

from core.data.gene_lists import (
    delete_gene_list,
    gmt_text,
    list_gene_lists,
    load_gene_list,
    save_gene_list,
)
from core.data.gene_sets import read_gmt
from core.errors import DataError
from core.settings import Settings


def test_l1000_is_always_there(settings: Settings) -> None:
    found = load_gene_list("L1000", settings)
    assert len(found) == 978 and found.genes[0] == "PSME1"
    assert [f.name for f in list_gene_lists(settings)] == ["L1000"]


def test_saved_listed_loaded_deleted(settings: Settings) -> None:
    name = "Mine / ../:*? <b>"
    saved = save_gene_list(name, ["INS", "GCG", "INS"], source="x", settings=settings)
    assert saved.genes == ("INS", "GCG")
    assert load_gene_list(name, settings) == saved
    assert [f.name for f in list_gene_lists(settings)] == ["L1000", name]
    inside = list((settings.workspace / "gene_lists").iterdir())
    assert len(inside) == 1 and inside[0].suffix == ".json"
    with pytest.raises(DataError, match="already"):
        save_gene_list(name, ["SST"], settings=settings)
    assert save_gene_list(name, ["SST"], replace=True, settings=settings).genes == ("SST",)
    delete_gene_list(name, settings)
    with pytest.raises(DataError, match="no gene list called"):
        load_gene_list(name, settings)


@pytest.mark.parametrize(
    ("name", "genes", "words"),
    [
        ("", ["INS"], "needs a name"),
        ("x" * 81, ["INS"], "at most 80"),
        ("L1000", ["INS"], "always there"),
        ("a", [], "no gene"),
        ("a", ["<script>"], "not a gene symbol"),
    ],
)
def test_faults(settings: Settings, name: str, genes: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        save_gene_list(name, genes, settings=settings)


def test_a_damaged_file_is_told_and_left_out(settings: Settings) -> None:
    save_gene_list("a", ["INS"], settings=settings)
    path = next((settings.workspace / "gene_lists").glob("*.json"))
    path.write_text('{"format": 1}')
    assert len(list_gene_lists(settings)) == 1
    with pytest.raises(DataError, match="damaged"):
        load_gene_list("a", settings)


def test_gmt_is_read_back(settings: Settings, tmp_path) -> None:
    lists = [save_gene_list("two\tlists", ["INS", "GCG"], settings=settings)]
    path = tmp_path / "sets.gmt"
    path.write_text(gmt_text(lists))
    sets = read_gmt(path)
    assert sets.terms.tolist() == ["two lists"] and sets.members("two lists") == ["INS", "GCG"]
