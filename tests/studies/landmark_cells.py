"""Small simulated cells with symbols, two types and shared programmes, as a prepared data set."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from core.data import import_file
from core.data.facts import landmark_genes, op2_genes
from core.settings import Settings


def simulated_cells(n: int = 160, n_genes: int = 90, seed: int = 0) -> anndata.AnnData:
    """Counts of ``n`` cells; about a third of the genes are L1000 landmarks."""
    rng = np.random.default_rng(seed)
    landmarks = [g for g in landmark_genes()["gene_symbol"] if g in set(op2_genes())][:30]
    others = [g for g in op2_genes() if g not in set(landmarks)][: n_genes - 30]
    genes = np.array([*landmarks, *others])
    types = np.array(["a", "b"] * (n // 2))
    programmes = rng.gamma(1.5, 1.0, (n, 5))
    programmes[types == "a", 0] += 2
    rates = programmes @ rng.gamma(0.5, 1.5, (5, len(genes))) + 0.3
    counts = rng.poisson(rates).astype(np.float32)
    obs = pd.DataFrame({"cell_type": types}, index=[f"cell{i}" for i in range(n)])
    return anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))


def cells_dataset(settings: Settings, id: str, seed: int = 0, n_genes: int = 90) -> None:
    """Put them into the workspace as the data set ``id``."""
    path = Path(settings.workspace) / f"{id}.h5ad"
    path.parent.mkdir(parents=True, exist_ok=True)
    simulated_cells(seed=seed, n_genes=n_genes).write_h5ad(path)
    import_file(path, id=id, settings=settings)
    path.unlink()
