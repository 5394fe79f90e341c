"""The computations, each from arrays to arrays: PCA, neighbours, UMAP, t-SNE, Leiden.

All through scanpy (Wolf et al., Genome Biology 2018), with one seed; UMAP: McInnes et al. 2018;
t-SNE: van der Maaten & Hinton 2008; Leiden: Traag et al. 2019.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from core.errors import ConfigError
from core.studies.cells.cache import Arrays
from core.studies.cells.config import CellsConfig

if TYPE_CHECKING:
    from anndata import AnnData


def pca(cells: AnnData, config: CellsConfig) -> Arrays:
    """Principal components of the variable genes (all, where none are marked).

    Returns
    -------
    dict
        ``scores`` ``(n_cells, n_pcs)``, ``loadings`` ``(n_used, n_pcs)``, ``used`` (positions of
        genes, ``(n_used,)``), ``variance`` and ``ratio`` (share of the total variance of the
        genes used) ``(n_pcs,)``.
    """
    import scanpy as sc

    marked = cells.var.get("highly_variable")
    used = np.arange(cells.n_vars) if marked is None else np.flatnonzero(marked.to_numpy())
    if len(used) < 2:
        raise ConfigError("PCA needs at least two genes: choose more variable genes.")
    part = cells[:, used].copy() if len(used) < cells.n_vars else cells.copy()
    n = min(config.n_pcs, part.n_obs - 1, part.n_vars - 1)
    lazy = not (sparse.issparse(part.X) or isinstance(part.X, np.ndarray))
    if lazy and config.scale:
        raise ConfigError(
            "Genes cannot be scaled where cells are read in chunks: switch 'Scale genes' off."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if config.scale:
            sc.pp.scale(part, max_value=10)
        # ARPACK needs more components than are asked for; small data is decomposed in full.
        solver = "covariance_eigh" if lazy else "full" if _small(part) else "arpack"
        if solver == "full" and sparse.issparse(part.X):
            part.X = np.asarray(part.X.todense())
        sc.pp.pca(part, n_comps=n, svd_solver=solver, random_state=config.seed, mask_var=None)
    return {
        "scores": np.asarray(part.obsm["X_pca"], dtype=np.float32),
        "loadings": np.asarray(part.varm["PCs"], dtype=np.float32),
        "used": used.astype(np.int64),
        "genes": np.array([str(name) for name in part.var_names], dtype=np.str_),
        "variance": np.asarray(part.uns["pca"]["variance"], dtype=np.float64),
        "ratio": np.asarray(part.uns["pca"]["variance_ratio"], dtype=np.float64),
    }


def _small(cells: AnnData) -> bool:
    return min(cells.shape) <= 100


def _with_pca(scores: np.ndarray) -> AnnData:
    import anndata

    # scanpy's neighbours want an AnnData; they look at obsm only.
    holder = anndata.AnnData(X=sparse.csr_matrix((len(scores), 1), dtype=np.float32))
    holder.obsm["X_pca"] = scores
    return holder


def neighbours(scores: np.ndarray, config: CellsConfig) -> Arrays:
    """The fuzzy neighbour graph: CSR parts of ``connectivities`` and ``distances``."""
    import scanpy as sc

    holder = _with_pca(scores)
    k = min(config.n_neighbors, len(scores) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.neighbors(
            holder, n_neighbors=k, use_rep="X_pca", metric=config.metric, random_state=config.seed
        )
    arrays: Arrays = {}
    for name in ("connectivities", "distances"):
        graph: Any = sparse.csr_matrix(holder.obsp[name])
        arrays |= {
            f"{name}.data": graph.data.astype(np.float32),
            f"{name}.indices": graph.indices.astype(np.int32),
            f"{name}.indptr": graph.indptr.astype(np.int64),
        }
    return arrays


def graph_of(arrays: Arrays, name: str) -> sparse.csr_matrix:
    """``connectivities`` or ``distances`` as CSR ``(n_cells, n_cells)``."""
    indptr = arrays[f"{name}.indptr"]
    n = len(indptr) - 1
    parts = (arrays[f"{name}.data"], arrays[f"{name}.indices"], indptr)
    return sparse.csr_matrix(parts, shape=(n, n))


def _with_graph(scores: np.ndarray, graph: Arrays, config: CellsConfig) -> AnnData:
    holder = _with_pca(scores)
    holder.obsp["connectivities"] = graph_of(graph, "connectivities")
    holder.obsp["distances"] = graph_of(graph, "distances")
    holder.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": neighbour_parameters(config),
    }
    return holder


def neighbour_parameters(config: CellsConfig) -> dict[str, Any]:
    """``uns["neighbors"]["params"]`` as scanpy writes it."""
    return {
        "n_neighbors": config.n_neighbors,
        "method": "umap",
        "metric": config.metric,
        "random_state": config.seed,
        "use_rep": "X_pca",
    }


def umap(scores: np.ndarray, graph: Arrays, config: CellsConfig) -> Arrays:
    """UMAP of the neighbour graph: ``coordinates`` ``(n_cells, 2)``."""
    import scanpy as sc

    holder = _with_graph(scores, graph, config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.umap(
            holder,
            min_dist=config.umap_min_dist,
            spread=config.umap_spread,
            random_state=config.seed,
            # Spectral start fails on a handful of cells.
            init_pos="spectral" if len(scores) > 15 else "random",
        )
    return {"coordinates": np.asarray(holder.obsm["X_umap"], dtype=np.float32)}


def tsne(scores: np.ndarray, config: CellsConfig) -> Arrays:
    """t-SNE of the principal components: ``coordinates`` ``(n_cells, 2)``."""
    from sklearn.manifold import TSNE

    if config.tsne_perplexity >= len(scores) / 3:
        raise ConfigError(
            f"The t-SNE perplexity ({config.tsne_perplexity:g}) must be below a third of the "
            f"{len(scores):,} cells."
        )
    model = TSNE(
        perplexity=config.tsne_perplexity,
        init="pca",
        learning_rate="auto",
        random_state=config.seed,
        n_jobs=1,
    )
    return {"coordinates": model.fit_transform(scores).astype(np.float32)}


def leiden(scores: np.ndarray, graph: Arrays, config: CellsConfig) -> Arrays:
    """Leiden communities: ``groups`` ``(n_cells,)`` int, from 0, largest first."""
    import scanpy as sc

    holder = _with_graph(scores, graph, config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.leiden(
            holder,
            resolution=config.leiden_resolution,
            random_state=config.seed,
            flavor="igraph",
            n_iterations=2,
            directed=False,
        )
    return {"groups": holder.obs["leiden"].astype(int).to_numpy(dtype=np.int32)}
