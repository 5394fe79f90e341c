"""Where training starts: topics at the profiles of clusters of cells, λ at the batches' means.

From random weights most of the training goes into finding the genes' mean profile and the coarse
groups of cells, which a few seconds of k-means find as well.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD

from core.models.scetm.network import EmbeddedTopicModel

#: Added to a share before its logarithm, in units of one read in ten thousand.
_PSEUDO = 0.1 * 1e-4


def batch_profiles(shares: sparse.csr_matrix, batch: np.ndarray, n_batches: int) -> np.ndarray:
    """Logarithm of the mean share of each gene in each batch, float32 ``(n_batches, n_genes)``."""
    means = np.stack(
        [np.asarray(shares[batch == code].mean(axis=0)).ravel() for code in range(n_batches)]
    )
    return np.log(means + _PSEUDO).astype(np.float32)


def start_decoder(
    model: EmbeddedTopicModel,
    shares: sparse.csr_matrix,
    batch: np.ndarray,
    *,
    seed: int,
    sharpness: float,
) -> None:
    """Set λ to the batches' profiles and ``α ρ`` to those of clusters within batches' residuals.

    Parameters
    ----------
    shares
        Genes' shares of each cell, CSR ``(n, n_genes)``.
    batch
        int64 ``(n,)``.
    sharpness
        Factor on the clusters' log fold changes: θ is a mixture, never one topic alone.
    """
    n_topics, n_batches = model.alpha.shape[0], model.lambda_.shape[0]
    profiles = batch_profiles(shares, batch, n_batches)
    logs = shares.copy()
    logs.data = np.log1p(logs.data * 1e4)
    for code in range(n_batches):  # clusters of what is left when the batch's mean is taken off
        rows = batch == code
        if not rows.any():
            raise ValueError(f"batch {code} holds no cell")
    n_components = min(30, min(logs.shape) - 1)
    scores = TruncatedSVD(n_components, random_state=seed).fit_transform(logs)
    for code in range(n_batches):
        scores[batch == code] -= scores[batch == code].mean(axis=0)
    n_clusters = min(n_topics, len(scores))
    found = MiniBatchKMeans(n_clusters, n_init=3, random_state=seed, batch_size=4096)
    cluster = found.fit_predict(scores)
    fold = np.zeros((n_topics, shares.shape[1]), dtype=np.float32)
    for code in range(n_clusters):
        rows = cluster == code
        if not rows.any():
            continue
        mean = np.asarray(shares[rows].mean(axis=0)).ravel()
        weight = np.bincount(batch[rows], minlength=n_batches) / rows.sum()
        # Few cells say little about rare genes: one pseudo-cell of the batch's own profile.
        base = weight @ np.exp(profiles)
        fold[code] = np.log((rows.sum() * mean + base) / ((rows.sum() + 1) * base))
    fold *= sharpness
    left, values, right = np.linalg.svd(fold, full_matrices=False)
    rank = min(len(values), model.rho.shape[0])
    root = np.sqrt(values[:rank])
    n_fixed = model.alpha.shape[1] - model.rho.shape[0]
    with torch.no_grad():
        model.lambda_.copy_(torch.from_numpy(profiles))
        model.alpha[:, n_fixed : n_fixed + rank] = torch.from_numpy(left[:, :rank] * root)
        model.rho[:rank] = torch.from_numpy(root[:, None] * right[:rank])
        # The other directions are free but start small, so that the clusters' profiles stand.
        model.rho[rank:] *= 0.1
        model.alpha[:, :n_fixed] *= 0.01
