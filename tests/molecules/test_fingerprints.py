from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from core.molecules.morgan_bits import generator, set_bits, shared_environments
from core.molecules.parse import MoleculeError, parse
from core.molecules.random_smiles import invariant, random_smiles, variants

BOSUTINIB = "COc1cc(Nc2c(C#N)cnc3cc(OCCCN4CCN(C)CC4)c(OC)cc23)c(Cl)cc1Cl"


@pytest.mark.parametrize(
    "smiles", [BOSUTINIB, "C", "CC", "*CC", "N[Pt](N)(Cl)Cl", "C" * 300, "[Na+].CC(=O)[O-]"]
)
@pytest.mark.parametrize(("radius", "size"), [(2, 2048), (0, 64), (3, 128)])
def test_bits_are_those_of_the_fingerprint(smiles: str, radius: int, size: int) -> None:
    mol = parse(smiles)
    bits = set_bits(mol, radius=radius, size=size)
    expected = list(generator(radius, size).GetFingerprint(mol).GetOnBits())
    assert [bit.index for bit in bits] == expected


def test_environments_of_ethanol_by_hand() -> None:
    found = [e for bit in set_bits(parse("CCO")) for e in bit.environments]
    # Three atoms alone, and three of radius 1; radius 2 only repeats what radius 1 covers.
    assert sorted((e.radius, e.centres[0], e.atoms) for e in found) == [
        (0, 0, (0,)),
        (0, 1, (1,)),
        (0, 2, (2,)),
        (1, 0, (0, 1)),
        (1, 1, (0, 1, 2)),
        (1, 2, (1, 2)),
    ]
    assert {e.smiles for e in found if e.radius == 1} == {"CC", "C(C)O", "OC"}


def test_counts_are_those_of_the_count_fingerprint() -> None:
    mol = parse(BOSUTINIB)
    expected = generator().GetCountFingerprint(mol).GetNonzeroElements()
    assert {bit.index: bit.count for bit in set_bits(mol)} == expected


def test_collisions_are_different_environments_on_one_bit() -> None:
    mol = parse(BOSUTINIB)
    few = [bit for bit in set_bits(mol, size=32) if bit.collision]
    assert few
    for bit in few:
        identifiers = {e.identifier for e in bit.environments}
        assert len(identifiers) == len(bit.environments) > 1
        assert {i % 32 for i in identifiers} == {bit.index}


def test_shared_environments_count_the_whole_library() -> None:
    mols = [parse("CCO"), parse("CCN"), parse("CCO")]
    counts = shared_environments(mols, size=2048)
    own = {e.identifier for m in mols for b in set_bits(m) for e in b.environments}
    assert counts.sum() == len(own)
    assert counts.max() >= 1 and counts.dtype == np.int32


@pytest.mark.parametrize(("radius", "size"), [(-1, 2048), (7, 2048), (2, 8), (2, 100_000)])
def test_impossible_fingerprints_are_refused(radius: int, size: int) -> None:
    with pytest.raises(MoleculeError, match="radius 0 to 6"):
        generator(radius, size)


def test_random_smiles_are_the_same_molecule_and_follow_the_seed() -> None:
    mol = parse("C[C@H](N)C(=O)O")
    assert random_smiles(mol, 5, seed=3) == random_smiles(mol, 5, seed=3)
    assert random_smiles(mol, 20, seed=3) != random_smiles(mol, 20, seed=4)
    found = variants(mol, 30, seed=0)
    assert len(found) == len({v.smiles for v in found}) > 5
    assert invariant(found)
    assert {v.canonical for v in found} == {Chem.MolToSmiles(mol)}


def test_variants_say_when_they_differ() -> None:
    found = variants(parse("CCO"), 3)
    broken = [type(found[0])("CCN", "CCN", False, 0.3)]
    assert not invariant([*found, *broken])
    with pytest.raises(MoleculeError, match="1 to 1,000"):
        random_smiles(parse("CCO"), 0)
