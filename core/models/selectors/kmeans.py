"""Repeated k-means in the manner of the L1000 project.

As Subramanian et al. (*Cell* 171, 2017) describe: genes are points in the space of principal
components; k-means is repeated, genes that stay together form robust clusters, the gene nearest to
a cluster's centre becomes a landmark, the cluster's genes are taken away, and the rest is clustered
again until no robust cluster is left or enough landmarks are found.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from core.models.base import Params
from core.models.principal import principal_components
from core.models.selectors.base import (
    CONSTANT,
    SELECTORS,
    GeneSelector,
    Selection,
    centred,
    checked,
    completed,
)
from core.progress import OnProgress, silent


class KMeansParams(Params):
    """Space, repeats, and when a cluster counts as robust."""

    n_components: int = Field(
        50, ge=2, le=500, title="Components", description="Principal components of the genes."
    )
    repeats: int = Field(
        10, ge=2, le=100, title="Repeats", description="Runs of k-means in each round."
    )
    agreement: float = Field(
        0.8,
        gt=0.5,
        le=1,
        title="Agreement",
        description="Share of the runs in which two genes must be together to be one cluster.",
    )
    rounds: int = Field(
        20, ge=1, le=200, title="Rounds", description="Most rounds of taking clusters away."
    )


@SELECTORS.register(
    "kmeans",
    label="Repeated k-means (as L1000)",
    help="Robust clusters of genes over repeated k-means; the gene nearest to each centre, clusters "
    "taken away, and again (Subramanian et al. 2017).",
)
class RepeatedKMeans(GeneSelector):
    """Robust clusters of standardised gene profiles, peeled off round by round."""

    Params: ClassVar[type[Params]] = KMeansParams
    random = True

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """Landmarks in the order of the rounds, larger clusters first."""
        values = centred(checked(X, k))
        points, alive = gene_points(values, self.params.n_components, seed)
        strength = np.linalg.norm(points, axis=1)
        strength[~alive] = -1.0
        left = np.flatnonzero(alive)
        rng = np.random.default_rng(seed)
        order: list[int] = []
        why: list[str] = []
        rounds: list[dict[str, float]] = []
        for number in range(1, self.params.rounds + 1):
            wanted = k - len(order)
            if wanted <= 0 or len(left) < 4:
                break
            clusters = self._robust(points[left], min(wanted, len(left) // 2), rng)
            if not clusters:
                break
            taken: list[np.ndarray] = []
            for members in clusters[:wanted]:
                genes = left[members]
                center = points[genes].mean(axis=0)
                nearest = genes[np.argmin(((points[genes] - center) ** 2).sum(axis=1))]
                order.append(int(nearest))
                why.append(f"centre of a cluster of {len(genes)} genes, round {number}")
                taken.append(genes)
            left = np.setdiff1d(left, np.concatenate(taken))
            rounds.append({"n_genes": len(order), "objective": float(len(left))})
            on_progress(len(order), k, f"round {number}, {len(order):,} genes")
        full = completed(np.asarray(order, dtype=np.int64), strength, k)
        why += ["in no robust cluster: strongest in the components"] * (k - len(order))
        share = len(order) / k
        note = "" if share == 1 else f"{len(order):,} of {k:,} genes came from robust clusters."
        return Selection(full, tuple(why), pd.DataFrame(rounds), note)

    def _robust(
        self, points: np.ndarray, n_clusters: int, rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Groups of two or more genes that stay together, largest first."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        n, repeats = len(points), self.params.repeats
        labels = np.stack([kmeans_labels(points, max(n_clusters, 2), rng) for _ in range(repeats)])
        # Pairs are compared within the clusters of each run: all pairs of genes would be too many.
        need = int(np.ceil(self.params.agreement * repeats))
        first = labels[0]
        by_first = np.argsort(first, kind="stable")
        bounds = np.flatnonzero(np.diff(first[by_first])) + 1
        rows, columns = [], []
        for members in np.split(by_first, bounds):
            if len(members) < 2:
                continue
            together = (labels[:, members, None] == labels[:, None, members]).sum(axis=0)
            i, j = np.nonzero(np.triu(together >= need, 1))
            rows.append(members[i])
            columns.append(members[j])
        if not rows:
            return []
        i, j = np.concatenate(rows), np.concatenate(columns)
        graph = coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n))
        _, component = connected_components(graph, directed=False)
        sizes = np.bincount(component)
        ranked = [c for c in np.argsort(-sizes, kind="stable") if sizes[c] >= 2]
        return [np.flatnonzero(component == c) for c in ranked]


def gene_points(X: np.ndarray, r: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardised genes in the space of their components, float32 ``(p, r)``; and which vary."""
    spread = np.sqrt(np.einsum("ij,ij->j", X, X) / len(X))
    alive = spread > np.sqrt(CONSTANT)
    scaled = X / np.where(alive, spread, 1.0)
    parts = principal_components(np.asarray(scaled, dtype=np.float32), r, seed=seed)
    return parts.loadings * np.sqrt(parts.variances).astype(np.float32), alive


def kmeans_labels(points: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Labels of one k-means from random points, ``(n,)``; 15 iterations of Lloyd's algorithm."""
    from sklearn.cluster import KMeans

    found = KMeans(
        n_clusters,
        init="random",
        n_init=1,
        max_iter=15,
        random_state=int(rng.integers(2**31 - 1)),
    ).fit(points)
    return found.labels_
