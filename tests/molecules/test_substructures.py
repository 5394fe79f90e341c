from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import Fragments

from core.featurizers.fragments import GROUPS, brics_counts, group_counts
from core.molecules.parse import parse
from core.molecules.substructures import (
    BRICS_KIND,
    brics_fragments,
    count_parts,
    functional_groups,
    groups,
    open_ended,
    parts,
)

BOSUTINIB = "COc1cc(Nc2c(C#N)cnc3cc(OCCCN4CCN(C)CC4)c(OC)cc23)c(Cl)cc1Cl"


@pytest.fixture(scope="module")
def drugs(request: pytest.FixtureRequest) -> list[str]:
    folder: Path = request.getfixturevalue("shared_facts")
    return pd.read_csv(folder / "op2_compounds.csv")["SMILES"].tolist()


def test_fragments_by_hand() -> None:
    # Anisole ether: BRICS cuts aryl–O only where L3/L16 meet: methoxy and phenyl.
    found = brics_fragments(parse("COc1ccccc1"))
    assert [(f.smiles, f.atoms) for f in found] == [
        ("CO", (0, 1)),
        ("c1ccccc1", (2, 3, 4, 5, 6, 7)),
    ]
    assert [(f.smiles, f.atoms) for f in brics_fragments(parse("CC"))] == [("CC", (0, 1))]


def test_fragments_hold_every_atom_once(drugs: list[str]) -> None:
    for smiles in drugs:
        mol = parse(smiles)
        atoms = [atom for fragment in brics_fragments(mol) for atom in fragment.atoms]
        assert sorted(atoms) == list(range(mol.GetNumAtoms()))


def test_fragments_are_those_of_the_featurizer(drugs: list[str]) -> None:
    for smiles in drugs[::3]:
        if "." in smiles:
            continue
        for labelled in (False, True):
            ours = Counter(f.smiles for f in brics_fragments(parse(smiles), labelled=labelled))
            assert ours == brics_counts(smiles, labelled)


def test_groups_are_those_of_the_featurizer(drugs: list[str]) -> None:
    assert {group.key for group in groups()} == set(GROUPS)
    for smiles in drugs[::5]:
        if "." in smiles:
            continue
        ours = {part.key: part.count for part in functional_groups(parse(smiles))}
        theirs = dict(zip(GROUPS, group_counts(smiles)[: len(GROUPS)], strict=True))
        assert ours == {key: int(n) for key, n in theirs.items() if n}


def test_groups_carry_the_right_atoms() -> None:
    found = {part.key: part for part in functional_groups(parse("CC(=O)Oc1ccccc1C(=O)O"))}
    assert found["fr_benzene"].occurrences == ((4, 5, 6, 7, 8, 9),)
    assert found["fr_ester"].atoms == (0, 1, 2, 3, 4)
    assert found["fr_COO"].count == Fragments.fr_COO(parse("CC(=O)Oc1ccccc1C(=O)O")) == 1
    assert all(
        "Number of" not in group.label and "iperdine" not in group.label for group in groups()
    )


def test_open_ends_are_marked() -> None:
    mol = parse("COc1ccccc1")
    piece = open_ended(mol, (0, 1))
    assert piece is not None and Chem.MolToSmiles(piece) == "*OC"
    assert open_ended(mol, (0, 3)) is None


def test_equal_fragments_come_together() -> None:
    found = [part for part in parts(parse(BOSUTINIB)) if part.kind == BRICS_KIND]
    methoxy = next(part for part in found if part.key == "CO")
    assert methoxy.count == 2 and methoxy.atoms == (0, 1, 27, 28)


def test_the_count_matrix_by_hand() -> None:
    found = count_parts([parse("COc1ccccc1"), parse("CC"), parse("COc1ccc(OC)cc1")])
    dense = pd.DataFrame(found.counts.toarray(), columns=found.keys)
    assert dense["CO"].tolist() == [1, 0, 2]
    assert dense["fr_benzene"].tolist() == [1, 0, 1]
    assert dense["CC"].tolist() == [0, 1, 0]
    assert found.n_molecules_with("CO") == 2 and found.n_molecules_with("nothing") == 0
    assert found.molecules_with("fr_benzene").tolist() == [0, 2]
    frequency = (dense > 0).sum().to_numpy()
    assert (np.diff(frequency) <= 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 2))
def test_counts_do_not_depend_on_the_order_of_atoms(seed: int) -> None:
    mol = parse(BOSUTINIB)
    other = parse(Chem.MolToRandomSmilesVect(mol, 1, randomSeed=seed + 1)[0])
    assert {p.key: p.count for p in parts(other)} == {p.key: p.count for p in parts(mol)}
