"""Three-dimensional conformers: ETKDG embedding and a force field, within a time limit.

Embedding follows ETKDGv3 (Riniker & Landrum, *J. Chem. Inf. Model.* 55, 2562 (2015); Wang et
al., 60, 2044 (2020)), refinement MMFF94s (Halgren, *J. Comput. Chem.* 20, 720 (1999)) or, where
that knows an atom not, UFF (Rappé et al., *JACS* 114, 10024 (1992)).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from core.molecules.isolated import TimeLimitError, call
from core.molecules.parse import MoleculeError, clean_name, from_hex, to_hex

#: Most heavy atoms that are embedded: distance geometry is cubic in them.
MAX_ATOMS = 120
#: Seconds after which an embedding is given up.
TIME_LIMIT = 20.0
#: Steps of the force field.
MAX_STEPS = 2_000
MMFF, UFF, NONE = "MMFF94s", "UFF", "none"


@dataclass(frozen=True)
class Conformer:
    """One conformer of a molecule, and how far to trust it.

    Attributes
    ----------
    mol
        The molecule with hydrogens and one 3D conformer; heavy atoms keep the indices they had
        in the molecule that was embedded, hydrogens follow.
    force_field
        ``"MMFF94s"``, ``"UFF"`` or ``"none"`` where no force field knows the atoms.
    energy
        Force-field energy in kcal/mol, None without a force field. Comparable only between
        conformers of the same molecule.
    converged
        Whether the force field reached its minimum.
    n_tried
        Conformers that were embedded; this one has the lowest energy.
    seconds
        Time it took.
    """

    mol: Chem.Mol
    force_field: str
    energy: float | None
    converged: bool
    n_tried: int
    seconds: float

    @property
    def mol_block(self) -> str:
        """MDL mol block without name or properties: all that a viewer is ever given."""
        return Chem.MolToMolBlock(self.mol)

    @property
    def note(self) -> str:
        """One sentence on how the conformer was made."""
        if self.force_field == NONE:
            return "ETKDG geometry as embedded: no force field knows every atom of this molecule."
        end = "" if self.converged else f"; not at its minimum after {MAX_STEPS:,} steps"
        return (
            f"ETKDG, lowest of {self.n_tried} after {self.force_field}: "
            f"{self.energy:.1f} kcal/mol{end}."
        )


def embed(
    mol: Chem.Mol,
    *,
    n_conformers: int = 5,
    seed: int = 42,
    timeout: float = TIME_LIMIT,
) -> Conformer:
    """The lowest-energy conformer of a few, in a process that is stopped when time is up.

    Parameters
    ----------
    mol
        A molecule without explicit hydrogens.
    n_conformers
        Conformers to embed and compare.
    seed
        Seed of the embedding; the same seed gives the same coordinates.
    timeout
        Seconds.

    Raises
    ------
    MoleculeError
        When the molecule is too large, holds a wildcard, or cannot be embedded.
    TimeLimitError
        When the time was up.
    """
    n = mol.GetNumHeavyAtoms()
    if n > MAX_ATOMS:
        raise MoleculeError(
            f"The molecule has {n:,} heavy atoms; 3D structures are made for up to {MAX_ATOMS}."
        )
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        raise MoleculeError("A molecule with a wildcard (*) has no 3D structure.")
    bare = Chem.Mol(mol)
    bare.RemoveAllConformers()
    answer = call(
        "conformers:embed_block",
        {
            "binary": to_hex(bare),
            "n_conformers": n_conformers,
            "seed": seed,
            "timeout": timeout,
        },
        timeout=timeout,
        what="The 3D structure",
    )
    made = from_hex(answer.pop("binary"))
    return Conformer(mol=made, **answer)


def embed_block(binary: str, n_conformers: int, seed: int, timeout: float) -> dict[str, Any]:
    """Body of :func:`embed`, run in the helper process; molecules travel as RDKit binary in hex."""
    start = time.monotonic()
    best: tuple[float, bool, Chem.Mol] | None = None
    n_tried = 0
    with rdBase.BlockLogs():
        mol = Chem.AddHs(from_hex(binary))
        field = _force_field(mol)
        for attempt in range(n_conformers):
            if best is not None and time.monotonic() - start > timeout / 3:
                break
            left = timeout - (time.monotonic() - start)
            if not _embed_once(mol, seed + attempt, left):
                break
            status, energy = _minimise(mol, field)
            n_tried += 1
            if best is None or energy < best[0]:
                best = (energy, status == 0, Chem.Mol(mol))
            if field == NONE:
                break
    if best is None and time.monotonic() - start > timeout / 3:
        raise MoleculeError(f"No 3D structure was found within {timeout:g} seconds.")
    if best is None:
        raise MoleculeError(
            "No 3D structure was found that satisfies the molecule's bonds and stereo centres."
        )
    energy, converged, found = best
    return {
        "binary": to_hex(found),
        "force_field": field,
        "energy": None if field == NONE else energy,
        "converged": converged and field != NONE,
        "n_tried": n_tried,
        "seconds": time.monotonic() - start,
    }


def _embed_once(mol: Chem.Mol, seed: int, left: float) -> bool:
    """Give ``mol`` one conformer, from random coordinates where the usual start fails."""
    params: Any = rdDistGeom.ETKDGv3()
    params.randomSeed = seed
    params.timeout = max(1, int(left / 2))
    params.maxIterations = 20
    for random_coordinates in (False, True):
        params.useRandomCoords = random_coordinates
        try:
            if rdDistGeom.EmbedMolecule(mol, params) >= 0:
                return True
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120].rstrip(".")
            raise MoleculeError(f"No 3D structure could be made: {reason}.") from None
    return False


def _force_field(mol: Chem.Mol) -> str:
    """The best force field that knows every atom."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        return MMFF
    return UFF if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol) else NONE


def _minimise(mol: Chem.Mol, field: str) -> tuple[int, float]:
    """Relax the conformer in place; status (0 where it converged) and energy in kcal/mol."""
    if field == NONE:
        return 1, 0.0
    if field == MMFF:
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, mmffVariant="MMFF94s")
        force = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
    else:
        force = rdForceFieldHelpers.UFFGetMoleculeForceField(mol)
    force.Initialize()
    status = force.Minimize(maxIts=MAX_STEPS)
    return status, force.CalcEnergy()


def to_sdf(mol: Chem.Mol, name: str = "", properties: Mapping[str, object] | None = None) -> str:
    """One SDF record.

    Parameters
    ----------
    name
        Title line; brought onto one line.
    properties
        Data items; names and values are brought onto one line each, so that no value can end
        the record or begin another.
    """
    copy = Chem.Mol(mol)
    copy.SetProp("_Name", clean_name(name, 80))
    lines = [Chem.MolToMolBlock(copy)]
    for key, value in (properties or {}).items():
        title = clean_name(str(key), 60).translate(str.maketrans("", "", "<>"))
        lines.append(f">  <{title}>\n{clean_name(str(value))}\n\n")
    return "".join(lines) + "$$$$\n"


__all__ = ["MAX_ATOMS", "TIME_LIMIT", "Conformer", "TimeLimitError", "embed", "to_sdf"]
