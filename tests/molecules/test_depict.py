from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from core.molecules.depict import (
    HIGHLIGHTS,
    Highlight,
    align,
    bonds_within,
    draw,
    draw_grid,
    prepare,
)
from core.molecules.parse import MoleculeError, parse

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{int(c * 255):02X}" for c in colour)


@pytest.mark.parametrize("smiles", [ASPIRIN, "C", "C" * 500, "N[Pt](N)(Cl)Cl", "*CC", "[CH3]"])
@pytest.mark.parametrize("dark", [False, True])
def test_anything_that_parses_is_drawn_as_one_svg_element(smiles: str, dark: bool) -> None:
    svg = draw(parse(smiles), dark=dark)
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def test_the_background_is_transparent() -> None:
    assert "<rect" not in draw(parse(ASPIRIN))


def test_highlights_are_drawn_in_their_colour_and_nowhere_else() -> None:
    mol = parse(ASPIRIN)
    plain = draw(mol)
    marked = draw(mol, highlights=[Highlight((0, 1), colour=HIGHLIGHTS[0])])
    assert _hex(HIGHLIGHTS[0]) in marked.upper()
    assert _hex(HIGHLIGHTS[0]) not in plain.upper()


def test_weights_colour_atoms_by_sign() -> None:
    mol = parse("CO")
    svg = draw(mol, weights=[1.0, -1.0]).upper()
    assert "#3893DD" in svg and "#DD7014" in svg
    with pytest.raises(MoleculeError, match="3 weights were given for a molecule of 2 atoms"):
        draw(mol, weights=[1, 2, 3])


def test_bonds_within() -> None:
    mol = parse("CCO")
    assert bonds_within(mol, (0, 1)) == (0,)
    assert bonds_within(mol, (0, 2)) == ()


def test_a_grid_draws_its_legends_as_outlines() -> None:
    svg = draw_grid([parse("CCO"), parse("CCN")], ["<script>x</script>", "amine"], columns=2)
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert re.search(r"width='520px'", svg)
    with pytest.raises(MoleculeError, match="legend"):
        draw_grid([], [])


def test_align_puts_shared_atoms_in_the_same_place() -> None:
    template = prepare(parse("c1ccccc1CC"))
    ring = tuple(range(6))
    moved = align(parse("Oc1ccccc1"), template, (1, 2, 3, 4, 5, 6), ring)
    for own, other in zip((1, 2, 3, 4, 5, 6), ring, strict=True):
        a = moved.GetConformer().GetAtomPosition(own)
        b = template.GetConformer().GetAtomPosition(other)
        assert a.Distance(b) < 0.1
