"""Ridge regression of many targets through one decomposition, with its penalty chosen in it.

Every linear smoother here is ``Ŷ = m + U diag(w / (w + λ)) Uᵀ (Y − m)`` with the eigenvectors
``U`` and eigenvalues ``w`` of a kernel matrix, or the left singular vectors and squared singular
values of a feature matrix. Its leave-one-out residuals and its generalised cross-validation score
follow in closed form for every penalty (Golub, Heath & Wahba, Technometrics 1979), so a penalty
costs no further fit, also where each gene has a penalty of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import linalg

#: Penalties in units of the mean diagonal of the kernel matrix.
PENALTIES = np.geomspace(3e-3, 3e3, 25)
#: Components up to which leave-one-out is exact.
_EXACT_COMPONENTS = 1000
#: Genes that are scored at once.
_GENES_AT_ONCE = 4096


@dataclass(frozen=True)
class Spectrum:
    """A decomposition: left vectors ``(n, r)``, eigenvalues ``(r,)``, and the unit of penalties.

    Attributes
    ----------
    right
        For features: right singular vectors ``(r, d)``; None for a kernel matrix.
    """

    vectors: np.ndarray
    values: np.ndarray
    scale: float
    right: np.ndarray | None = None

    @classmethod
    def of_features(cls, features: np.ndarray) -> Self:
        """Of centred features ``(n, d)``."""
        u, s, vt = linalg.svd(features, full_matrices=False, check_finite=False)
        keep = s > s[0] * 1e-6 if len(s) and s[0] > 0 else np.zeros(len(s), dtype=bool)
        values = s[keep].astype(np.float64) ** 2
        scale = float(values.sum() / len(features)) or 1.0
        return cls(u[:, keep], values, scale, vt[keep])

    @classmethod
    def of_kernel(cls, kernel: np.ndarray) -> Self:
        """Of a kernel matrix ``(n, n)`` between training cells; the matrix is overwritten."""
        scale = float(np.trace(kernel)) / len(kernel) or 1.0
        # Divide and conquer takes a third of the default driver's time for all eigenvectors.
        values, vectors = linalg.eigh(kernel, driver="evd", overwrite_a=True, check_finite=False)
        keep = values > values[-1] * 1e-7
        return cls(vectors[:, keep], values[keep].astype(np.float64), scale)


@dataclass(frozen=True)
class Penalties:
    """Chosen penalties ``(1,)`` or ``(n_targets,)`` and their mean cross-validated error."""

    values: np.ndarray
    error: float


class SpectralRidge:
    """The fitted smoother of one :class:`Spectrum`.

    Parameters
    ----------
    spectrum
        Of the training cells.
    targets
        ``(n, n_targets)``; their mean is the intercept.
    """

    def __init__(self, spectrum: Spectrum, targets: np.ndarray) -> None:
        self.spectrum = spectrum
        self.n = len(targets)
        self.mean = np.asarray(targets).mean(axis=0, dtype=np.float64).astype(np.float32)
        self._centred = np.asarray(targets, dtype=np.float32) - self.mean
        self.rotated = spectrum.vectors.T @ self._centred

    def shrunk(self, penalty: float) -> np.ndarray:
        """``w / (w + λ)`` of every component, float64 ``(r,)``; λ in units of the scale."""
        values = self.spectrum.values
        return values / (values + penalty * self.spectrum.scale)

    def generalised(self, penalties: np.ndarray = PENALTIES) -> np.ndarray:
        """Generalised cross-validation error, ``(n_penalties, n_targets)``."""
        squared = np.square(self.rotated, dtype=np.float64)
        outside = np.square(self._centred, dtype=np.float64).sum(axis=0) - squared.sum(axis=0)
        shrunk = np.stack([self.shrunk(penalty) for penalty in penalties])
        residual = ((1.0 - shrunk) ** 2) @ squared + np.maximum(outside, 0.0)
        free = 1.0 - (shrunk.sum(axis=1) + 1.0) / self.n  # the intercept takes one degree as well
        return residual / self.n / np.maximum(free, 1e-3)[:, None] ** 2

    def leave_one_out(self, penalties: np.ndarray = PENALTIES) -> np.ndarray:
        """Exact leave-one-out mean squared error over all targets, ``(n_penalties,)``.

        Row norms of the residuals come from two small products, so the cost of a penalty does
        not depend on the number of targets; where there are fewer targets than components, the
        residuals themselves are the smaller product.
        """
        vectors = self.spectrum.vectors
        errors = np.empty(len(penalties))
        if self._centred.shape[1] < vectors.shape[1]:
            for i, penalty in enumerate(penalties):
                residual = self._left_out_residual(penalty)
                errors[i] = np.square(residual, dtype=np.float64).sum(axis=1).mean()
            return errors / self._centred.shape[1]
        cross = self._centred @ self.rotated.T
        inner = self.rotated @ self.rotated.T
        squares = np.square(self._centred, dtype=np.float64).sum(axis=1)
        for i, penalty in enumerate(penalties):
            shrunk = self.shrunk(penalty).astype(np.float32)
            fitted = vectors * shrunk
            norms = (
                squares
                - 2.0 * np.einsum("ij,ij->i", fitted, cross, dtype=np.float64)
                + np.einsum("ij,ij->i", fitted @ inner, fitted, dtype=np.float64)
            )
            kept = 1.0 - np.einsum("ij,ij->i", fitted, vectors) - 1.0 / self.n
            errors[i] = (np.maximum(norms, 0.0) / np.maximum(kept, 1e-3) ** 2).mean()
        return errors / self._centred.shape[1]

    def choose(self, *, per_gene: bool, penalties: np.ndarray = PENALTIES) -> Penalties:
        """The penalty of least error: one for all genes, or each gene's own.

        One for all: by exact leave-one-out, or, where there are so many components that it would
        cost more than the decomposition, by generalised cross-validation as for a gene of its own.
        """
        if not per_gene:
            exact = len(self.spectrum.values) <= _EXACT_COMPONENTS
            errors = (
                self.leave_one_out(penalties) if exact else self.generalised(penalties).mean(axis=1)
            )
            best = int(np.argmin(errors))
            return Penalties(penalties[best : best + 1], float(errors[best]))
        scores = self.generalised(penalties)
        best_of = scores.argmin(axis=0)
        return Penalties(penalties[best_of], float(scores.min(axis=0).mean()))

    def coefficients(self, penalties: np.ndarray) -> np.ndarray:
        """What to multiply features by, ``(d, n_targets)``, or kernel rows by, ``(n, n_targets)``."""
        spectrum = self.spectrum
        values = spectrum.values[:, None]
        width = self.rotated.shape[1]
        if spectrum.right is None:
            left, root = spectrum.vectors, np.ones_like(values)
        else:
            left, root = spectrum.right.T, np.sqrt(values)
        made = np.empty((left.shape[0], width), dtype=np.float32)
        lam = np.broadcast_to(penalties, (width,)) * spectrum.scale
        for start in range(0, width, _GENES_AT_ONCE):
            part = slice(start, start + _GENES_AT_ONCE)
            factor = (root / (values + lam[None, part])).astype(np.float32)
            made[:, part] = left @ (factor * self.rotated[:, part])
        return made

    def left_out(self, penalty: float) -> np.ndarray:
        """Exact leave-one-out predictions of the training cells, float32 ``(n, n_targets)``."""
        return self._centred + self.mean - self._left_out_residual(penalty)

    def _left_out_residual(self, penalty: float) -> np.ndarray:
        """``(y − ŷ) / (1 − leverage)`` of the training cells, float32 ``(n, n_targets)``."""
        vectors = self.spectrum.vectors
        fitted = vectors * self.shrunk(penalty).astype(np.float32)
        kept = 1.0 - np.einsum("ij,ij->i", fitted, vectors) - 1.0 / self.n
        residual = self._centred - fitted @ self.rotated
        return residual / np.maximum(kept, 1e-3).astype(np.float32)[:, None]
