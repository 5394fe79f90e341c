from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors, Lipinski

from core.molecules.parse import parse
from core.molecules.properties import (
    DESCRIPTORS,
    Criterion,
    alerts,
    descriptors,
    identifiers,
    qed_parts,
    rules,
)

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def test_identifiers_of_aspirin() -> None:
    known = identifiers(parse(ASPIRIN))
    assert known.formula == "C9H8O4"
    assert known.inchikey == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"
    assert known.scaffold == "c1ccccc1"
    assert known.smiles == ASPIRIN


def test_descriptors_against_hand_and_reference() -> None:
    mol = parse(ASPIRIN)
    d = descriptors(mol)
    # 9 × 12.011 + 8 × 1.008 + 4 × 15.999
    assert d["mw"] == pytest.approx(180.159, abs=0.01)
    # Ertl's contributions: carboxyl OH 20.23, two C=O of 17.07, ester O 9.23
    assert d["tpsa"] == pytest.approx(20.23 + 2 * 17.07 + 9.23, abs=0.01)
    assert (d["hbd"], d["hba"], d["rings"], d["heavy_atoms"]) == (1, 3, 1, 13)
    assert d["fsp3"] == pytest.approx(1 / 9)
    assert d["logp"] == pytest.approx(Crippen.MolLogP(mol))
    assert d["mr"] == pytest.approx(Crippen.MolMR(mol))
    assert d["hbd"] == Lipinski.NumHDonors(mol) and d["hba"] == Lipinski.NumHAcceptors(mol)
    assert d["qed"] == pytest.approx(Descriptors.qed(mol))
    assert set(d) == {x.name for x in DESCRIPTORS}


def test_stereo_centres_count_unassigned_ones() -> None:
    assert descriptors(parse("CC(N)C(=O)O"))["stereo_centres"] == 1
    assert descriptors(parse("C[C@H](N)[C@@H](O)C"))["stereo_centres"] == 2
    assert descriptors(parse("CCO"))["stereo_centres"] == 0


def test_limits_are_inclusive() -> None:
    assert Criterion("x", 5, None, 5).met and not Criterion("x", 5.01, None, 5).met
    assert Criterion("x", 160, 160, 480).met and not Criterion("x", 159, 160, 480).met
    assert Criterion("x", 1, None, 5).limits == "≤ 5"
    assert Criterion("x", 1, 5, None).limits == "≥ 5"
    assert Criterion("x", 1, -2, 5).limits == "-2 to 5"


def _passed(smiles: str) -> dict[str, bool]:
    return {rule.name: rule.passed for rule in rules(parse(smiles))}


def test_rules_on_known_drugs() -> None:
    assert list(_passed(ASPIRIN)) == ["Lipinski", "Veber", "Ghose", "Egan", "Muegge"]
    # Aspirin is below Muegge's 200 g/mol and passes the rest.
    assert _passed(ASPIRIN) == {
        "Lipinski": True,
        "Veber": True,
        "Ghose": True,
        "Egan": True,
        "Muegge": False,
    }
    # Lipinski allows one violation: log P of clotrimazole is above 5.
    clotrimazole = rules(parse("Clc1ccccc1C(c1ccccc1)(c1ccccc1)n1ccnc1"))[0]
    assert clotrimazole.violations == 1 and clotrimazole.passed
    assert not any(_passed("C" * 60).values())


def test_ghose_counts_hydrogens_among_its_atoms() -> None:
    ghose = rules(parse("CCO"))[2]
    atoms = next(c for c in ghose.criteria if c.label == "Atoms with hydrogens")
    assert atoms.value == 9


def test_alerts_name_the_atoms() -> None:
    found = alerts(parse("O=C1C=CC(=O)C=C1"))  # 1,4-benzoquinone
    assert "PAINS" in {a.catalog for a in found}
    quinone = next(a for a in found if a.catalog == "PAINS")
    assert set(quinone.atoms) <= set(range(8)) and quinone.atoms
    assert alerts(parse("CCO")) == []
    nitro = alerts(parse("O=[N+]([O-])c1ccccc1"))
    assert any("nitro" in a.name.lower() and a.catalog == "Brenk" for a in nitro)


def test_odd_molecules_have_properties_too() -> None:
    for smiles in ("N[Pt](N)(Cl)Cl", "[CH3]", "*CC", "[Na+].[Cl-]", "C" * 500, "C"):
        mol = parse(smiles)
        assert identifiers(mol).formula
        assert len(descriptors(mol)) == len(DESCRIPTORS)
        assert len(rules(mol)) == 5
        alerts(mol)
        assert len(qed_parts(mol)) == 8
        assert Chem.MolToSmiles(mol)
