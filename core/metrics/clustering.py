"""Leiden clusters over a sweep of resolutions, held against labels and batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from core.progress import OnProgress, silent

#: Resolutions of the seed paper's two tables, and upward to scanpy's default.
RESOLUTIONS = (
    *(0.08, 0.1, 0.12, 0.13, 0.17, 0.19, 0.22, 0.23, 0.25, 0.28, 0.3),
    *(0.4, 0.5, 0.6, 0.8, 1.0),
)
#: Where robustness is judged: the mean over these resolutions needs no choice of the best one.
LOW, HIGH = 0.1, 0.3
#: Passes of Leiden, as scanpy advises for igraph.
ITERATIONS = 2


def leiden(
    connectivities: sparse.spmatrix, resolution: float, *, seed: int = 0, n_iterations: int = 2
) -> np.ndarray:
    """Clusters int64 ``(n,)`` of a symmetric weighted graph, the largest first.

    Modularity with a resolution, by the Leiden algorithm of igraph (Traag, Waltman & van Eck
    2019, doi 10.1038/s41598-019-41695-z), as ``scanpy.tl.leiden(flavor="igraph")`` does it.
    """
    return _partition(_graph(connectivities), resolution, seed, n_iterations)


def _graph(connectivities: sparse.spmatrix):
    import igraph

    upper = sparse.triu(connectivities, k=1).tocoo()
    graph = igraph.Graph(
        n=connectivities.shape[0], edges=np.column_stack([upper.row, upper.col]), directed=False
    )
    graph.es["weight"] = upper.data.astype(np.float64)
    return graph


def _partition(graph, resolution: float, seed: int, n_iterations: int) -> np.ndarray:
    import igraph

    # igraph draws from one generator of the whole process: give it a seeded one, then its own.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        members = graph.community_leiden(
            objective_function="modularity",
            weights="weight",
            resolution=resolution,
            n_iterations=n_iterations,
        ).membership
    finally:
        igraph.set_random_number_generator(random)
    codes = np.asarray(members, dtype=np.int64)
    order = np.argsort(-np.bincount(codes), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[codes]


@dataclass(frozen=True)
class Sweep:
    """Clusters at each resolution and how they agree with labels and batches.

    Attributes
    ----------
    clusters
        int64 ``(n_resolutions, n)``.
    table
        ``resolution, n_clusters, ari, nmi, batch_ari``, a row a resolution; NaN where there are
        no labels or batches.
    """

    clusters: np.ndarray
    table: pd.DataFrame

    @property
    def best(self) -> int:
        """Row of the highest ARI; of the lowest batch ARI where there are no labels."""
        ari = self.table["ari"]
        if ari.notna().any():
            return int(ari.argmax())
        return int(self.table["batch_ari"].fillna(0).argmin())

    def summary(self) -> dict[str, float]:
        """``best_ari`` (with its ``best_nmi, best_resolution, best_batch_ari``) and means.

        ``mean_ari, mean_nmi, mean_batch_ari`` are over resolutions from 0.1 to 0.3 (over all
        of them where none is in that range), ``mean_ari_all`` over the whole sweep.
        """
        if self.table.empty:
            return {}
        best = self.table.iloc[self.best]
        inside = self.table[self.table["resolution"].between(LOW - 1e-9, HIGH + 1e-9)]
        inside = self.table if inside.empty else inside
        return {
            "best_ari": float(best["ari"]),
            "best_nmi": float(best["nmi"]),
            "best_batch_ari": float(best["batch_ari"]),
            "best_resolution": float(best["resolution"]),
            "best_n_clusters": float(best["n_clusters"]),
            "mean_ari": float(inside["ari"].mean()),
            "mean_nmi": float(inside["nmi"].mean()),
            "mean_batch_ari": float(inside["batch_ari"].mean()),
            "mean_ari_all": float(self.table["ari"].mean()),
        }


def sweep(
    connectivities: sparse.spmatrix,
    *,
    labels: np.ndarray | None = None,
    batches: np.ndarray | None = None,
    resolutions: Sequence[float] = RESOLUTIONS,
    seed: int = 0,
    n_iterations: int = ITERATIONS,
    on_progress: OnProgress = silent,
) -> Sweep:
    """Cluster at every resolution and compare.

    Parameters
    ----------
    connectivities
        Symmetric weighted graph ``(n, n)``.
    labels, batches
        Integer codes ``(n,)``; a negative code is a missing one, and its cell is not compared.
    """
    graph = _graph(connectivities)
    rows, clusters = [], []
    for done, resolution in enumerate(resolutions):
        on_progress(done, len(resolutions), f"Leiden at {resolution:g}")
        found = _partition(graph, resolution, seed, n_iterations)
        clusters.append(found)
        rows.append(
            {
                "resolution": float(resolution),
                "n_clusters": int(found.max()) + 1,
                "ari": ari(labels, found),
                "nmi": nmi(labels, found),
                "batch_ari": ari(batches, found),
            }
        )
    shape = (len(clusters), graph.vcount())
    table = pd.DataFrame(rows, columns=["resolution", "n_clusters", "ari", "nmi", "batch_ari"])
    return Sweep(np.array(clusters, dtype=np.int64).reshape(shape), table)


def ari(truth: np.ndarray | None, found: np.ndarray) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985); NaN where nothing is known."""
    return _compare(truth, found, "ari")


def nmi(truth: np.ndarray | None, found: np.ndarray) -> float:
    """Mutual information over the mean of both entropies; NaN where nothing is known."""
    return _compare(truth, found, "nmi")


def _compare(truth: np.ndarray | None, found: np.ndarray, which: str) -> float:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if truth is None:
        return float("nan")
    known = np.asarray(truth) >= 0
    if not known.any():
        return float("nan")
    score = adjusted_rand_score if which == "ari" else normalized_mutual_info_score
    return float(score(np.asarray(truth)[known], np.asarray(found)[known]))


def batch_ari_floor(labels: np.ndarray | None, batches: np.ndarray) -> float:
    """Batch ARI of the true labels themselves.

    Where cell types are not spread evenly over batches, perfect clusters carry some of the batch:
    a batch ARI below this floor is no better than one at it.
    """
    if labels is None:
        return float("nan")
    labels = np.asarray(labels)
    known = labels >= 0
    return ari(np.where(known, batches, -1), labels)
