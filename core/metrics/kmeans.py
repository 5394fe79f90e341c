"""K-means with as many clusters as there are cell types."""

from __future__ import annotations

import numpy as np


def kmeans(points: np.ndarray, n_clusters: int, *, seed: int = 0) -> np.ndarray:
    """Clusters int64 ``(n,)`` by one k-means++ start and Lloyd's iterations.

    Parameters
    ----------
    points
        ``(n, d)``.
    """
    from sklearn.cluster import KMeans

    points = np.asarray(points, dtype=np.float64)
    model = KMeans(n_clusters=n_clusters, n_init=1, random_state=seed, tol=0.0, max_iter=300)
    return model.fit_predict(points - points.mean(axis=0)).astype(np.int64)
