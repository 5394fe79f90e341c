"""Principal components of an expression matrix, through the smaller of its two Gram matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Above this size of the smaller side, components come from a randomised range finder.
EXACT_BELOW = 3500
OVERSAMPLE, POWER = 20, 3


@dataclass(frozen=True)
class Components:
    """Leading components of a centred matrix ``X ≈ scores @ loadings.T``.

    Attributes
    ----------
    scores
        ``U S``, float32 ``(n, r)``.
    loadings
        Orthonormal columns, float32 ``(p, r)``.
    variances
        Variance of each component (denominator ``n``), float64 ``(r,)``, falling.
    total
        Variance of all genes together.
    """

    scores: np.ndarray
    loadings: np.ndarray
    variances: np.ndarray
    total: float

    @property
    def noise(self) -> float:
        """Mean variance of the components that are left out."""
        n, p = len(self.scores), len(self.loadings)
        others = min(n - 1, p) - len(self.variances)
        return max(self.total - float(self.variances.sum()), 0.0) / others if others > 0 else 0.0


def principal_components(X: np.ndarray, r: int, *, seed: int = 0) -> Components:
    """The first ``r`` components (fewer where the rank is lower) of centred ``X`` ``(n, p)``.

    Exact for a smaller side up to 3,500, else by a randomised range finder with three power
    iterations (Halko, Martinsson & Tropp, *SIAM Rev.* 53, 2011).
    """
    n, p = X.shape
    r = max(1, min(r, n - 1, p))
    total = float(np.einsum("ij,ij->", X, X, dtype=np.float64)) / n
    if min(n, p) <= EXACT_BELOW:
        from scipy.linalg import eigh

        small = X @ X.T if n <= p else X.T @ X
        size = len(small)
        values, vectors = eigh(small.astype(np.float64), subset_by_index=[size - r, size - 1])
        values, vectors = values[::-1], vectors[:, ::-1]
        keep = values > max(values[0], 0.0) * 1e-10
        values, vectors = values[keep], vectors[:, keep].astype(np.float32)
        root = np.sqrt(values).astype(np.float32)
        if n <= p:
            return Components(vectors * root, (X.T @ vectors) / root, values / n, total)
        return Components(X @ vectors, vectors, values / n, total)
    rng = np.random.default_rng(seed)
    basis = X @ rng.standard_normal((p, min(r + OVERSAMPLE, p, n))).astype(np.float32)
    for _ in range(POWER):
        basis, _ = np.linalg.qr(basis)
        basis, _ = np.linalg.qr(X.T @ basis)
        basis = X @ basis
    basis, _ = np.linalg.qr(basis)
    left, singular, right = np.linalg.svd(basis.T @ X, full_matrices=False)
    left, singular, right = left[:, :r], singular[:r], right[:r]
    return Components(
        (basis @ left) * singular, right.T.copy(), singular.astype(np.float64) ** 2 / n, total
    )
