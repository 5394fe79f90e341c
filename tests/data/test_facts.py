from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.data import facts
from core.errors import DataError


def test_compounds_equal_the_published_table(shared_facts: Path) -> None:
    expected = pd.read_csv(shared_facts / "op2_compounds.csv")
    pd.testing.assert_frame_equal(facts.op2_compounds(), expected)


def test_pairs_equal_the_published_table(shared_facts: Path) -> None:
    expected = pd.read_csv(shared_facts / "op2_pairs.csv")
    train = expected[expected.split == "train"].sort_values("id")
    test = expected[expected.split != "train"].sort_values("id")
    expected = pd.concat([train, test], ignore_index=True)
    pd.testing.assert_frame_equal(facts.op2_pairs(), expected)


def test_landmark_genes_equal_the_published_table(shared_facts: Path) -> None:
    expected = pd.read_csv(shared_facts / "l1000_landmark_genes.csv")
    pd.testing.assert_frame_equal(facts.landmark_genes(), expected)


def test_genes_are_those_of_the_competition_in_its_order(shared_data: Path) -> None:
    expected = pd.read_parquet(shared_data / "op2_mean_de_by_cell_type.parquet").index
    assert facts.op2_genes().tolist() == expected.tolist()


def test_known_results_equal_the_published_figures(shared_facts: Path) -> None:
    published = pd.read_csv(shared_facts / "known_results_op2.csv", dtype=str)
    expected = []
    for row in published.itertuples():
        joint = row.method.split(" / ") if " / " in row.value else [row.method]
        expected += list(zip(joint, map(float, row.value.split(" / ")), strict=True))
    table = facts.known_results()
    assert list(zip(table["method"], table["value"], strict=True)) == expected


def test_known_results_do_not_mix_targets() -> None:
    table = facts.known_results()
    assert (table.groupby("benchmark")[["label", "target", "n_rows"]].nunique() == 1).all(axis=None)
    clipped = table["target"].str.contains("clipped")
    assert set(table.loc[clipped, "benchmark"]) == {"openproblems-v1.0.0"}
    assert not table["source"].isna().any()


def test_counts_of_the_design() -> None:
    pairs = facts.op2_pairs()
    assert pairs["split"].value_counts().to_dict() == {
        "train": 614,
        "private_test": 155,
        "public_test": 100,
    }
    assert not pairs.duplicated(["cell_type", "sm_name"]).any()
    compounds = facts.op2_compounds()
    assert set(pairs["sm_name"]) == set(compounds["sm_name"])
    assert compounds.loc[compounds["control"], "sm_name"].tolist() == ["Dabrafenib", "Belinostat"]
    genes = facts.op2_genes()
    assert len(genes) == 18_211 and genes.is_unique and not genes.isna().any()
    assert len(facts.landmark_genes()) == 978


def test_every_compound_has_a_mechanism_class_that_agrees_with_the_recorded_mechanism() -> None:
    classes = facts.op2_mechanism_classes()
    compounds = facts.op2_compounds().set_index("sm_name")
    assert classes.index.tolist() == compounds.index.tolist()
    moa = compounds["moa"].fillna("")
    for keyword in ("HDAC", "JAK", "Histamine", "Aurora", "Topoisomerase", "IKK"):
        recorded = moa.index[moa.str.contains(keyword)]
        assert classes[recorded].str.lower().str.contains(keyword.lower()).all(), keyword


def test_a_caller_cannot_change_what_the_next_one_reads() -> None:
    facts.op2_pairs()["cell_type"] = "changed"
    facts.op2_mechanism_classes().iloc[:] = "changed"
    assert "changed" not in set(facts.op2_pairs()["cell_type"])
    assert "changed" not in set(facts.op2_mechanism_classes())


def test_a_missing_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "ASSETS", tmp_path)
    facts._read.cache_clear()
    with pytest.raises(DataError, match=r"op2_pairs\.csv\.gz is missing"):
        facts.op2_pairs()


def test_every_asset_table_has_its_source() -> None:
    sources = (facts.ASSETS / "SOURCES.md").read_text()
    for path in facts.ASSETS.glob("*.csv*"):
        assert f"`{path.name}`" in sources
