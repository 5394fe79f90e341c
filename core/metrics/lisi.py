"""Local inverse Simpson's index: how many batches, or cell types, a neighbourhood holds."""

from __future__ import annotations

import numpy as np

from core.metrics.neighbours import Neighbours

#: Bisection of scib-metrics: tolerance on the entropy, and most steps.
_TOLERANCE, _STEPS = 1e-5, 50


def neighbour_probabilities(neighbours: Neighbours, perplexity: float | None = None) -> np.ndarray:
    """Probability of each neighbour, float64 ``(n, k)``; the cell itself has none.

    A Gaussian-like kernel ``exp(-beta d)`` whose entropy is the logarithm of the perplexity,
    default a third of ``k``. Rows without a kernel (all neighbours infinitely far) are zero.
    """
    n, k = neighbours.indices.shape
    perplexity = float(k // 3) if perplexity is None else perplexity
    others = neighbours.indices != np.arange(n)[:, None]
    distances = neighbours.distances.astype(np.float64)
    beta, low, high = np.ones(n), np.full(n, -np.inf), np.full(n, np.inf)
    entropy, probability = _kernel(distances, others, beta)
    active = np.arange(n)
    for _ in range(_STEPS):
        difference = entropy[active] - np.log(perplexity)
        going = np.abs(difference) >= _TOLERANCE
        active, difference = active[going], difference[going]
        if not len(active):
            break
        wide = difference > 0
        low[active[wide]] = beta[active[wide]]
        high[active[~wide]] = beta[active[~wide]]
        left, right, now = low[active], high[active], beta[active]
        up = np.where(np.isinf(right), now * 2, (now + right) / 2)
        down = np.where(np.isinf(left), now / 2, (now + left) / 2)
        beta[active] = np.where(wide, up, down)
        entropy[active], probability[active] = _kernel(
            distances[active], others[active], beta[active]
        )
    return probability


def _kernel(
    distances: np.ndarray, others: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    weights = np.where(others, np.exp(-distances * beta[:, None]), 0.0)
    total = weights.sum(axis=1)
    there = total > 0
    safe = np.where(there, total, 1.0)
    mean = (distances * weights).sum(axis=1) / safe
    entropy = np.where(there, np.log(safe) + beta * mean, 0.0)
    return entropy, weights / safe[:, None]


def lisi(neighbours: Neighbours, codes: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """LISI of each cell, float64 ``(n,)``: 1 where all neighbours are alike.

    Korsunsky et al. 2019 (doi 10.1038/s41592-019-0619-0), unscaled.

    Parameters
    ----------
    codes
        Batch or cell type of each cell, integers from 0.
    probability
        From :func:`neighbour_probabilities`; the same for batches and cell types.
    """
    n_groups = int(codes.max()) + 1
    n = neighbours.n
    flat = np.arange(n)[:, None] * n_groups + codes[neighbours.indices]
    shares = np.bincount(flat.ravel(), weights=probability.ravel(), minlength=n * n_groups)
    simpson = np.square(shares.reshape(n, n_groups)).sum(axis=1)
    with np.errstate(divide="ignore"):
        return np.where(simpson > 0, 1 / simpson, -1.0)


def ilisi(per_cell: np.ndarray, n_batches: int) -> float:
    """Median iLISI scaled to 0 (apart) … 1 (mixed); NaN for a single batch."""
    if n_batches < 2:
        return float("nan")
    return float((np.nanmedian(per_cell) - 1) / (n_batches - 1))


def clisi(per_cell: np.ndarray, n_labels: int) -> float:
    """Median cLISI scaled to 0 (mixed) … 1 (apart); NaN for a single cell type."""
    if n_labels < 2:
        return float("nan")
    return float((n_labels - np.nanmedian(per_cell)) / (n_labels - 1))
