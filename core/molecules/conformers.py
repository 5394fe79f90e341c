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
from core.molecules.parse import MoleculeError, clean_name

#: Most heavy atoms that are embedded: distance geometry is cubic in them.
MAX_ATOMS = 200
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
            "binary": bare.ToBinary(int(Chem.PropertyPickleOptions.NoProps)).hex(),
            "n_conformers": n_conformers,
            "seed": seed,
            "timeout": timeout,
        },
        timeout=timeout,
        what="The 3D structure",
    )
    made = Chem.Mol(bytes.fromhex(answer.pop("binary")))
    return Conformer(mol=made, **answer)


def embed_block(binary: str, n_conformers: int, seed: int, timeout: float) -> dict[str, Any]:
    """Body of :func:`embed`, run in the helper process; molecules travel as RDKit binary in hex."""
    start = time.monotonic()
    with rdBase.BlockLogs():
        mol = Chem.AddHs(Chem.Mol(bytes.fromhex(binary)))
        ids = _embed(mol, n_conformers, seed, timeout)
        field, results = _minimise(mol)
    if field == NONE:
        best, energy, converged = ids[0], None, False
    else:
        energies = [e if status >= 0 else float("inf") for status, e in results]
        position = min(range(len(ids)), key=energies.__getitem__)
        best, energy = ids[position], float(energies[position])
        converged = results[position][0] == 0
    kept = Chem.Conformer(mol.GetConformer(best))
    mol.RemoveAllConformers()
    mol.AddConformer(kept, assignId=True)
    return {
        "binary": mol.ToBinary(int(Chem.PropertyPickleOptions.NoProps)).hex(),
        "force_field": field,
        "energy": energy,
        "converged": converged,
        "n_tried": len(ids),
        "seconds": time.monotonic() - start,
    }


def _embed(mol: Chem.Mol, n_conformers: int, seed: int, timeout: float) -> list[int]:
    params = rdDistGeom.ETKDGv3()
    params.randomSeed = seed
    params.numThreads = 1
    params.timeout = max(1, int(timeout / 3))
    for random_coordinates in (False, True):
        params.useRandomCoords = random_coordinates
        try:
            ids = list(rdDistGeom.EmbedMultipleConfs(mol, n_conformers, params))
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120].rstrip(".")
            raise MoleculeError(f"No 3D structure could be made: {reason}.") from None
        if ids:
            return ids
    raise MoleculeError(
        "No 3D structure was found that satisfies the molecule's bond lengths and stereo centres."
    )


def _minimise(mol: Chem.Mol) -> tuple[str, list[tuple[int, float]]]:
    """Relax every conformer; ``(status, energy)`` each, status 0 where it converged."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        results = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(
            mol, numThreads=1, maxIters=MAX_STEPS, mmffVariant="MMFF94s"
        )
        return MMFF, list(results)
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        results = rdForceFieldHelpers.UFFOptimizeMoleculeConfs(
            mol, numThreads=1, maxIters=MAX_STEPS
        )
        return UFF, list(results)
    return NONE, []


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
