"""A small set of cells with L1000 genes among them, for tests of the landmark study."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from core.data import store
from core.data.facts import landmark_genes
from core.settings import Settings
from core.studies.landmarks.config import LandmarksConfig

ID = "small-cells"
N_CELLS, N_LANDMARKS, N_OTHERS = 160, 20, 40


def small_cells(seed: int = 0, n_cells: int = N_CELLS) -> anndata.AnnData:
    """Counts of three cell types; 20 genes are L1000 landmarks, under their symbols of 2017."""
    rng = np.random.default_rng(seed)
    n_genes = N_LANDMARKS + N_OTHERS
    types = rng.choice(["alpha", "beta", "delta"], n_cells, p=[0.5, 0.3, 0.2])
    profile = {name: rng.gamma(0.7, 1.0, n_genes) for name in ("alpha", "beta", "delta")}
    rates = np.stack([profile[name] for name in types])
    depth = rng.uniform(1200, 4000, (n_cells, 1))
    counts = rng.poisson(rates / rates.sum(axis=1, keepdims=True) * depth).astype(np.float32)
    genes = [*landmark_genes()["gene_symbol"][:N_LANDMARKS], *(f"G{i}" for i in range(N_OTHERS))]
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(types),
            "donor": pd.Categorical(rng.choice(["d1", "d2"], n_cells)),
        },
        index=[f"c{i}" for i in range(n_cells)],
    )
    return anndata.AnnData(
        X=sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=pd.Index(genes))
    )


def store_small(settings: Settings, cells: anndata.AnnData | None = None, id: str = ID) -> None:
    """Put the cells into the workspace."""
    cells = small_cells() if cells is None else cells
    meta = {"label": "Small cells", "organism": "human", "content_hash": f"hash-{id}"}
    store.write_cells(id, cells, settings, meta)


def small_config(**values: object) -> LandmarksConfig:
    """A few quick models, two splits."""
    start: dict[str, object] = {
        "dataset": ID,
        "n_splits": 2,
        "models": [
            {"name": "mean"},
            {"name": "ridge"},
            {"name": "knn", "params": {"n_neighbors": 10, "n_components": 3}},
            {"name": "dnn", "params": {"width": 8, "epochs": 4}},
            {"name": "dnn", "params": {"width": 8, "epochs": 4, "loss": "weighted"}},
        ],
    }
    return LandmarksConfig.model_validate(start | values)
