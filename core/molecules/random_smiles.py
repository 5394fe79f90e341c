"""Random SMILES: many spellings of one molecule, and that they are one molecule.

Arús-Pous et al., *J. Cheminform.* 11, 71 (2019): atoms are numbered at random, and the SMILES is
written from that numbering (the unrestricted variant).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem, DataStructs

from core.molecules.morgan_bits import generator
from core.molecules.parse import MoleculeError, parse_line

MAX_VARIANTS = 1_000


@dataclass(frozen=True)
class Variant:
    """One random SMILES read back.

    Attributes
    ----------
    smiles
        The random SMILES.
    canonical
        Its canonical form after reading it back.
    same_structure
        Whether that is the canonical form of the molecule it was written from.
    tanimoto
        Similarity of its Morgan fingerprint to the molecule's; 1 where the bits are equal.
    """

    smiles: str
    canonical: str
    same_structure: bool
    tanimoto: float


def random_smiles(mol: Chem.Mol, n: int, *, seed: int = 0) -> list[str]:
    """``n`` random SMILES, repeats included; the same seed gives the same ones.

    Raises
    ------
    MoleculeError
        Where ``n`` is out of range.
    """
    if not 1 <= n <= MAX_VARIANTS:
        raise MoleculeError(f"Ask for 1 to {MAX_VARIANTS:,} random SMILES, not {n:,}.")
    # RDKit takes 0 for "no seed".
    return list(Chem.MolToRandomSmilesVect(mol, n, randomSeed=seed + 1))


def variants(mol: Chem.Mol, n: int, *, seed: int = 0) -> list[Variant]:
    """Distinct random SMILES, each read back and compared with the molecule."""
    reference = Chem.MolToSmiles(mol)
    make = generator()
    fingerprint = make.GetFingerprint(mol)
    found = []
    for text in dict.fromkeys(random_smiles(mol, n, seed=seed)):
        again = parse_line(text).mol
        if again is None:
            found.append(Variant(text, "", False, 0.0))
            continue
        canonical = Chem.MolToSmiles(again)
        similarity = DataStructs.TanimotoSimilarity(fingerprint, make.GetFingerprint(again))
        found.append(Variant(text, canonical, canonical == reference, similarity))
    return found


def invariant(found: Sequence[Variant]) -> bool:
    """Whether every variant is the same structure with the same fingerprint."""
    return all(variant.same_structure and variant.tanimoto == 1.0 for variant in found)
