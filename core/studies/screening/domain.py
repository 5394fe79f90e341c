"""The training chemistry of a model: how near a new molecule is, and whether it is one of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from core.molecules.parse import MoleculeError, parse_line
from core.molecules.standardise import standardise
from core.studies.screening.features import Molecules, count_print

#: Rows that are compared at once: what they share with 1,000 compounds stays in the cache.
BLOCK = 256


class Domain:
    """Standardised training compounds.

    Parameters
    ----------
    compounds
        ``sm_name``, ``SMILES``; those that cannot be standardised are left out.

    Attributes
    ----------
    names
        Names of the compounds, an Arrow array of texts; one empty text where there is none.
    prints
        Packed Morgan counts of the compounds (:func:`count_print`).
    """

    def __init__(self, compounds: pd.DataFrame) -> None:
        names, mols = [], []
        for name, smiles in zip(compounds["sm_name"], compounds["SMILES"], strict=True):
            parsed = parse_line(str(smiles))
            if parsed.mol is None:
                continue
            try:
                mols.append(standardise(parsed.mol, parsed.text, explain=False).mol)
                names.append(str(name))
            except MoleculeError:
                continue
        training = Molecules(mols, names)
        self.names = pa.array(names or [""], pa.string())
        self.prints = frozenset(map(count_print, mols))
        self._by_structure = dict(zip(training.smiles, names, strict=True))
        bits = training.bits
        on = np.asarray(bits.sum(axis=1), dtype=np.float32).ravel()
        # No two molecules share more bits than one has: one byte holds the number.
        small = np.uint8 if len(on) == 0 or on.max() < 256 else np.uint16
        self._bits = np.ascontiguousarray(bits.astype(small).toarray().T)
        self._on = on

    def nearest(self, molecules: Molecules) -> tuple[np.ndarray, np.ndarray]:
        """Nearest training compound of each molecule: its position and Tanimoto similarity."""
        bits = molecules.bits.astype(self._bits.dtype)
        on = np.diff(bits.indptr).astype(np.float32)
        position = np.zeros(len(on), dtype=np.int64)
        similarity = np.zeros(len(on), dtype=np.float32)
        if not len(self._on):
            return position, similarity
        for start in range(0, len(on), BLOCK):
            rows = slice(start, start + BLOCK)
            both = (bits[rows] @ self._bits).astype(np.float32)
            either = np.maximum(on[rows, None] + self._on - both, 1.0)
            np.divide(both, either, out=both)
            best = both.argmax(axis=1)
            position[rows] = best
            similarity[rows] = both[np.arange(len(best)), best]
        return position, similarity

    def names_of(self, molecules: Molecules, similarity: np.ndarray) -> list[str]:
        """Training name of each molecule that is a training compound, else an empty text."""
        names = [""] * len(molecules)
        for row in molecules.alike(similarity):
            names[row] = self._by_structure.get(molecules.canonical(int(row)), "")
        return names
