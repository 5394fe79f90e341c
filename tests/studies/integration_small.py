"""Small cells of two batches, for tests of the integration study and its page."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from core.data import store
from core.settings import Settings
from core.studies.base import StudyContext
from core.studies.integration.config import IntegrationConfig
from core.studies.integration.result import IntegrationResult
from core.studies.integration.run import run

ID = "small-batches"
N_CELLS, N_GENES = 180, 90


def small_cells(n_cells: int = N_CELLS, *, lonely: bool = False, seed: int = 0) -> anndata.AnnData:
    """Counts of three cell types in two donors; some genes are louder in the second.

    With ``lonely`` the third type is in the first donor only.
    """
    rng = np.random.default_rng(seed)
    types = np.array(["alpha", "beta", "delta"])[np.arange(n_cells) % 3]
    donors = np.where((np.arange(n_cells) // 3) % 2 == 0, "d1", "d2")
    if lonely:
        donors = np.where(types == "delta", "d1", donors)
    rates = rng.gamma(1.0, 1.0, N_GENES) * np.ones((n_cells, 1))
    for k, name in enumerate(("alpha", "beta", "delta")):
        rates[types == name, 10 * k : 10 * (k + 1)] *= 12
    rates[donors == "d2", 40:60] *= 8
    rates *= rng.uniform(800, 1600, (n_cells, 1)) / rates.sum(axis=1, keepdims=True)
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(types), "donor": pd.Categorical(donors)},
        index=[f"c{i}" for i in range(n_cells)],
    )
    return anndata.AnnData(
        X=sparse.csr_matrix(rng.poisson(rates).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=pd.Index([f"G{i}" for i in range(N_GENES)])),
    )


def store_small(settings: Settings, cells: anndata.AnnData | None = None, id: str = ID) -> None:
    """Put the cells into the workspace."""
    meta = {"label": "Small batches", "organism": "human", "content_hash": f"hash-{id}"}
    store.write_cells(id, small_cells() if cells is None else cells, settings, meta)


def small_config(**values: object) -> IntegrationConfig:
    """PCA and ComBat on few genes and resolutions."""
    start: dict[str, object] = {
        "dataset": ID,
        "batch_key": "donor",
        "label_key": "cell_type",
        "methods": [{"name": "none"}, {"name": "combat", "params": {"n_pcs": 10}}],
        "preparation": {"n_hvg": 60, "min_genes": 1},
        "resolutions": [0.1, 0.3, 1.0],
    }
    return IntegrationConfig.model_validate(start | values)


def quick_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layout without UMAP, whose compilation takes longer than all these tests."""

    def layout(graph: sparse.csr_matrix, *, start: np.ndarray | None, seed: int) -> np.ndarray:
        n = graph.shape[0]
        return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)

    monkeypatch.setattr("core.studies.integration.run.umap_of", layout)


def small_run(folder: Path, settings: Settings, **values: object) -> IntegrationResult:
    """Run to the end in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return run(small_config(**values), StudyContext(folder=folder, settings=settings))
