from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem

from core.molecules import isolated
from core.molecules.conformers import MAX_ATOMS, embed, to_sdf
from core.molecules.isolated import TimeLimitError, call
from core.molecules.parse import MoleculeError, parse


def test_a_conformer_has_plausible_bond_lengths_and_keeps_atom_indices() -> None:
    mol = parse("CC(=O)Oc1ccccc1C(=O)O")
    made = embed(mol, n_conformers=3)
    assert made.force_field == "MMFF94s" and made.converged and made.n_tried == 3
    assert [a.GetSymbol() for a in made.mol.GetAtoms()][: mol.GetNumAtoms()] == [
        a.GetSymbol() for a in mol.GetAtoms()
    ]
    place = made.mol.GetConformer().GetPositions()
    assert made.mol.GetConformer().Is3D()
    double = np.linalg.norm(place[1] - place[2])  # carbonyl C=O
    single = np.linalg.norm(place[0] - place[1])  # C–C
    assert 1.18 < double < 1.26 and 1.45 < single < 1.56


def test_the_same_seed_gives_the_same_coordinates() -> None:
    mol = parse("CCCO")
    first, second = embed(mol, seed=7), embed(mol, seed=7)
    assert np.array_equal(
        first.mol.GetConformer().GetPositions(), second.mol.GetConformer().GetPositions()
    )
    assert first.energy == second.energy


def test_more_conformers_never_raise_the_energy() -> None:
    mol = parse("CCCCCCO")
    one, many = embed(mol, n_conformers=1), embed(mol, n_conformers=8)
    assert one.energy is not None and many.energy is not None
    assert many.energy <= one.energy + 1e-6


def test_stereo_centres_survive() -> None:
    for smiles in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"):
        made = embed(parse(smiles))
        flat = Chem.RemoveHs(made.mol)
        Chem.AssignStereochemistryFrom3D(flat)
        assert Chem.MolToSmiles(flat) == Chem.CanonSmiles(smiles)


def test_metals_are_embedded_without_a_force_field_and_say_so() -> None:
    made = embed(parse("N[Pt](N)(Cl)Cl"))
    assert made.force_field == "none" and made.energy is None and not made.converged
    assert "no force field" in made.note


@pytest.mark.parametrize(
    ("smiles", "part"),
    [
        ("C" * (MAX_ATOMS + 1), "up to 120"),
        ("*CC", "wildcard"),
        ("C[C@@]12CC[C@H]1C2", "stereo centres"),
    ],
)
def test_what_cannot_be_embedded_is_said_in_one_sentence(smiles: str, part: str) -> None:
    with pytest.raises(MoleculeError, match=part):
        embed(parse(smiles))


def test_the_time_limit_holds_and_the_next_call_works() -> None:
    start = time.monotonic()
    with pytest.raises((TimeLimitError, MoleculeError), match=r"stopped after|within"):
        embed(parse("C" * 110), timeout=0.4)
    assert time.monotonic() - start < 10
    assert embed(parse("CO")).converged


def test_the_block_for_the_viewer_has_no_name() -> None:
    mol = parse("CO")
    mol.SetProp("_Name", "</script><script>alert(1)</script>")
    block = embed(mol).mol_block
    assert "script" not in block and block.splitlines()[0] == ""


def test_an_sdf_record_cannot_be_ended_by_a_value() -> None:
    made = embed(parse("CO"))
    text = to_sdf(made.mol, "a\n$$$$\nb", {"x<y>\n": "1\n\n$$$$\n>  <evil>\n2"})
    supplier = Chem.SDMolSupplier()
    supplier.SetData(text)
    records = list(supplier)
    assert len(records) == 1
    assert records[0].GetPropsAsDict() == {"xy": "1 $$$$ > <evil> 2"}
    assert records[0].GetProp("_Name") == "a $$$$ b"


def test_a_fault_in_the_helper_is_told_and_does_not_stop_it() -> None:
    with pytest.raises(RuntimeError, match="failed in its helper"):
        call("conformers:embed_block", {"nonsense": 1}, timeout=5, what="The test")
    with pytest.raises(MoleculeError):
        call("neighbours:search_body", {"smarts": "c1cc", "binaries": []}, timeout=5, what="Test")
    assert embed(parse("CO")).converged


def test_a_helper_that_dies_is_replaced() -> None:
    embed(parse("CO"))
    for helper in list(isolated._idle):
        helper.process.kill()
        helper.process.wait()
    assert embed(parse("CO")).converged
