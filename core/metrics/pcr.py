"""Principal component regression: how much of an embedding's variance is the batch's."""

from __future__ import annotations

import numpy as np


def batch_variance_share(embedding: np.ndarray, batches: np.ndarray) -> float:
    """Share of the variance that batches explain.

    Principal component regression (Büttner et al. 2019, doi 10.1038/s41592-018-0254-1) weights
    the R² of each component on the batches by the component's variance. Over all components that
    sum does not depend on the rotation: it is the sum of squares between batches over the total.
    """
    points = np.asarray(embedding, dtype=np.float64)
    points = points - points.mean(axis=0)
    total = float(np.square(points).sum())
    if total == 0:
        return 0.0
    sizes = np.bincount(batches)
    sums = np.zeros((len(sizes), points.shape[1]))
    np.add.at(sums, batches, points)
    there = sizes > 0
    between = float((np.square(sums[there]).sum(axis=1) / sizes[there]).sum())
    return between / total


def pcr_comparison(before: np.ndarray, after: np.ndarray, batches: np.ndarray) -> float:
    """Part of the batch's variance that integration took away: 1 all of it, 0 none (or more).

    Parameters
    ----------
    before, after
        Embeddings ``(n, d)`` of the same cells; ``before`` is the PCA without integration.
    """
    was = batch_variance_share(before, batches)
    if was == 0:
        return float("nan")
    return max(0.0, (was - batch_variance_share(after, batches)) / was)
