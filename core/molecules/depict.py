"""Two-dimensional drawings as SVG: one molecule, parts highlighted, or a grid of them.

Drawings have a transparent background and colours for a light or a dark page. They go to the
browser as images, in which no script runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.Geometry import Point2D

from core.molecules.parse import MoleculeError, clean_name

RGB = tuple[float, float, float]

#: Highlight colours (Okabe–Ito, told apart by colour-blind readers), strongest first.
HIGHLIGHTS: tuple[RGB, ...] = (
    (0.90, 0.62, 0.00),
    (0.34, 0.71, 0.91),
    (0.00, 0.62, 0.45),
    (0.80, 0.47, 0.65),
    (0.84, 0.37, 0.00),
    (0.94, 0.89, 0.26),
    (0.00, 0.45, 0.70),
)
#: Ground of atoms with a positive and a negative weight.
UP: RGB = (0.22, 0.58, 0.87)
DOWN: RGB = (0.87, 0.44, 0.08)
_PAGE_LIGHT: RGB = (1.0, 1.0, 1.0)
_PAGE_DARK: RGB = (0.07, 0.09, 0.12)
_LINE_LIGHT: RGB = (0.11, 0.15, 0.20)
_LINE_DARK: RGB = (0.88, 0.91, 0.95)
#: A contrast of 4.5:1 or more with white paper, which RDKit's own palette lacks.
_LIGHT_ATOMS: dict[int, RGB] = {
    1: (0.35, 0.38, 0.42),
    7: (0.13, 0.30, 0.85),
    8: (0.80, 0.11, 0.10),
    9: (0.05, 0.48, 0.20),
    15: (0.70, 0.38, 0.00),
    16: (0.55, 0.46, 0.00),
    17: (0.05, 0.48, 0.20),
    35: (0.55, 0.22, 0.10),
    53: (0.45, 0.10, 0.62),
}
_DARK_ATOMS: dict[int, RGB] = {
    1: (0.75, 0.75, 0.75),
    7: (0.49, 0.64, 1.00),
    8: (1.00, 0.45, 0.42),
    9: (0.45, 0.85, 0.45),
    15: (1.00, 0.65, 0.25),
    16: (0.91, 0.82, 0.30),
    17: (0.45, 0.85, 0.45),
    35: (0.85, 0.55, 0.35),
    53: (0.80, 0.50, 0.95),
}


@dataclass(frozen=True)
class Highlight:
    """Atoms (and the bonds between them, unless given) to be drawn on a coloured ground."""

    atoms: tuple[int, ...]
    bonds: tuple[int, ...] | None = None
    colour: RGB = HIGHLIGHTS[0]


def bonds_within(mol: Chem.Mol, atoms: Iterable[int]) -> tuple[int, ...]:
    """Indices of the bonds whose two atoms are both in ``atoms``."""
    inside = set(atoms)
    return tuple(
        bond.GetIdx()
        for bond in mol.GetBonds()
        if bond.GetBeginAtomIdx() in inside and bond.GetEndAtomIdx() in inside
    )


def prepare(mol: Chem.Mol) -> Chem.Mol:
    """A copy with 2D coordinates, ready to be drawn; atoms keep their indices."""
    copy = Chem.Mol(mol)
    rdDepictor.SetPreferCoordGen(False)
    rdDepictor.Compute2DCoords(copy)
    rdDepictor.StraightenDepiction(copy)
    return copy


def draw(
    mol: Chem.Mol,
    *,
    size: tuple[int, int] = (360, 280),
    highlights: Sequence[Highlight] = (),
    dark: bool = False,
    atom_numbers: bool = False,
    weights: Sequence[float] | None = None,
) -> str:
    """SVG of one molecule.

    Parameters
    ----------
    size
        Width and height in pixels.
    highlights
        Parts on coloured ground; where two share an atom, the earlier one is drawn.
    dark
        Colours for a dark page.
    atom_numbers
        Write each atom's index beside it.
    weights
        Optional contribution of each atom, shape ``(n_atoms,)``: positive atoms are drawn on
        blue ground, negative ones on orange, paler the smaller (0 at the middle).

    Raises
    ------
    MoleculeError
        Where RDKit cannot draw it.
    """
    drawer = rdMolDraw2D.MolDraw2DSVG(*size)
    options: Any = drawer.drawOptions()
    _style(options, dark)
    options.addAtomIndices = atom_numbers
    options.fillHighlights = True
    colours = _colours(mol, highlights) if weights is None else _weight_colours(mol, weights, dark)
    atom_colours, bond_colours = colours
    try:
        ready = rdMolDraw2D.PrepareMolForDrawing(_without_coordinates(mol), addChiralHs=False)
        drawer.DrawMolecule(
            ready,
            highlightAtoms=list(atom_colours),
            highlightAtomColors=atom_colours,
            highlightBonds=list(bond_colours),
            highlightBondColors=bond_colours,
        )
        drawer.FinishDrawing()
    except (ValueError, RuntimeError) as error:
        raise MoleculeError(f"The molecule cannot be drawn: {_one_line(error)}.") from None
    return _tidy(drawer.GetDrawingText())


def draw_grid(
    mols: Sequence[Chem.Mol],
    legends: Sequence[str],
    *,
    columns: int = 4,
    cell: tuple[int, int] = (260, 220),
    highlights: Sequence[Sequence[Highlight]] | None = None,
    dark: bool = False,
) -> str:
    """One SVG with a grid of molecules and a line of text under each.

    Parameters
    ----------
    legends
        One line a molecule; drawn as outlines, so that no text can act as markup.
    highlights
        Highlights of each molecule.

    Raises
    ------
    MoleculeError
        Where the lengths differ, nothing is given, or RDKit cannot draw it.
    """
    if not mols or len(legends) != len(mols):
        raise MoleculeError(f"A grid needs molecules and a legend each; got {len(mols)} of them.")
    rows = -(-len(mols) // columns)
    width, height = cell
    drawer = rdMolDraw2D.MolDraw2DSVG(width * columns, height * rows, width, height)
    options: Any = drawer.drawOptions()
    _style(options, dark)
    options.legendFontSize = 15
    parts = highlights or [()] * len(mols)
    colours = [_colours(mol, part) for mol, part in zip(mols, parts, strict=True)]
    try:
        drawer.DrawMolecules(
            [_without_coordinates(mol) for mol in mols],
            legends=[clean_name(legend, 40) for legend in legends],
            highlightAtoms=[list(atoms) for atoms, _ in colours],
            highlightAtomColors=[atoms for atoms, _ in colours],
            highlightBonds=[list(bonds) for _, bonds in colours],
            highlightBondColors=[bonds for _, bonds in colours],
        )
        drawer.FinishDrawing()
    except (ValueError, RuntimeError) as error:
        raise MoleculeError(f"The molecules cannot be drawn: {_one_line(error)}.") from None
    return _tidy(drawer.GetDrawingText())


def align(mol: Chem.Mol, template: Chem.Mol, atoms: Sequence[int], onto: Sequence[int]) -> Chem.Mol:
    """A copy of ``mol`` laid out so that ``atoms`` lie where ``onto`` lie in ``template``.

    Parameters
    ----------
    template
        A molecule with 2D coordinates (from :func:`prepare`).
    atoms, onto
        Equal-length indices of shared atoms in ``mol`` and in ``template``.
    """
    copy = Chem.Mol(mol)
    conformer = template.GetConformer()
    fixed = {
        int(own): Point2D(conformer.GetAtomPosition(int(other)))
        for own, other in zip(atoms, onto, strict=True)
    }
    rdDepictor.Compute2DCoords(copy, coordMap=fixed)
    return copy


def _without_coordinates(mol: Chem.Mol) -> Chem.Mol:
    if mol.GetNumConformers() and not mol.GetConformer().Is3D():
        return Chem.Mol(mol)
    copy = Chem.Mol(mol)
    copy.RemoveAllConformers()
    return prepare(copy)


def _colours(
    mol: Chem.Mol, highlights: Sequence[Highlight]
) -> tuple[dict[int, RGB], dict[int, RGB]]:
    atoms: dict[int, RGB] = {}
    bonds: dict[int, RGB] = {}
    for highlight in highlights:
        inside = highlight.bonds
        for atom in highlight.atoms:
            atoms.setdefault(int(atom), highlight.colour)
        for bond in bonds_within(mol, highlight.atoms) if inside is None else inside:
            bonds.setdefault(int(bond), highlight.colour)
    return atoms, bonds


def _weight_colours(
    mol: Chem.Mol, weights: Sequence[float], dark: bool
) -> tuple[dict[int, RGB], dict[int, RGB]]:
    if len(weights) != mol.GetNumAtoms():
        raise MoleculeError(
            f"{len(weights)} weights were given for a molecule of {mol.GetNumAtoms()} atoms."
        )
    largest = max((abs(float(w)) for w in weights), default=0.0) or 1.0
    atoms: dict[int, RGB] = {}
    for index, weight in enumerate(weights):
        share = abs(float(weight)) / largest
        if share > 0.02:
            end, page = UP if weight > 0 else DOWN, _PAGE_DARK if dark else _PAGE_LIGHT
            red, green, blue = (p + share * (e - p) for p, e in zip(page, end, strict=True))
            atoms[index] = (red, green, blue)
    return atoms, {}


def _style(options: Any, dark: bool) -> None:
    line = _LINE_DARK if dark else _LINE_LIGHT
    options.clearBackground = False
    options.bondLineWidth = 1.8
    options.scaleBondWidth = False
    options.padding = 0.06
    options.maxFontSize = 22
    options.minFontSize = 7
    options.multipleBondOffset = 0.14
    options.highlightBondWidthMultiplier = 14
    options.highlightRadius = 0.32
    options.setSymbolColour(line)
    options.setLegendColour(line)
    options.setAnnotationColour(line)
    options.setAtomNoteColour(line)
    options.setAtomPalette({-1: line, 0: line, 6: line, **(_DARK_ATOMS if dark else _LIGHT_ATOMS)})
    options.flagCloseContactsDist = -1
    options.dummiesAreAttachments = True
    options.includeMetadata = False


def _tidy(svg: str) -> str:
    """The ``<svg>`` element alone, without the XML declaration that inline use cannot have."""
    start = svg.index("<svg")
    return svg[start:].strip()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160].rstrip(".")
