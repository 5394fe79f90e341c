"""Prepared and embedded cells: numbers, coordinates, loadings, clusters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from core.errors import RunError
from core.studies.cells.cache import LEIDEN, PCA, TSNE, UMAP, Arrays, read_arrays
from core.studies.cells.config import CellsConfig

RESULT = "cells.json"
GENES, CELLS = "genes.json", "names.json"


class CellsResult:
    """What a run left in its folder."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the run has not finished.
        """
        folder = Path(folder)
        try:
            facts = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise RunError(f"The run in {folder} has no result.") from None
        return cls(folder, facts)

    @property
    def config(self) -> CellsConfig:
        """The configuration of the run."""
        return CellsConfig.model_validate(self.facts["config"])

    @property
    def steps(self) -> list[str]:
        """What was done, one sentence a step."""
        return list(self.facts["steps"])

    @property
    def saved_as(self) -> str | None:
        """Id of the data set that was made, if one was asked for."""
        return self.facts.get("saved_as")

    @property
    def cells(self) -> pd.Index:
        """Names of the cells that are left."""
        return pd.Index(json.loads((self.folder / CELLS).read_text(encoding="utf-8")))

    def summary(self) -> dict[str, float]:
        """Cells and genes left and removed, variance explained, clusters, seconds by stage."""
        return {name: float(value) for name, value in self.facts["summary"].items()}

    def data_hash(self) -> str:
        """Content hash of the data set."""
        return str(self.facts["content_hash"])

    def _stage(self, stage: str) -> Arrays | None:
        return read_arrays(self.folder / f"{stage}.npz")

    @property
    def pca(self) -> Arrays:
        """See :func:`core.studies.cells.stages.pca`."""
        found = self._stage(PCA)
        if found is None:
            raise RunError(f"The PCA in {self.folder} is missing or damaged.")
        return found

    def loadings(self) -> pd.DataFrame:
        """Loadings by gene, ``(n_used_genes, n_pcs)``, columns ``PC1`` and so on."""
        names = json.loads((self.folder / GENES).read_text(encoding="utf-8"))
        values = self.pca["loadings"]
        columns = pd.Index([f"PC{i + 1}" for i in range(values.shape[1])])
        return pd.DataFrame(values, index=pd.Index(names), columns=columns)

    def embeddings(self) -> dict[str, np.ndarray]:
        """``X_pca``, and ``X_umap`` and ``X_tsne`` where computed, by key."""
        found = {"X_pca": self.pca["scores"]}
        for key, stage in (("X_umap", UMAP), ("X_tsne", TSNE)):
            arrays = self._stage(stage)
            if arrays is not None:
                found[key] = arrays["coordinates"]
        return found

    def clusters(self) -> np.ndarray | None:
        """Leiden clusters, int ``(n_cells,)``; None where not computed."""
        arrays = self._stage(LEIDEN)
        return None if arrays is None else arrays["groups"]
