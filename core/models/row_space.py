"""Linear algebra of predictions that are mixtures of training rows.

A prediction ``W Y`` with ``Y`` the ``n`` training responses is known by its weights ``W``; its
errors follow from the rows' Gram matrix ``Y Yᵀ``. Fitting then costs O(n³), whatever the number
of genes, and MRRMSE over all genes is exact.
"""

from __future__ import annotations

import numpy as np


def row_gram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrix of the rows about their mean, per gene.

    Distances between mixtures whose weights sum to one do not depend on the origin; about the
    mean the float32 product keeps its digits.

    Parameters
    ----------
    values
        Responses ``(n, n_genes)``.

    Returns
    -------
    gram, mean
        float64 ``(n, n)``: ``(Y − m)(Y − m)ᵀ / n_genes``; and ``m``, float32 ``(n_genes,)``.
    """
    rows = np.asarray(values, dtype=np.float32)
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    centered = rows - mean
    return (centered @ centered.T).astype(np.float64) / max(rows.shape[1], 1), mean


def distances(gram: np.ndarray, mixtures: np.ndarray) -> np.ndarray:
    """Root mean square distance of row ``i`` from mixture ``i``, float64 ``(n,)``.

    Parameters
    ----------
    gram
        Of the rows, ``(n, n)``.
    mixtures
        Weights on the rows, ``(n, n)`` or one mixture ``(n,)`` for all.
    """
    if mixtures.ndim == 1:
        inner = gram @ mixtures
        squares = np.diag(gram) - 2.0 * inner + mixtures @ inner
    else:
        inner = mixtures @ gram
        squares = np.diag(gram) - 2.0 * np.diag(inner) + np.einsum("ij,ij->i", inner, mixtures)
    return np.sqrt(np.maximum(squares, 0.0))


def median_mixture(
    gram: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> np.ndarray:
    """The geometric median of the rows as a mixture of them, float64 ``(n,)`` with sum 1.

    The point with the least (weighted) sum of distances to the rows, that is the constant
    prediction with the least MRRMSE, by Weiszfeld's iteration (1937).

    Parameters
    ----------
    gram
        Of the rows, ``(n, n)``.
    weights
        Row weights ``(n,)``; default: equal.
    """
    n = len(gram)
    base = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    base = base / base.sum()
    floor = 1e-9 * max(float(np.sqrt(np.diag(gram).mean())), 1e-12)
    mixture = base
    for _ in range(max_iterations):
        pulled = base / np.maximum(distances(gram, mixture), floor)
        pulled /= pulled.sum()
        moved = float(np.abs(pulled - mixture).sum())
        mixture = pulled
        if moved < tolerance:
            break
    return mixture
