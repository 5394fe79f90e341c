from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from core.molecules.parse import MoleculeError, parse, parse_line
from core.molecules.standardise import _pipeline, complete, is_clean, read_clean, standardise


@pytest.mark.parametrize(
    ("given_", "parent", "change"),
    [
        ("[Na+].CC(=O)[O-]", "CC(=O)O", "largest part kept"),
        ("C[NH3+].[Cl-]", "CN", "neutralised"),
        ("CC(=O)O[Na]", "CC(=O)O", "metal disconnected"),
        ("[13CH3]O", "CO", "isotopes removed"),
        ("CS(=O)c1ccccc1", "C[S+]([O-])c1ccccc1", "groups normalised"),
        ("c1ccccc1C(=O)O.c1ccncc1", "O=C(O)c1ccccc1", "largest part kept"),
        ("C[N+](C)(C)CC(=O)[O-]", "C[N+](C)(C)CC(=O)[O-]", ""),
        ("C[N+](C)(C)C.[Br-]", "C[N+](C)(C)C", "largest part kept"),
    ],
)
def test_parent_forms(given_: str, parent: str, change: str) -> None:
    done = standardise(parse(given_), given_)
    assert done.smiles == parent
    assert change in done.changes if change else not done.changes


def test_a_clean_molecule_is_returned_as_it_is() -> None:
    mol = parse("CC(=O)Oc1ccccc1C(=O)O")
    assert standardise(mol, "CC(=O)Oc1ccccc1C(=O)O").mol is mol


def test_nitro_groups_are_clean_and_sulfoxides_are_not() -> None:
    for smiles, expected in (
        ("O=[N+]([O-])c1ccccc1", True),
        ("CS(=O)C", False),
        ("CS(=O)(=O)C", True),
        ("Fc1cccc(c1)-n1c(=O)c2ccccc2s1=O", False),
        ("[Na+].[Cl-]", False),
        ("[2H]C", False),
        ("[Fe]", False),
        ("C[CH2]", False),
        ("CS(C)=O", False),
        ("O=1.CS1C", False),
        ("CS(C)(=O)=O", True),
        ("OC(=O)CSC", True),
        ("C[N+](C)(C)CCO", True),
        ("C[n+]1cc[nH]c1", True),
        ("NC=[N+](C)C", False),
        ("C[Si](C)(C)C", True),
        ("C[N+]([O-])=O", True),
        ("CN(=O)=O", True),
    ):
        assert is_clean(smiles, parse(smiles)) is expected, smiles


def test_the_canonical_tautomer_is_a_choice() -> None:
    enol = parse("OC1=CC=CC=N1")
    assert standardise(enol).smiles == "Oc1ccccn1"
    done = standardise(enol, tautomer=True)
    assert done.smiles == "O=c1cccc[nH]1"
    assert "canonical tautomer" in done.changes


def test_standardising_twice_changes_nothing_more() -> None:
    for smiles in ("[Na+].CC(=O)[O-]", "CS(=O)C", "C[NH3+].[Cl-]", "OB(O)c1ccccc1"):
        once = standardise(parse(smiles))
        assert standardise(parse(once.smiles)).smiles == once.smiles


def test_the_fast_path_equals_the_pipeline_on_real_compounds(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "lincs_compounds.csv.gz")
    texts = table["canonical_smiles"].dropna().astype(str).unique()
    # The unusual ones are where a fast path could err; a sample of the plain ones joins them.
    unusual = [t for t in texts if any(c in t for c in "Ss+-[.") and t != "-666"]
    checked = 0
    for text in [*unusual[::12], *texts[::80]]:
        parsed = parse_line(text)
        if parsed.mol is not None and is_clean(text, parsed.mol):
            assert _pipeline(parsed.mol, tautomer=False).smiles == Chem.MolToSmiles(parsed.mol)
            checked += 1
    assert checked > 150


@settings(max_examples=60, deadline=None)
@given(st.permutations(["[Na+]", "CC(=O)[O-]", "O", "[Cl-]"]))
def test_the_order_of_the_parts_does_not_matter(parts: list[str]) -> None:
    assert standardise(parse(".".join(parts))).smiles == "CC(=O)O"


def test_reading_clean_texts_quickly_loses_nothing_that_a_fingerprint_sees(
    shared_data: Path,
) -> None:
    """On every eighth LINCS compound, as written and written at random: counts, atoms and bonds
    are those of the long way, and the quick way takes nothing that the pipeline would change."""
    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048).GetCountFingerprint
    table = pd.read_csv(shared_data / "lincs_compounds.csv.gz")
    taken = 0
    for text in table["canonical_smiles"].dropna().astype(str).unique()[::8]:
        parsed = parse_line(text)
        if parsed.mol is None:
            assert read_clean(text) is None, text
            continue
        for written in (text, Chem.MolToSmiles(parsed.mol, doRandom=True)):
            quick = read_clean(written)
            if quick is None:
                continue
            taken += 1
            slow = parse(written)
            assert is_clean(written, slow), written
            assert make(quick) == make(slow), written
            assert (quick.GetNumAtoms(), quick.GetNumBonds()) == (
                slow.GetNumAtoms(),
                slow.GetNumBonds(),
            )
            assert Chem.MolToSmiles(complete(quick)) == Chem.MolToSmiles(slow), written
    assert taken > 1200


@pytest.mark.parametrize(
    "text",
    ["", "not a molecule", "CC(C)(C)(C)C", "c1cccc1", "[Na+].[Cl-]", "CS(=O)C", "C" * 2000, "C>>C"],
)
def test_the_quick_way_leaves_everything_doubtful_to_the_long_way(text: str) -> None:
    assert read_clean(text) is None


def test_leaving_out_the_explanation_changes_no_molecule() -> None:
    for smiles in ("[Na+].CC(=O)[O-]", "CS(=O)C", "C[NH3+].[Cl-]", "[2H]C([2H])O", "CC(=O)O[Na]"):
        mol = parse(smiles)
        short = standardise(mol, smiles, explain=False)
        assert short.smiles == standardise(mol, smiles).smiles
        assert short.changes == ()


def test_a_parent_form_that_cannot_be_read_is_refused() -> None:
    ferrocene = "[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]"
    with pytest.raises(MoleculeError, match="no possible molecule"):
        standardise(parse(ferrocene), ferrocene)
