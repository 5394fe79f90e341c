from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from rdkit import DataStructs

from core.errors import DataError
from core.molecules.chemical_space import chemical_space, nearest_by_tanimoto
from core.molecules.isolated import TimeLimitError
from core.molecules.library import library
from core.molecules.morgan_bits import generator
from core.molecules.neighbours import (
    common_substructure,
    nearest,
    parse_smarts,
    similarities,
    smarts_search,
)
from core.molecules.parse import MoleculeError, parse

FAMILIES = ("c1ccccc1{}", "CCCCCC{}", "C1CCNCC1{}")
TAILS = ("O", "N", "C", "CO", "CN", "CC", "C(=O)O", "Cl", "CCl", "CBr")


@pytest.fixture(scope="module")
def fingerprints() -> list[DataStructs.ExplicitBitVect]:
    mols = [parse(family.format(tail)) for family in FAMILIES for tail in TAILS]
    return list(generator().GetFingerprints(mols))


def _table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cell_type": ["B", "T", "B", "T", "B"],
            "sm_name": ["ethanol", "ethanol", "bad", "aspirin", "aspirin"],
            "SMILES": ["CCO", "CCO", "C1CC", "CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Oc1ccccc1C(=O)O"],
            "moa": ["solvent", "solvent", None, "COX", "COX"],
        }
    )


def test_a_library_holds_each_compound_once_and_lists_what_it_rejects() -> None:
    made = library(_table())
    assert made.frame["name"].tolist() == ["ethanol", "aspirin"]
    assert list(made.frame.columns) == ["name", "SMILES", "moa"]
    assert made.canonical == ["CCO", "CC(=O)Oc1ccccc1C(=O)O"]
    assert made.positions == {"ethanol": 0, "aspirin": 1}
    assert made.rejected["name"].tolist() == ["bad"]
    assert "ring 1" in made.rejected["reason"].iloc[0]
    assert len(made.fingerprints) == len(made) == 2


def test_compounds_without_a_name_are_known_by_their_structure() -> None:
    table = pd.DataFrame({"name": ["x", None, None, None], "SMILES": ["C", "CC", "CCC", "CC"]})
    made = library(table, name_column="name")
    assert made.frame["name"].tolist() == ["x", "CC", "CCC"]


def test_faults_of_a_library_are_named() -> None:
    with pytest.raises(DataError, match="no column 'SMILES'"):
        library(pd.DataFrame({"sm_name": ["a"]}))
    with pytest.raises(DataError, match="No compound"):
        library(pd.DataFrame({"sm_name": ["a"], "SMILES": ["C1CC"]}))


def test_similarity_by_hand(fingerprints: list[DataStructs.ExplicitBitVect]) -> None:
    query = fingerprints[3]
    values = similarities(query, fingerprints)
    a = set(query.GetOnBits())
    for i, other in enumerate(fingerprints):
        b = set(other.GetOnBits())
        assert values[i] == pytest.approx(len(a & b) / len(a | b), abs=1e-6)
    assert nearest(query, fingerprints, 1) == [(3, 1.0)]
    without = nearest(query, fingerprints, 5, leave_out=3)
    assert 3 not in [i for i, _ in without]
    assert [v for _, v in without] == sorted((v for _, v in without), reverse=True)


def test_common_substructure_by_hand() -> None:
    found = common_substructure(parse("Oc1ccccc1"), parse("Nc1ccccc1"))
    assert sorted(found.first) == sorted(found.second) == [1, 2, 3, 4, 5, 6]
    assert found.complete
    nothing = common_substructure(parse("C"), parse("N"))
    assert nothing.first == () and nothing.smarts == ""


def test_smarts_search_marks_the_matched_atoms() -> None:
    hits = smarts_search("C(=O)O", [parse("CC(=O)O"), parse("CCO"), parse("O=C(O)CC(=O)O")])
    assert [(h.position, len(h.matches)) for h in hits] == [(0, 1), (2, 2)]
    assert hits[0].atoms == (1, 2, 3)


@pytest.mark.parametrize(
    ("smarts", "part"),
    [
        ("", "empty"),
        ("c1cc", "not a valid SMARTS"),
        ("<img src=x onerror=alert(1)>", "not a valid SMARTS"),
        ("[C:1]>>[N:1]", "reaction"),
        ("C" * 1001, "at most 1,000"),
        ("(((", "not a valid SMARTS"),
    ],
)
def test_faults_of_a_pattern_are_named(smarts: str, part: str) -> None:
    with pytest.raises(MoleculeError, match=part):
        parse_smarts(smarts)


def test_a_catastrophic_pattern_is_stopped() -> None:
    pattern = ".".join(["[CH2]"] * 5 + ["[CH3]"] * 5 + ["[#6]"] * 6 + ["[#92]"])
    mols = [parse("CCCCCCCCCCCC(CCCCCC)(CCCCC)CC(CCC)CCC")]
    smarts_search("C", mols)  # the helper is running: its start is not what is timed
    start = time.monotonic()
    with pytest.raises(TimeLimitError, match="stopped after 1 seconds"):
        smarts_search(pattern, mols, timeout=1)
    assert time.monotonic() - start < 5
    assert len(smarts_search("C", mols)) == 1


def test_exact_neighbours(fingerprints: list[DataStructs.ExplicitBitVect]) -> None:
    indices, distances = nearest_by_tanimoto(fingerprints, 6)
    assert indices[:, 0].tolist() == list(range(len(fingerprints)))
    for row, query in enumerate(fingerprints):
        expected = np.sort(1 - similarities(query, fingerprints))[:6]
        assert distances[row] == pytest.approx(expected, abs=1e-5)


def test_the_map_keeps_families_together_and_follows_the_seed(
    fingerprints: list[DataStructs.ExplicitBitVect],
) -> None:
    first = chemical_space(fingerprints, n_neighbours=8, seed=1)
    assert first.shape == (30, 2) and first.dtype == np.float32 and np.isfinite(first).all()
    assert np.array_equal(first, chemical_space(fingerprints, n_neighbours=8, seed=1))
    family = np.repeat(np.arange(3), 10)
    distance = np.linalg.norm(first[:, None] - first[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (family[distance.argmin(axis=1)] == family).mean() > 0.9
    with pytest.raises(MoleculeError, match="at least 5"):
        chemical_space(fingerprints[:4])
