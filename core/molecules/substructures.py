"""The parts of a molecule, with the atoms of each: BRICS fragments and functional groups.

Fragments are named as the study's substructure counts name them
(:mod:`core.featurizers.fragments`, same cuts, same SMILES; a test holds the two together), and
groups are RDKit's ``fr_*`` family, so that what a panel highlights is what a model saw.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from rdkit import Chem, RDConfig
from rdkit.Chem import BRICS
from scipy import sparse

#: Embeddings of one group that are looked for.
MAX_MATCHES = 1_000
#: Where RDKit's own words for a group are misspelt, misleading or too long for a table.
_LABELS = {
    "fr_NH0": "Nitrogen without hydrogen",
    "fr_NH1": "Nitrogen with one hydrogen",
    "fr_NH2": "Nitrogen with two hydrogens",
    "fr_Ar_NH": "Aromatic NH",
    "fr_Nhpyrrole": "Pyrrole-type NH",
    "fr_piperdine": "Piperidine rings",
    "fr_piperzine": "Piperazine rings",
    "fr_bicyclic": "Fused or bridged ring atoms",
    "fr_lactam": "β-Lactams",
    "fr_sulfide": "Thioethers",
    "fr_ether": "Ether oxygens",
    "fr_unbrch_alkane": "Unbranched alkane chains",
    "fr_COO2": "Carboxylic acids and carboxylates",
    "fr_Ndealkylation1": "N-dealkylation sites (XCCNR)",
    "fr_Ndealkylation2": "Tertiary alicyclic amines",
    "fr_ArN": "Nitrogen groups on aromatics",
    "fr_HOCCN": "β-Amino alcohols (HOCCN)",
    "fr_ketone_Topliss": "Ketones, simple (Topliss)",
    "fr_phenol_noOrthoHbond": "Phenol OH without ortho H-bond",
    "fr_benzodiazepine": "Benzodiazepines",
    "fr_allylic_oxid": "Allylic oxidation sites",
    "fr_nitroso": "Nitroso groups",
}
BRICS_KIND, GROUP_KIND = "BRICS fragment", "functional group"


@dataclass(frozen=True)
class Fragment:
    """One part of a molecule.

    Attributes
    ----------
    smiles
        Canonical SMILES of the part without stereochemistry; open ends are ``[n*]`` where labels
        were asked for.
    atoms
        Indices of its atoms in the molecule.
    """

    smiles: str
    atoms: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A kind of part, all its occurrences in one molecule together.

    Attributes
    ----------
    key
        What it is counted by: a fragment's SMILES, a group's ``fr_*`` name.
    label
        What it is called.
    kind
        :data:`BRICS_KIND` or :data:`GROUP_KIND`.
    occurrences
        Atoms of each occurrence.
    """

    key: str
    label: str
    kind: str
    occurrences: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """Number of occurrences."""
        return len(self.occurrences)

    @property
    def atoms(self) -> tuple[int, ...]:
        """Atoms of all occurrences, sorted."""
        return tuple(sorted({atom for atoms in self.occurrences for atom in atoms}))


def brics_fragments(mol: Chem.Mol, *, labelled: bool = False) -> list[Fragment]:
    """Cut a molecule at all its BRICS bonds.

    Parameters
    ----------
    mol
        The molecule; it is not changed.
    labelled
        Mark open ends with the number of their BRICS environment.

    Returns
    -------
    list of Fragment
        In order of their lowest atom; together they hold every atom once. A molecule without
        such bonds is its own only fragment.

    Notes
    -----
    Degen et al., *ChemMedChem* 3, 1503 (2008). Bonds come from ``FindBRICSBonds`` and are cut at
    once by ``FragmentOnBonds``, seven times as fast as ``BRICSDecompose``, whose further
    decomposition of fragments is not wanted here.
    """
    flat = Chem.Mol(mol)
    Chem.RemoveStereochemistry(flat)
    cuts = list(BRICS.FindBRICSBonds(flat))
    pieces = flat
    if cuts:
        bonds = [flat.GetBondBetweenAtoms(*atoms).GetIdx() for atoms, _ in cuts]
        if labelled:
            ends = [(_environment(left), _environment(right)) for _, (left, right) in cuts]
            pieces = Chem.FragmentOnBonds(flat, bonds, addDummies=True, dummyLabels=ends)
        else:
            pieces = Chem.FragmentOnBonds(flat, bonds, addDummies=False)
    where: list[tuple[int, ...]] = []
    parts = Chem.GetMolFrags(pieces, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=where)
    n = mol.GetNumAtoms()
    fragments = [
        Fragment(Chem.MolToSmiles(part), tuple(sorted(atom for atom in atoms if atom < n)))
        for part, atoms in zip(parts, where, strict=True)
    ]
    return sorted(fragments, key=lambda fragment: fragment.atoms)


