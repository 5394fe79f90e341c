"""RDKit's 2D descriptors, robustly scaled."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Self

import numpy as np
import pandas as pd
from rdkit import rdBase
from rdkit.Chem import Descriptors as RDKitDescriptors

from core.featurizers.base import FEATURIZERS, Featurizer
from core.featurizers.molecules import CACHE_SIZE, map_molecules, structure

#: Scaled values end here: charges and information contents of odd molecules run to 1e100.
LIMIT = 5.0
FUNCTIONS = tuple(RDKitDescriptors.descList)


@FEATURIZERS.register(
    "descriptors",
    label="RDKit descriptors",
    help="The 2D descriptors of RDKit (size, charge, lipophilicity, topology …), scaled by median "
    "and spread of the training compounds.",
    branch="molecule",
)
class DescriptorTable(Featurizer):
    """``(value − median) / spread`` over the training compounds, within ±5.

    The spread is the interquartile range over 1.349 (the standard deviation of a normal sample),
    or the standard deviation where half the compounds share a value. Columns that do not vary in
    the training compounds are left out; what cannot be computed counts as the median.
    """

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn median and spread; each distinct molecule of the training rows counts once."""
        values, _ = map_molecules(obs, descriptors)
        table = np.stack(values).astype(np.float64)
        table[~np.isfinite(table)] = np.nan
        some = np.isfinite(table).any(axis=0)
        table[:, ~some] = 0.0
        lower, center, upper = np.nanpercentile(table, [25, 50, 75], axis=0)
        spread = (upper - lower) / 1.349
        deviation = np.nanstd(np.clip(table, -1e15, 1e15), axis=0)
        spread = np.where(spread > 1e-9 * np.abs(center), spread, deviation)
        kept = np.flatnonzero(spread > 1e-9 * np.maximum(np.abs(center), 1e-3))
        self._kept, self._center, self._spread = kept, center[kept], spread[kept]
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Scaled descriptors, float32 ``(len(obs), len(names))``; always finite."""
        values, rows = map_molecules(obs, descriptors)
        if not values:
            return np.zeros((0, len(self._kept)), dtype=np.float32)
        table = np.stack(values)[:, self._kept]
        table = np.where(np.isfinite(table), table, self._center)
        scaled = np.clip((table - self._center) / self._spread, -LIMIT, LIMIT)
        return scaled.astype(np.float32)[rows]

    @property
    def names(self) -> list[str]:
        """RDKit's names."""
        return [FUNCTIONS[i][0] for i in self._kept]

    def state(self) -> dict[str, Any]:
        """Names, medians and spreads of the columns kept."""
        return {"names": self.names, "center": self._center, "spread": self._spread}

    def restore(self, state: dict[str, Any]) -> Self:
        """Put medians and spreads back."""
        position = {name: i for i, (name, _) in enumerate(FUNCTIONS)}
        self._kept = np.array([position[name] for name in state["names"]], dtype=np.int64)
        self._center = np.asarray(state["center"], dtype=np.float64)
        self._spread = np.asarray(state["spread"], dtype=np.float64)
        return self


@lru_cache(maxsize=CACHE_SIZE)
def descriptors(smiles: str) -> np.ndarray:
    """All of RDKit's 2D descriptors of one molecule, float64; NaN where one fails."""
    mol = structure(smiles)
    values = np.full(len(FUNCTIONS), np.nan)
    with rdBase.BlockLogs():
        for i, (_, function) in enumerate(FUNCTIONS):
            try:
                values[i] = function(mol)
            except (ValueError, RuntimeError, ZeroDivisionError, OverflowError):
                continue
    return values
