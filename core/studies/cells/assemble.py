"""From stages to one AnnData, as scanpy would have left it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.studies.cells.cache import LEIDEN, NEIGHBOURS, PCA, TSNE, UMAP, Arrays
from core.studies.cells.config import CellsConfig
from core.studies.cells.stages import graph_of, neighbour_parameters

if TYPE_CHECKING:
    from anndata import AnnData


def put(cells: AnnData, arrays: dict[str, Arrays], config: CellsConfig) -> AnnData:
    """Add ``obsm``, ``varm["PCs"]``, ``uns["pca"]``, ``obsp`` and ``obs["leiden"]`` in place.

    Genes that PCA did not see have loadings of zero, as scanpy writes them.
    """
    found = arrays[PCA]
    loadings = np.zeros((cells.n_vars, found["loadings"].shape[1]), dtype=np.float32)
    loadings[found["used"]] = found["loadings"]
    cells.obsm["X_pca"], cells.varm["PCs"] = found["scores"], loadings
    cells.uns["pca"] = {"variance": found["variance"], "variance_ratio": found["ratio"]}
    for stage in (UMAP, TSNE):
        if stage in arrays:
            cells.obsm[f"X_{stage}"] = arrays[stage]["coordinates"]
    if NEIGHBOURS in arrays:
        for name in ("connectivities", "distances"):
            cells.obsp[name] = graph_of(arrays[NEIGHBOURS], name)
        cells.uns["neighbors"] = {
            "connectivities_key": "connectivities",
            "distances_key": "distances",
            "params": neighbour_parameters(config),
        }
    if LEIDEN in arrays:
        groups: Any = arrays[LEIDEN]["groups"]
        names = [str(group) for group in range(int(groups.max()) + 1)]
        cells.obs["leiden"] = pd.Categorical.from_codes(groups, categories=pd.Index(names))
    return cells
