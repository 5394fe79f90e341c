"""Which bits of a Morgan fingerprint are set, and the atom environments behind each.

Rogers & Hahn, *J. Chem. Inf. Model.* 50, 742 (2010). An environment has a 32-bit identifier,
which is folded to the fingerprint's length: two environments on one bit are a collision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from core.molecules.parse import MoleculeError

RADIUS, SIZE = 2, 2048


@dataclass(frozen=True)
class Environment:
    """One kind of atom environment in a molecule.

    Attributes
    ----------
    identifier
        Its unfolded 32-bit identifier.
    radius
        Bonds around the centre.
    centres
        Atoms around which it occurs.
    atoms, bonds
        The first occurrence's atoms and bonds.
    smiles
        The first occurrence as a fragment SMILES, its centre first (but in salts and mixtures).
    """

    identifier: int
    radius: int
    centres: tuple[int, ...]
    atoms: tuple[int, ...]
    bonds: tuple[int, ...]
    smiles: str


@dataclass(frozen=True)
class Bit:
    """One set bit and every environment that sets it."""

    index: int
    environments: tuple[Environment, ...]

    @property
    def collision(self) -> bool:
        """Whether different environments of this molecule share the bit."""
        return len(self.environments) > 1

    @property
    def count(self) -> int:
        """Occurrences of its environments in the molecule."""
        return sum(len(environment.centres) for environment in self.environments)


@lru_cache(maxsize=32)
def generator(
    radius: int = RADIUS, size: int = SIZE
) -> rdFingerprintGenerator.FingerprintGenerator64:
    """RDKit's Morgan generator; ``radius`` 2 is ECFP4's neighbourhood."""
    if not 0 <= radius <= 6 or not 16 <= size <= 65_536:
        raise MoleculeError(
            f"A Morgan fingerprint has radius 0 to 6 and 16 to 65,536 bits, not {radius} and {size}."
        )
    return rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=size)


def set_bits(mol: Chem.Mol, *, radius: int = RADIUS, size: int = SIZE) -> list[Bit]:
    """The set bits of a molecule in order, each with its environments.

    The bits are exactly those of ``generator(radius, size).GetFingerprint(mol)``.
    """
    make = generator(radius, size)
    one_part = len(Chem.GetMolFrags(mol)) == 1
    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    make.GetSparseFingerprint(mol, additionalOutput=output)
    bits: dict[int, list[Environment]] = {}
    for identifier, places in sorted(output.GetBitInfoMap().items()):
        centres = tuple(sorted(atom for atom, _ in places))
        depth = places[0][1]
        atoms, bonds = _surroundings(mol, centres[0], depth)
        environment = Environment(
            identifier=int(identifier),
            radius=int(depth),
            centres=centres,
            atoms=atoms,
            bonds=bonds,
            smiles=Chem.MolFragmentToSmiles(
                mol,
                atomsToUse=list(atoms),
                bondsToUse=list(bonds),
                # RDKit refuses a root where the molecule has further parts.
                rootedAtAtom=centres[0] if one_part else -1,
                isomericSmiles=False,
            ),
        )
        bits.setdefault(int(identifier) % size, []).append(environment)
    return [
        Bit(index, tuple(sorted(found, key=lambda e: (e.radius, e.identifier))))
        for index, found in sorted(bits.items())
    ]


def _surroundings(
    mol: Chem.Mol, centre: int, radius: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Atoms and bonds within ``radius`` bonds of an atom (all of them where the molecule ends)."""
    bonds: Sequence[int] = ()
    # RDKit returns nothing for a radius that reaches beyond the molecule unless told not to.
    if radius:
        bonds = Chem.FindAtomEnvironmentOfRadiusN(mol, radius, centre, enforceSize=False)
    atoms = {centre}
    for index in bonds:
        bond = mol.GetBondWithIdx(int(index))
        atoms |= {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()}
    return tuple(sorted(atoms)), tuple(sorted(int(b) for b in bonds))


def shared_environments(
    mols: Sequence[Chem.Mol], *, radius: int = RADIUS, size: int = SIZE
) -> np.ndarray:
    """How many different environments of a library fall on each bit.

    Returns
    -------
    int32 ``(size,)``: 0 where no molecule sets the bit, above 1 where the bit is ambiguous.
    """
    make = generator(radius, size)
    identifiers: set[int] = set()
    for mol in mols:
        identifiers.update(make.GetSparseFingerprint(mol).GetOnBits())
    folded = np.fromiter((i % size for i in identifiers), dtype=np.int64, count=len(identifiers))
    return np.bincount(folded, minlength=size).astype(np.int32)
