"""UMAP of each method on the scores' own neighbour graph."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse


def umap_of(
    connectivities: sparse.csr_matrix, *, start: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Two coordinates a cell, float32 ``(n, 2)``.

    Parameters
    ----------
    connectivities
        UMAP connectivities ``(n, n)``.
    start
        Where cells begin, ``(n, 2)``: with the layout before correction, the layouts of all
        methods lie alike; default: spectral.
    """
    import anndata
    import scanpy as sc

    n = connectivities.shape[0]
    holder = anndata.AnnData(sparse.csr_matrix((n, 1), dtype=np.float32))
    holder.obsp["connectivities"] = connectivities
    holder.obsp["distances"] = connectivities
    holder.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {"n_neighbors": 15, "method": "umap"},
    }
    begin: np.ndarray | str = "spectral" if n > 10 else "random"
    if start is not None:
        # UMAP's first steps are as long as the layout is wide: a narrow start keeps the picture.
        centred = start - start.mean(axis=0)
        begin = (10 * centred / max(float(np.abs(centred).max()), 1e-9)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.umap(holder, init_pos=begin, random_state=seed)
    return np.asarray(holder.obsm["X_umap"], dtype=np.float32)
