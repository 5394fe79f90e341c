"""``python -m core genes``: lists, overlap, symbols and enrichment without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.cli import main
from core.data.gene_lists import list_gene_lists, load_gene_list
from core.runs import run_here
from core.settings import PREFIX, Settings, get_settings
from core.studies.landmark_selection.config import LandmarkSelectionConfig
from tests.studies.landmarks_small import ID, store_small


@pytest.fixture
def place(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv(PREFIX + "WORKSPACE", str(settings.workspace))
    get_settings.cache_clear()
    store_small(settings)
    yield get_settings()
    get_settings.cache_clear()


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["genes", *words]) == 0
    return capsys.readouterr().out


def test_lists_are_saved_shown_and_removed(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.txt"
    file.write_text("G1, G2\nG3")
    assert "3 genes" in said(["save", "mine", str(file)], capsys)
    assert load_gene_list("mine", place).genes == ("G1", "G2", "G3")
    rows = json.loads(said(["list", "--json"], capsys))
    assert [(row["name"], row["genes"]) for row in rows] == [("L1000", 978), ("mine", 3)]
    assert said(["show", "mine"], capsys).split() == ["G1", "G2", "G3"]
    assert said(["show", "mine", "--gmt"], capsys) == "mine\tfile own.txt\tG1\tG2\tG3\n"
    said(["remove", "mine"], capsys)
    assert [found.name for found in list_gene_lists(place)] == ["L1000"]


def test_a_selected_set_is_compared_with_l1000(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = LandmarkSelectionConfig.model_validate(
        {"dataset": ID, "n_genes": 10, "n_splits": 1, "selectors": [{"name": "highest_mean"}]}
    )
    run_id = run_here("landmark-selection", config, settings=place)
    asked = f"{run_id}:Highest mean"
    genes = said(["show", asked], capsys).split()
    assert len(set(genes)) == 10
    (row,) = json.loads(said(["compare", "L1000", asked, "--dataset", ID, "--json"], capsys))
    assert (row["n_a"], row["n_b"]) == (20, 10)
    assert row["shared"] == sum(not re.fullmatch(r"G\d+", gene) for gene in genes)
    out = tmp_path / "levels.csv"
    said(["levels", asked, "--dataset", ID, "--out", str(out)], capsys)
    levels = pd.read_csv(out).set_index("quantity")
    assert levels.loc["mean", "auc"] > 0.9  # the set is the genes of highest mean
    assert levels.loc["mean", "n_rest"] == 50


def test_enrichment_with_own_sets_and_each_background(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gmt, own, behind = tmp_path / "s.gmt", tmp_path / "own.txt", tmp_path / "all.txt"
    gmt.write_text(
        "few\t-\t" + "\t".join(f"G{i}" for i in range(6)) + "\n"
        "other\t-\t" + "\t".join(f"G{i}" for i in range(6, 12)) + "\n"
    )
    own.write_text(" ".join(f"g{i}" for i in range(6)))
    behind.write_text(" ".join(f"G{i}" for i in range(20)))
    words = ["enrich", str(own), "--gmt", str(gmt), "--json"]
    by_background = {}
    for name, more in {
        "collection": [],
        "file": ["--background", str(behind)],
        "cells": ["--dataset", ID],
    }.items():
        first, last = json.loads(said([*words, *more], capsys))
        assert (first["term"], first["overlap"], last["overlap"]) == ("few", 6, 0)
        by_background[name] = first["p_value"]
    assert by_background["collection"] == pytest.approx(1 / 924)  # C(12, 6)
    assert by_background["file"] == pytest.approx(1 / 38_760)  # C(20, 6)
    assert by_background["cells"] < by_background["file"]  # 60 measured genes


def test_symbols_of_today(place: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(said(["symbols", "L1000", "--dataset", ID, "--json"], capsys))
    assert {"given": "TMEM2", "present": "CEMIP2"}.items() <= next(
        row for row in rows if row["given"] == "TMEM2"
    ).items()
    assert {row["measured as"] for row in rows} >= {"not measured"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "nothing"], "'nothing' is neither a gene list of this workspace (L1000)"),
        (["compare", "L1000", "--dataset", ID], "Name two sets or more"),
        (["compare", "L1000", "L1000", "--dataset", ID], "The same set was named twice."),
        (["gsea", "--dataset", ID, "--by", "age"], "Genes cannot be ranked by 'age'"),
        (["show", "run-x:Random"], "nor RUN:SET of a finished selection"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    place: Settings, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["genes", *words]) != 0
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
