"""What a model sees of a set of (cell type, compound) pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

CELL, MOLECULE = "cell", "molecule"
BRANCHES = (CELL, MOLECULE)
#: Token codes rather than numbers: never scaled, and seen only by networks that read them.
SEQUENCE = "sequence"


@dataclass(frozen=True)
class Inputs:
    """Features of ``n`` pairs.

    Attributes
    ----------
    cell_type, compound
        int64 ``(n,)``: codes among the training fold's categories, −1 for one never seen.
    n_cell_types, n_compounds
        Number of categories in the training fold.
    views
        One float32 array ``(n, d)`` a featurizer, by the featurizer's name, not scaled.
    branches
        The branch of each view: ``"cell"`` (cell type and target statistics) or
        ``"molecule"`` (substructures, fingerprints, descriptors).
    """

    cell_type: np.ndarray
    compound: np.ndarray
    n_cell_types: int
    n_compounds: int
    views: Mapping[str, np.ndarray]
    branches: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.cell_type)

    @cached_property
    def cell(self) -> np.ndarray:
        """All views of the cell branch side by side, float32 ``(n, d_cell)``."""
        return self._join(CELL)

    @cached_property
    def molecule(self) -> np.ndarray:
        """All views of the molecule branch side by side, float32 ``(n, d_molecule)``."""
        return self._join(MOLECULE)

    @cached_property
    def sequence(self) -> np.ndarray:
        """All views of the sequence branch side by side, float32 ``(n, d_sequence)``."""
        return self._join(SEQUENCE)

    def _join(self, branch: str) -> np.ndarray:
        views = [view for name, view in self.views.items() if self.branches[name] == branch]
        if not views:
            return np.zeros((len(self), 0), dtype=np.float32)
        return np.ascontiguousarray(np.concatenate(views, axis=1), dtype=np.float32)

    def take(self, rows: np.ndarray) -> Inputs:
        """Inputs of the given row positions, in their order."""
        return replace(
            self,
            cell_type=self.cell_type[rows],
            compound=self.compound[rows],
            views={name: view[rows] for name, view in self.views.items()},
        )
