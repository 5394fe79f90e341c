"""K-means with as many clusters as there are cell types, as scib-metrics runs it."""

from __future__ import annotations

import numpy as np

from core.metrics import threefry

MOST_STEPS = 300


def kmeans(points: np.ndarray, n_clusters: int, *, seed: int = 0) -> np.ndarray:
    """Clusters int64 ``(n,)``: one k-means++ start, then Lloyd's steps until nothing moves.

    Arthur & Vassilvitskii 2007, with ``2 + log(n_clusters)`` candidates for each centre, of which
    the best is kept.

    Parameters
    ----------
    points
        ``(n, d)`` with ``n`` at least ``n_clusters``.
    """
    points = np.asarray(points, dtype=np.float32)
    points = points - points.mean(axis=0)
    centres = points[_start(points, n_clusters, seed)]
    squares = np.square(points).sum(axis=1)
    found = np.full(len(points), -1, np.int64)
    for _ in range(MOST_STEPS):
        nearest = _squared(points, centres, squares).argmin(axis=1)
        if np.array_equal(nearest, found):
            break
        found = nearest
        sizes = np.bincount(found, minlength=n_clusters)
        sums = np.zeros((n_clusters, points.shape[1]), np.float64)
        np.add.at(sums, found, points)
        # An empty cluster moves to the origin, the mean of all cells, and may catch some there.
        centres = (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    return found


def _squared(points: np.ndarray, centres: np.ndarray, squares: np.ndarray) -> np.ndarray:
    inner = points @ centres.T
    return np.maximum(squares[:, None] + np.square(centres).sum(axis=1) - 2 * inner, 0.0)


def _start(points: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Rows of the first centres."""
    squares = np.square(points).sum(axis=1)
    key = threefry.split(threefry.key_of(seed), 1)[0]
    key, fresh = threefry.split(key)
    chosen = [int(threefry.permutation(fresh, len(points))[0])]
    least = _squared(points, points[chosen], squares)[:, 0]
    least[chosen] = 0.0
    trials = 2 + int(np.log(n_clusters))
    for _ in range(n_clusters - 1):
        key, fresh = threefry.split(key)
        weights = least / max(float(least.sum()), np.finfo(np.float32).tiny)
        candidates = threefry.weighted_choice(fresh, weights, trials)
        reached = np.minimum(least[:, None], _squared(points, points[candidates], squares))
        best = int(reached.sum(axis=0).argmin())
        least = reached[:, best]
        chosen.append(int(candidates[best]))
        least[chosen[-1]] = 0.0
    return np.array(chosen)
