"""Similar compounds, common substructures and SMARTS search, each within bounds of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import rdFMCS

from core.molecules.isolated import call
from core.molecules.parse import MoleculeError, from_hex, quote, to_hex

#: Seconds for a maximum common substructure, and for a search over the library.
MCS_SECONDS = 2.0
SEARCH_SECONDS = 10.0
MAX_SMARTS = 1_000
MAX_MATCHES = 50


def similarities(
    query: DataStructs.ExplicitBitVect, fingerprints: Sequence[DataStructs.ExplicitBitVect]
) -> np.ndarray:
    """Tanimoto similarity of one fingerprint to each of many, float32 ``(n,)``."""
    values = DataStructs.BulkTanimotoSimilarity(query, list(fingerprints))
    return np.asarray(values, dtype=np.float32)


def nearest(
    query: DataStructs.ExplicitBitVect,
    fingerprints: Sequence[DataStructs.ExplicitBitVect],
    k: int,
    *,
    leave_out: int | None = None,
) -> list[tuple[int, float]]:
    """The ``k`` most similar compounds: position and Tanimoto, most similar first.

    Ties keep the library's order. ``leave_out`` is the position of the query itself.
    """
    values = similarities(query, fingerprints)
    order = np.argsort(-values, kind="stable")
    return [(int(i), float(values[i])) for i in order if i != leave_out][:k]


@dataclass(frozen=True)
class Common:
    """The maximum common substructure of two molecules.

    Attributes
    ----------
    smarts
        The substructure.
    first, second
        Its atoms in each molecule, in the same order.
    complete
        False where time ran out: a larger one may exist.
    """

    smarts: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    complete: bool


def common_substructure(
    first: Chem.Mol, second: Chem.Mol, *, timeout: float = MCS_SECONDS
) -> Common:
    """Maximum common substructure, rings matched only whole and by ring bonds.

    Returns
    -------
    Common
        The largest that was found within ``timeout`` seconds; without atoms where the two share
        no bond.

    Raises
    ------
    TimeLimitError
        Where not even placing it on the molecules came to an end.
    """
    smarts, left, right, complete = call(
        "neighbours:common_body",
        {"first": to_hex(first), "second": to_hex(second), "timeout": timeout},
        timeout=2 * timeout + 2,
        what="The maximum common substructure",
    )
    return Common(smarts, tuple(left), tuple(right), complete)


def common_body(first: str, second: str, timeout: float) -> list[Any]:
    """Body of :func:`common_substructure`, run in the helper process."""
    mols = [from_hex(first), from_hex(second)]
    with rdBase.BlockLogs():
        found = rdFMCS.FindMCS(
            mols,
            timeout=max(1, round(timeout)),
            ringMatchesRingOnly=True,
            completeRingsOnly=True,
        )
    pattern = Chem.MolFromSmarts(found.smartsString) if found.numAtoms else None
    if pattern is None:
        return ["", [], [], not found.canceled]
    matches = [list(mol.GetSubstructMatch(pattern)) for mol in mols]
    return [found.smartsString, *matches, not found.canceled]


def parse_smarts(smarts: str) -> Chem.Mol:
    """Read a SMARTS pattern.

    Raises
    ------
    MoleculeError
        Where it is empty, too long, a reaction or not a SMARTS.
    """
    text = smarts.strip()
    if not text:
        raise MoleculeError("The SMARTS pattern is empty.")
    if len(text) > MAX_SMARTS:
        raise MoleculeError(
            f"The SMARTS pattern has {len(text):,} characters; at most {MAX_SMARTS:,} are read."
        )
    if ">>" in text:
        raise MoleculeError("The SMARTS pattern is a reaction; give the pattern of one molecule.")
    with rdBase.BlockLogs():
        pattern = Chem.MolFromSmarts(text)
    if pattern is None or pattern.GetNumAtoms() == 0:
        raise MoleculeError(f"{quote(text)} is not a valid SMARTS pattern.")
    return pattern


@dataclass(frozen=True)
class Hit:
    """One compound that holds a pattern."""

    position: int
    matches: tuple[tuple[int, ...], ...]

    @property
    def atoms(self) -> tuple[int, ...]:
        """Atoms of all matches, sorted."""
        return tuple(sorted({atom for match in self.matches for atom in match}))


def smarts_search(
    smarts: str, mols: Sequence[Chem.Mol], *, timeout: float = SEARCH_SECONDS
) -> list[Hit]:
    """Compounds that hold a SMARTS pattern, with the matched atoms.

    The search runs in a helper process, because a pattern can take for ever on one molecule and
    cannot be stopped otherwise.

    Raises
    ------
    MoleculeError
        Where the pattern is not valid.
    TimeLimitError
        Where the time was up.
    """
    parse_smarts(smarts)
    binaries = [to_hex(mol) for mol in mols]
    answer: list[list[Any]] = call(
        "neighbours:search_body",
        {"smarts": smarts, "binaries": binaries},
        timeout=timeout,
        what=f"The search for {quote(smarts)}",
    )
    return [Hit(position, tuple(tuple(m) for m in matches)) for position, matches in answer]


def search_body(smarts: str, binaries: Sequence[str]) -> list[list[Any]]:
    """Body of :func:`smarts_search`, run in the helper process."""
    pattern = parse_smarts(smarts)
    parameters: Any = Chem.SubstructMatchParameters()
    parameters.maxMatches = MAX_MATCHES
    parameters.maxRecursiveMatches = MAX_MATCHES
    parameters.useChirality = True
    hits = []
    for position, binary in enumerate(binaries):
        mol = from_hex(binary)
        matches = mol.GetSubstructMatches(pattern, parameters)
        if matches:
            hits.append([position, [list(match) for match in matches]])
    return hits
