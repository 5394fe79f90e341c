"""Which fragment of a molecule carries its score: mask each out of the features, score again.

A fragment is a BRICS piece. Of circular fingerprints, every environment that touches the
fragment is taken out (as Riniker & Landrum, *J. Cheminform.* 5, 43 (2013), do for atoms); other
molecule features are those of the molecule without the fragment's atoms, hydrogens in the place
of the cut bonds. What the model knows of a training compound by its name stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase

from core.featurizers.fingerprints import generator
from core.molecules.substructures import brics_fragments
from core.studies.screening.features import Molecules
from core.studies.screening.scoring import Scorer

_CIRCULAR = ("morgan", "feature_morgan")


@dataclass(frozen=True)
class Attribution:
    """Contributions of a molecule's fragments.

    Attributes
    ----------
    score
        Score of the whole molecule.
    fragments
        One row a fragment: ``smiles``, ``atoms`` (tuple of indices), ``change`` (score of the
        whole minus score without it: positive where the fragment helps), biggest first.
    atoms
        Contribution of each atom: its fragment's change over the fragment's atoms, ``(n_atoms,)``.
    mol
        The molecule that the indices belong to.
    """

    score: float
    fragments: pd.DataFrame
    atoms: np.ndarray
    mol: Chem.Mol


class MaskedMolecules(Molecules):
    """A molecule several times, each time with other atoms masked out of its features."""

    def __init__(self, mol: Chem.Mol, masks: list[tuple[int, ...]], name: str) -> None:
        self.mol, self.masks = mol, masks
        super().__init__([_without(mol, mask) for mask in masks], [name] * len(masks))
        self._distances = Chem.GetDistanceMatrix(mol)

    def fingerprint(self, family: str, radius: int, length: int) -> np.ndarray:
        """Counts without the environments that touch the mask, uint16 ``(n, length)``."""
        if family not in _CIRCULAR:
            return super().fingerprint(family, radius, length)
        from rdkit.Chem import rdFingerprintGenerator

        found = rdFingerprintGenerator.AdditionalOutput()
        found.AllocateBitInfoMap()
        make = generator(family, radius, length)
        make.GetCountFingerprint(self.mol, additionalOutput=found)
        places = found.GetBitInfoMap()
        counts = np.zeros((len(self.masks), length), dtype=np.uint16)
        for row, mask in enumerate(self.masks):
            reach = (
                self._distances[:, list(mask)].min(axis=1)
                if mask
                else np.full(self.mol.GetNumAtoms(), np.inf)
            )
            for position, occurrences in places.items():
                counts[row, position] = sum(reach[atom] > size for atom, size in occurrences)
        return counts


def attribute(scorer: Scorer, mol: Chem.Mol, name: str = "") -> Attribution:
    """Change of a molecule's score as each of its BRICS fragments is masked out.

    Parameters
    ----------
    scorer
        The screen's models and objective.
    mol
        A standardised molecule.
    name
        Its name in training, if it has one.
    """
    pieces = brics_fragments(mol)
    masks = [(), *(tuple(piece.atoms) for piece in pieces)]
    scores = scorer.score(MaskedMolecules(mol, masks, name), p_values=False).score
    change = scores[0] - scores[1:]
    atoms = np.zeros(mol.GetNumAtoms())
    for piece, value in zip(pieces, change, strict=True):
        atoms[list(piece.atoms)] = value / len(piece.atoms)
    table = pd.DataFrame(
        {
            "smiles": [piece.smiles for piece in pieces],
            "atoms": [tuple(piece.atoms) for piece in pieces],
            "change": change,
        }
    )
    order = np.argsort(-np.abs(change), kind="stable")
    return Attribution(float(scores[0]), table.iloc[order].reset_index(drop=True), atoms, mol)


def _without(mol: Chem.Mol, mask: tuple[int, ...]) -> Chem.Mol:
    """The molecule without some atoms; as it is where nothing sensible would be left."""
    if not mask or len(mask) >= mol.GetNumAtoms():
        return mol
    editable = Chem.RWMol(mol)
    for atom in editable.GetAtoms():
        if not atom.GetIsAromatic():
            atom.SetNoImplicit(False)
    editable.BeginBatchEdit()
    for index in mask:
        editable.RemoveAtom(index)
    editable.CommitBatchEdit()
    with rdBase.BlockLogs():
        try:
            left = editable.GetMol()
            Chem.SanitizeMol(left)
            again = Chem.MolFromSmiles(Chem.MolToSmiles(left))
        except (ValueError, RuntimeError):
            return mol
    return mol if again is None else again
