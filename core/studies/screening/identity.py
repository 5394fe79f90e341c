"""Whether two texts are one molecule: by canonical SMILES, or, where that is plain, without.

Texts come here in groups of equal constitution, as far as a key can tell. Most groups of a library
are stereoisomers written alike, atom by atom, but for their marks; a mark that differs at a
stereo centre no other atom can take the place of makes them two molecules.
"""

from __future__ import annotations

import re
from collections import Counter

from rdkit import Chem

from core.molecules.parse import parse_line
from core.molecules.standardise import read_clean

_MARKED = re.compile(r"\[([CNOSP])@@?H?\]")
_MARKS = str.maketrans("", "", "@/\\")
_ATOM = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops*]")


def same_batch(task: tuple[int, list[str], list[int]]) -> tuple[int, list[int]]:
    """Which texts of groups are the same molecules.

    Parameters
    ----------
    task
        A number that is given back, the texts of standardised molecules group by group, and the
        size of each group.

    Returns
    -------
    int, list of int
        The number, and for each text the position of the first one of the same molecule.
    """
    begin, texts, sizes = task
    labels: list[int] = []
    for size in sizes:
        at = len(labels)
        labels += [at + label for label in same_molecules(texts[at : at + size])]
    return begin, labels


def same_molecules(texts: list[str]) -> list[int]:
    """For each text of one constitution, the position of the first one of the same molecule."""
    alone = _surely_alone(texts)
    names = [text if text in alone else canonical(text) for text in texts]
    first: dict[str, int] = {}
    return [first.setdefault(name, position) for position, name in enumerate(names)]


def canonical(text: str) -> str:
    """Canonical SMILES; a text that cannot be read stays as it is."""
    mol = parse_line(text).mol
    return text if mol is None else Chem.MolToSmiles(mol)


def _surely_alone(texts: list[str]) -> set[str]:
    """Texts that differ from all others in a mark that cannot be another way of writing.

    Only where all are written alike but for the marks. The marks compared are those of carbons
    that no symmetry of the constitution moves, with four different neighbours.
    """
    if len({_unmarked(text) for text in texts}) > 1:
        return set()
    marks = [[atom.count("@") for atom in _ATOM.findall(text)] for text in texts]
    varying = [i for i, found in enumerate(zip(*marks, strict=True)) if len(set(found)) > 1]
    mol = (read_clean(texts[0]) or parse_line(texts[0]).mol) if varying else None
    if mol is None or mol.GetNumAtoms() != len(marks[0]):
        return set()
    centres = _fixed_centres(mol, varying)
    seen = [tuple(found[i] for i in centres) for found in marks]
    often = Counter(seen)
    return {text for text, found in zip(texts, seen, strict=True) if often[found] == 1}


def _unmarked(text: str) -> str:
    return _MARKED.sub(r"\1", text).translate(_MARKS)


def _fixed_centres(mol: Chem.Mol, atoms: list[int]) -> list[int]:
    """Which atoms are carbons with four different neighbours and the only atom of their kind."""
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=False))
    often = Counter(ranks)
    found = []
    for index in atoms:
        atom = mol.GetAtomWithIdx(index)
        if atom.GetAtomicNum() != 6 or often[ranks[index]] > 1 or atom.GetTotalDegree() != 4:
            continue
        around = {ranks[other.GetIdx()] for other in atom.GetNeighbors()}
        if len(around) == atom.GetDegree() >= 3:
            found.append(index)
    return found
