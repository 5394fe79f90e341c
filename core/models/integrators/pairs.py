"""Which mutual nearest neighbours to believe, and where they ask each cell to go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from core.models.integrators.base import Batches
from core.models.integrators.mnn import MutualNeighbors, nearest

#: Cells a micro-cluster, and most micro-clusters a batch.
CLUSTER_SIZE, MOST_CLUSTERS = 25, 60
#: Neighbours that give a cell its local scale.
LOCAL = 10
#: Beyond so many cells the k-means sees a sample.
KMEANS_CELLS = 20_000
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class MicroClusters:
    """Fine clusters within each batch.

    Attributes
    ----------
    codes
        Cluster of each cell, int64 ``(n,)``, numbered over all batches.
    batch
        Batch of each cluster, int64 ``(n_clusters,)``.
    similarity
        Cosine of mean log profiles, corrected for their noise, float64 ``(n_clusters,
        n_clusters)``: near 1 for the same kind of cell.
    """

    codes: np.ndarray
    batch: np.ndarray
    similarity: np.ndarray


def micro_clusters(
    latent: np.ndarray, values: np.ndarray, batches: Batches, *, seed: int = 0
) -> MicroClusters:
    """k-means of each batch by itself, and how alike the clusters' profiles are.

    The cosine of two means is too low by their sampling noise; it is divided by the geometric
    mean of the clusters' reliabilities (the cosine of the means of their two halves, stepped up
    by Spearman-Brown).

    Parameters
    ----------
    latent
        float32 ``(n, d)``.
    values
        Log expression ``(n, n_genes)``.
    batches
        Of the ``n`` cells.
    """
    codes = np.empty(len(latent), np.int64)
    owners: list[int] = []
    generator = np.random.default_rng(seed)
    for code in range(len(batches)):
        own = batches.rows(code)
        n_clusters = int(np.clip(len(own) // CLUSTER_SIZE, 1, MOST_CLUSTERS))
        codes[own] = len(owners) + _kmeans(latent[own], n_clusters, generator)
        owners += [code] * n_clusters
    n_clusters = len(owners)
    halves = [_means(values, codes, n_clusters, half) for half in (0, 1)]
    both = _unit(halves[0] + halves[1])
    half = (_unit(halves[0]) * _unit(halves[1])).sum(axis=1)
    reliability = np.sqrt(np.clip(2 * half / (1 + half), 0.5, 1.0))
    similarity = (both @ both.T) / np.outer(reliability, reliability)
    return MicroClusters(codes, np.array(owners), np.minimum(similarity, 1.0))


def _kmeans(points: np.ndarray, n_clusters: int, generator: np.random.Generator) -> np.ndarray:
    from sklearn.cluster import KMeans

    seed = int(generator.integers(2**31))
    sample = points
    if len(points) > KMEANS_CELLS:
        sample = points[generator.choice(len(points), KMEANS_CELLS, replace=False)]
    return KMeans(n_clusters, n_init=1, random_state=seed).fit(sample).predict(points)


def _means(values: np.ndarray, codes: np.ndarray, n_clusters: int, half: int) -> np.ndarray:
    """Mean profiles of every second cell of each cluster."""
    order = np.argsort(codes, kind="stable")
    rank = np.empty(len(codes), np.int64)
    rank[order] = np.arange(len(codes))
    chosen = np.flatnonzero(rank % 2 == half)
    member = sparse.csr_matrix(
        (np.ones(len(chosen), np.float32), (codes[chosen], chosen)), (n_clusters, len(codes))
    )
    size = np.maximum(np.asarray(member.sum(axis=1)), 1.0)
    return np.asarray(member @ values) / size


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def local_scale(latent: np.ndarray, batches: Batches, *, device: str = "cpu") -> np.ndarray:
    """Mean squared distance to the nearest cells of the own batch, float64 ``(n,)``."""
    scale = np.empty(len(latent))
    for code in range(len(batches)):
        own = batches.rows(code)
        k = min(LOCAL + 1, len(own))
        squared = nearest(latent[own], latent[own], k, device=device)[1]
        scale[own] = squared[:, 1:].mean(axis=1) if k > 1 else 0.0
    positive = scale[scale > 0]
    return np.maximum(scale, 1e-3 * np.median(positive) if len(positive) else 1e-12)


def pair_weights(
    found: MutualNeighbors,
    scale: np.ndarray,
    clusters: MicroClusters,
    *,
    min_share: float = 0.1,
    min_similarity: float = 0.75,
    distance: float = 1.0,
) -> np.ndarray:
    """How far each pair is believed, float64 ``(m,)`` in 0 … 1.

    A pair counts only between micro-clusters that choose each other (each sends the other at
    least ``min_share`` of its pairs into that batch) and whose profiles are alike
    (``min_similarity``); otherwise cells of a type that the other batch lacks would be drawn to
    whatever is nearest there. What is left weighs ``exp(−distance/2 · (d² / s₁s₂ − 1)₊)`` with
    ``s²`` the local scale of either cell.

    Parameters
    ----------
    found
        The pairs.
    scale
        Of :func:`local_scale`, ``(n,)``.
    clusters
        Of :func:`micro_clusters`.
    """
    first, second = found.pairs.T
    relative = found.distances.astype(float) ** 2 / np.sqrt(scale[first] * scale[second])
    weights = np.exp(-0.5 * distance * np.maximum(relative - 1.0, 0.0))
    a, b = clusters.codes[first], clusters.codes[second]
    n_clusters = len(clusters.batch)
    table = sparse.coo_matrix((weights, (a, b)), (n_clusters, n_clusters)).toarray()
    table += table.T
    shares = np.zeros_like(table)
    for code in np.unique(clusters.batch):
        columns = clusters.batch == code
        total = table[:, columns].sum(axis=1, keepdims=True)
        shares[:, columns] = table[:, columns] / np.maximum(total, 1e-12)
    mutual = np.minimum(shares, shares.T)
    alike = clusters.similarity >= min_similarity
    weights[(mutual[a, b] < min_share) | ~alike[a, b]] = 0.0
    return weights


def coarse_to_fine(number: int, rounds: int, first: float, last: float) -> float:
    """Sharpness of the smoothing kernel in round ``number`` (from 0) of ``rounds``.

    The first half of the rounds rises from ``first`` to ``last`` by equal factors, the other half
    stays there. A wide kernel first moves what is common to the cells around, so that pairs of
    two neighbouring types, which the batch effect had brought close, are not found again.
    """
    half = max(rounds // 2, 1)
    coarse = max(0.0, 1 - number / half) if number < rounds - 1 else 0.0
    return last * (first / last) ** coarse if last > 0 else 0.0


@dataclass(frozen=True)
class SoftTargets:
    """Where cells are asked to go.

    Attributes
    ----------
    displacement
        float32 ``(n, d)``, from the cell's place in the input space.
    support
        How much of a cell's own surroundings is matched, float32 ``(n,)`` in 0 … 1.
    """

    displacement: np.ndarray
    support: np.ndarray


def soft_targets(
    latent: np.ndarray,
    moved: np.ndarray,
    pairs: np.ndarray,
    weights: np.ndarray,
    batches: Batches,
    scale: np.ndarray,
    *,
    neighbors: int = 100,
    sharpness: float = 5.0,
    follow: float = 0.1,
    device: str = "cpu",
) -> SoftTargets:
    """Kernel-smoothed displacements that bring pair members together.

    A matched cell is asked to go to the mean of its partners' places, one vote a batch and one
    for itself; each cell then takes the mean of what matched cells around it *in its own batch*
    ask for (fastMNN's smoothing, with a Gaussian kernel as wide as the cell's own surroundings,
    so that a rare type is not moved by the common one beside it).

    Parameters
    ----------
    latent, moved
        Places in the input space and now, float32 ``(n, d)``.
    pairs, weights
        int64 ``(m, 2)`` and ``(m,)``.
    scale
        Of :func:`local_scale` in the input space, ``(n,)``.
    neighbors
        Matched cells that a cell listens to.
    sharpness
        Of the kernel ``exp(−sharpness · (d² / scale − 1)₊)``.
    follow
        Least support of a cell in a batch that has matched cells: those of a type that no other
        batch has move along with the nearest matched ones, as one body, instead of staying
        behind.
    """
    n = len(latent)
    rows, columns = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]]
    graph = sparse.coo_matrix((np.r_[weights, weights], (rows, columns)), (n, n)).tocsr()
    pull, votes, belief = np.zeros_like(moved), np.zeros(n), np.zeros(n)
    for code in range(len(batches)):
        own = batches.rows(code)
        part = graph[:, own]
        mass = np.asarray(part.sum(axis=1)).ravel()
        met = mass > 0
        pull[met] += (part @ moved[own])[met] / mass[met, None] - moved[met]
        votes[met] += 1
        belief += np.minimum(mass, 1.0)
    matched = votes > 0
    asked = (moved - latent) + pull / (votes + 1.0)[:, None]
    belief = belief / np.maximum(votes, 1.0)
    displacement = np.zeros_like(latent)
    support = np.zeros(n, np.float32)
    for code in range(len(batches)):
        own = batches.rows(code)
        anchors = own[matched[own]]
        if not len(anchors):
            continue
        index, squared = nearest(
            latent[own], latent[anchors], min(neighbors, len(anchors)), device=device
        )
        trust = belief[anchors][index]
        near = np.exp(-sharpness * np.maximum(squared / scale[own, None] - 1.0, 0.0)) * trust
        # Cells far from all matched ones follow the nearest of them, with the weight `follow`.
        width = np.maximum(scale[own], squared[:, 0])[:, None]
        kernel = np.exp(-sharpness * np.maximum(squared / width - 1.0, 0.0)) * trust
        share = kernel / np.maximum(kernel.sum(axis=1, keepdims=True), 1e-12)
        displacement[own] = np.einsum("nk,nkd->nd", share, asked[anchors][index])
        support[own] = np.clip(near.sum(axis=1), follow, 1.0)
    return SoftTargets(displacement.astype(np.float32), support)