def open_ended(mol: Chem.Mol, atoms: Sequence[int]) -> Chem.Mol | None:
    """A fragment as it sits in its molecule: cut bonds end in ``*``, for drawing.

    None where the piece cannot stand alone (an aromatic system that the cut breaks).
    """
    for fragment in brics_fragments(mol, labelled=True):
        if fragment.atoms == tuple(atoms):
            piece = Chem.MolFromSmiles(fragment.smiles)
            if piece is not None:
                for atom in piece.GetAtoms():
                    if atom.GetAtomicNum() == 0:
                        atom.SetIsotope(0)
            return piece
    return None


def _environment(label: str) -> int:
    """The number of a BRICS environment: ``"7a"`` and ``"7b"`` are both 7."""
    return int(re.sub(r"\D", "", label))


@dataclass(frozen=True)
class Group:
    """A functional group: RDKit's name for it, ours, and its SMARTS."""

    key: str
    label: str
    pattern: Chem.Mol


@lru_cache(maxsize=1)
def groups() -> tuple[Group, ...]:
    """RDKit's functional groups (``fr_*``), read from the table that defines its descriptors."""
    table = Path(RDConfig.RDDataDir) / "FragmentDescriptors.csv"
    found = []
    with table.open(encoding="utf-8") as lines:
        for row in csv.reader((line for line in lines if line[:3] == "fr_"), delimiter="\t"):
            # The descriptors' Python names write these two signs as an underscore.
            key = row[0].strip().replace("=", "_").replace("-", "_")
            words, smarts = row[1].strip(), row[2].strip().strip('"')
            pattern = Chem.MolFromSmarts(smarts)
            if pattern is not None:
                found.append(Group(key, _label(key, words), pattern))
    return tuple(found)


def _label(key: str, words: str) -> str:
    if key in _LABELS:
        return _LABELS[key]
    label = re.sub(r"^Number of\s+", "", words.strip('" '), flags=re.IGNORECASE) or key
    return label[0].upper() + label[1:]


def functional_groups(mol: Chem.Mol) -> list[Part]:
    """The functional groups that a molecule holds, with the atoms of each occurrence."""
    found = []
    for group in groups():
        matches = mol.GetSubstructMatches(group.pattern, uniquify=True, maxMatches=MAX_MATCHES)
        if matches:
            found.append(Part(group.key, group.label, GROUP_KIND, tuple(tuple(m) for m in matches)))
    return found


def parts(mol: Chem.Mol) -> list[Part]:
    """BRICS fragments (equal ones together), then functional groups."""
    together: dict[str, list[tuple[int, ...]]] = {}
    for fragment in brics_fragments(mol):
        together.setdefault(fragment.smiles, []).append(fragment.atoms)
    fragments = [
        Part(smiles, smiles, BRICS_KIND, tuple(atoms)) for smiles, atoms in together.items()
    ]
    return fragments + functional_groups(mol)


@dataclass(frozen=True)
class PartCounts:
    """How often each part occurs in each of many molecules.

    Attributes
    ----------
    counts
        int32 CSR ``(n_molecules, n_parts)``.
    keys, labels, kinds
        One entry a part, commonest first.
    """

    counts: sparse.csr_matrix
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    kinds: tuple[str, ...]

    def n_molecules_with(self, key: str) -> int:
        """In how many of the molecules a part occurs."""
        if key not in self.keys:
            return 0
        return int(self.counts[:, self.keys.index(key)].getnnz())

    def molecules_with(self, key: str) -> np.ndarray:
        """Positions of the molecules in which a part occurs."""
        if key not in self.keys:
            return np.zeros(0, dtype=np.int64)
        return np.sort(self.counts[:, self.keys.index(key)].nonzero()[0])


def count_parts(mols: Sequence[Chem.Mol] | Iterable[Chem.Mol]) -> PartCounts:
    """Count fragments and groups over molecules, the substructure-count matrix."""
    rows, columns, values = [], [], []
    index: dict[str, int] = {}
    described: list[tuple[str, str]] = []
    n = 0
    for row, mol in enumerate(mols):
        n = row + 1
        for part in parts(mol):
            if part.key not in index:
                index[part.key] = len(index)
                described.append((part.label, part.kind))
            rows.append(row)
            columns.append(index[part.key])
            values.append(part.count)
    frequency = Counter(columns)
    order = sorted(range(len(index)), key=lambda column: (-frequency[column], column))
    place = {column: position for position, column in enumerate(order)}
    matrix = sparse.csr_matrix(
        (values, (rows, [place[column] for column in columns])),
        shape=(n, len(index)),
        dtype=np.int32,
    )
    keys = list(index)
    return PartCounts(
        counts=matrix,
        keys=tuple(keys[column] for column in order),
        labels=tuple(described[column][0] for column in order),
        kinds=tuple(described[column][1] for column in order),
    )
