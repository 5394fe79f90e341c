"""The perturbation table: (cell type, compound) pairs × genes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from core.errors import DataError

#: Leading columns of the competition's table, in its order.
OBS_COLUMNS = ("cell_type", "sm_name", "sm_lincs_id", "SMILES", "control")
TRAIN, PUBLIC_TEST, PRIVATE_TEST = "train", "public_test", "private_test"
SPLITS = (TRAIN, PUBLIC_TEST, PRIVATE_TEST)


def content_hash(obs: pd.DataFrame, genes: pd.Index, values: np.ndarray) -> str:
    """SHA-256 over the pairs, the gene symbols and the float32 values ``(n_pairs, n_genes)``.

    Values are read a block of rows at a time, so that a memory map is never loaded whole.
    """
    digest = hashlib.sha256()
    digest.update(obs.to_csv(index=False, lineterminator="\n").encode())
    digest.update("\n".join(map(str, genes)).encode())
    digest.update(str(values.shape).encode())
    for start in range(0, len(values), 256):
        digest.update(np.ascontiguousarray(values[start : start + 256], dtype="<f4").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class PerturbationTable:
    """Differential expression of genes in (cell type, compound) pairs.

    Attributes
    ----------
    id
        Name of the data set in the workspace.
    obs
        One row a pair, RangeIndex: the columns of :data:`OBS_COLUMNS`, ``split`` (one of
        :data:`SPLITS`), and any others the source had (``moa`` …).
    genes
        Unique gene symbols, shape ``(n_genes,)``.
    values
        float32 ``(n_pairs, n_genes)``, possibly a read-only memory map.
    target
        What a value is, with its unit: ``"signed −log10 p"``, ``"z-score"``.
    simulated
        True where no laboratory measured these values; every view must say so.
    content_hash
        SHA-256 of obs, genes and values: the key of every cache.
    values_by_gene
        The same values transposed, ``(n_genes, n_pairs)``, so that one gene reads at once.
    truth
        A simulation's noiseless values, ``(n_pairs, n_genes)``.
    unmeasured
        Pairs whose response is not known (``cell_type``, ``sm_name``, ``split`` …), if any.
    meta
        Provenance: label, source, licence, citation, notes.
    """

    id: str
    obs: pd.DataFrame
    genes: pd.Index
    values: np.ndarray
    target: str
    simulated: bool
    content_hash: str
    values_by_gene: np.ndarray | None = None
    truth: np.ndarray | None = None
    unmeasured: pd.DataFrame | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def n_pairs(self) -> int:
        """Number of measured pairs."""
        return len(self.obs)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    @cached_property
    def _gene_position(self) -> dict[str, int]:
        return {gene: i for i, gene in enumerate(self.genes)}

    def gene(self, symbol: str) -> np.ndarray:
        """Values of one gene over all pairs, float32 ``(n_pairs,)``."""
        position = self._gene_position.get(symbol)
        if position is None:
            raise DataError(f"The data set '{self.id}' does not measure the gene '{symbol}'.")
        if self.values_by_gene is not None:
            return np.asarray(self.values_by_gene[position])
        return np.asarray(self.values[:, position])

    def rows(self, **equal: str) -> np.ndarray:
        """Positions of the pairs whose columns equal the given values."""
        mask = np.ones(self.n_pairs, dtype=bool)
        for column, value in equal.items():
            mask &= (self.obs[column] == value).to_numpy()
        return np.flatnonzero(mask)

    def take(self, rows: np.ndarray) -> PerturbationTable:
        """The table of the given row positions, in their order (values are copied)."""
        rows = np.asarray(rows)
        return replace(
            self,
            obs=self.obs.iloc[rows].reset_index(drop=True),
            values=np.asarray(self.values[rows]),
            values_by_gene=None,
            truth=None if self.truth is None else np.asarray(self.truth[rows]),
        )
