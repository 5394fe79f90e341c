from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from core.molecules.parse import (
    MAX_ATOMS,
    MAX_CHARACTERS,
    MoleculeError,
    clean_name,
    from_hex,
    has_metal,
    parse,
    parse_line,
    quote,
    remarks,
    split_name,
    to_hex,
)

ALPHABET = "CNOSPFIBrclnos[]()=#@+-/\\%0123456789.*>|$<! \"'{}é\0\t"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("OCC", "CCO"),
        ("  OCC  ethanol ", "CCO"),
        ("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3", "CCO"),
        ("[H]OCC", "CCO"),
        ("C1=CC=CC=C1", "c1ccccc1"),
    ],
)
def test_reads_smiles_and_inchi(text: str, canonical: str) -> None:
    assert Chem.MolToSmiles(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("C1CC", "ring 1 is not closed"),
        ("C(C", "parenthesis"),
        ("[CH3", "bracket"),
        ("-666", "names no atom"),
        ("xyz", "not a valid SMILES"),
        ("C(C)(C)(C)(C)C", "atom 1 (C) has 5 bonds"),
        ("c1cccn1", "no alternating double bonds"),
        ("CC>>CO", "reaction"),
        ("<script>alert(1)</script>", "reaction"),
        ("C\0C", "character that no SMILES has"),
        ("Cé", "character that no SMILES has"),
        ("InChI=nonsense", "InChI"),
        ("[H][H]", "no atom other than hydrogen"),
        ("C" * (MAX_CHARACTERS + 1), "at most 8,000"),
        ("C" * (MAX_ATOMS + 1), "1,001 heavy atoms"),
        ("C(" * 300 + "C" + ")" * 300, "nests 300 branches"),
    ],
)
def test_every_fault_has_its_own_sentence(text: str, part: str) -> None:
    with pytest.raises(MoleculeError) as raised:
        parse(text)
    message = str(raised.value)
    assert part in message
    assert "\n" not in message and len(message) < 250


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=ALPHABET, max_size=60))
def test_no_text_crashes_the_parser(text: str) -> None:
    parsed = parse_line(text)
    assert (parsed.mol is None) == bool(parsed.reason)
    if parsed.mol is not None:
        assert parsed.mol.GetNumHeavyAtoms() > 0
    assert "\n" not in parsed.reason


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_names_are_one_printable_line(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= 200
    assert name == "" or name.isprintable()
    assert clean_name(name) == name


def test_a_name_never_becomes_a_property_of_the_molecule() -> None:
    parsed = parse_line("CCO <img src=x onerror=alert(1)>")
    assert parsed.name == "<img src=x onerror=alert(1)>"
    assert parsed.mol is not None
    assert "img" not in Chem.MolToMolBlock(parsed.mol)
    assert not parsed.mol.GetPropsAsDict(includePrivate=True).get("_Name")


def test_cxsmiles_extensions_are_a_name_only() -> None:
    parsed = parse_line("C* |$;<b>R1</b>$|")
    assert parsed.mol is not None
    assert "<b>" not in Chem.MolToMolBlock(parsed.mol)
    assert all(not atom.HasProp("atomLabel") for atom in parsed.mol.GetAtoms())


def test_split_name_and_quote() -> None:
    assert split_name("CCO\tethyl  alcohol\r\n") == ("CCO", "ethyl alcohol")
    assert split_name("") == ("", "")
    assert quote("a" * 100) == "'" + "a" * 40 + "…'"
    assert quote("a\nb") == "'a b'"


def test_remarks_name_metals_radicals_wildcards_and_mixtures() -> None:
    assert remarks(parse("CCO")) == []
    assert "metal" in remarks(parse("N[Pt](N)(Cl)Cl"))[0]
    assert "radical" in remarks(parse("C[CH2]"))[0]
    assert "wildcard" in remarks(parse("*CC"))[0]
    assert "2 separate parts" in remarks(parse("CCO.CCN"))[0]
    assert not has_metal(parse("C[Si](C)(C)C"))


def test_binary_form_keeps_atoms_and_drops_properties() -> None:
    mol = parse("C[C@H](N)C(=O)O")
    mol.SetProp("secret", "x")
    back = from_hex(to_hex(mol))
    assert Chem.MolToSmiles(back) == Chem.MolToSmiles(mol)
    assert not back.HasProp("secret")
