"""Ridge regression and reduced-rank ridge regression, penalty and rank chosen on training cells."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from scipy import linalg

from core.models.base import Params
from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel
from core.models.expression.coordinates import Depth
from core.models.expression.spectral import PENALTIES, SpectralRidge, Spectrum


class RidgeParams(Params):
    """Penalty and features of the ridge regression."""

    penalty: float | None = Field(
        None,
        gt=0,
        le=1e9,
        title="Penalty",
        description="In units of the cells' mean squared norm; empty: the one of least "
        "leave-one-out error.",
    )
    per_gene: bool = Field(
        False,
        title="A penalty a gene",
        description="Choose each gene's own penalty by generalised cross-validation.",
    )
    depth: bool = Field(
        False,
        title="Depth",
        description="Add the cell's sequencing depth, as its measured genes tell it, to the "
        "features.",
    )


class LinearFeatures:
    """Centred measured genes, with depth where asked for."""

    def __init__(self, depth: bool) -> None:
        self._depth = Depth() if depth else None

    def fit(self, X: np.ndarray) -> np.ndarray:
        """Learn from training cells; returns their features, float32 ``(n, d)``."""
        self._centre = X.mean(axis=0)
        self._weight = float(np.sqrt(X.var(axis=0).sum()))
        if self._depth is not None:
            self._depth.fit(X)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Features of cells, float32 ``(n, d)``."""
        centred = np.asarray(X - self._centre, dtype=np.float32)
        if self._depth is None:
            return centred
        return np.concatenate(
            [centred, self._weight * self._depth.transform(X)], axis=1, dtype=np.float32
        )


@EXPRESSION_MODELS.register(
    "ridge",
    label="Ridge regression",
    help="Linear regression with a squared penalty, chosen by exact leave-one-out on the training "
    "cells.",
    kind="linear",
    loss="mse",
)
class Ridge(ExpressionModel):
    """Ridge regression through one singular value decomposition of the features."""

    Params = RidgeParams

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Decompose, choose the penalty, solve."""
        self._features = LinearFeatures(self.params.depth)
        spectrum = Spectrum.of_features(self._features.fit(inputs.X))
        ridge = SpectralRidge(spectrum, targets)
        if self.params.penalty is not None:
            penalties = np.array([self.params.penalty])
        else:
            penalties = ridge.choose(per_gene=self.params.per_gene).values
        self._penalty = float(np.median(penalties))
        self._mean, self._coefficients = ridge.mean, ridge.coefficients(penalties)
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        return self._features.transform(inputs.X) @ self._coefficients + self._mean

    def chosen(self) -> dict[str, float]:
        """The (median) penalty."""
        return {"penalty": self._penalty}


class ReducedRankParams(Params):
    """Rank and penalty of the reduced-rank ridge regression."""

    rank: int | None = Field(
        None,
        ge=1,
        le=2000,
        title="Rank",
        description="Rank of the coefficient matrix; empty: the one of least error on a tenth of "
        "the training cells.",
    )
    penalty: float | None = Field(
        None,
        gt=0,
        le=1e9,
        title="Penalty",
        description="In units of the cells' mean squared norm; empty: the one of least "
        "leave-one-out error.",
    )
    depth: bool = Field(
        False,
        title="Depth",
        description="Add the cell's sequencing depth, as its measured genes tell it, to the "
        "features.",
    )


@EXPRESSION_MODELS.register(
    "reduced_rank_ridge",
    label="Reduced-rank ridge",
    help="Ridge regression whose fitted values are projected on their leading principal "
    "components: few programmes carry all genes.",
    kind="linear",
    loss="mse",
)
class ReducedRankRidge(ExpressionModel):
    """Ridge coefficients projected on the leading right singular vectors of the fitted values.

    The optimum among coefficient matrices of the rank (Mukherjee & Zhu, Statistical Analysis and
    Data Mining 2011).
    """

    Params = ReducedRankParams

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Choose the rank on a tenth of the cells, then fit on all."""
        targets = np.asarray(targets, dtype=np.float32)
        self._rank = self.params.rank or self._best_rank(inputs.X, targets)
        self._solve(inputs.X, targets)
        axes = self._axes[: self._rank]
        self._reduced = self._coefficients @ axes.T
        self._kept = axes
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        return (self._features.transform(inputs.X) @ self._reduced) @ self._kept + self._mean

    def chosen(self) -> dict[str, float]:
        """Rank and penalty."""
        return {"rank": float(self._rank), "penalty": self._penalty}

    def _solve(self, X: np.ndarray, targets: np.ndarray) -> None:
        self._features = LinearFeatures(self.params.depth)
        spectrum = Spectrum.of_features(self._features.fit(X))
        ridge = SpectralRidge(spectrum, targets)
        # A low rank regularises too, so the best penalty of the full rank is the most needed.
        penalty = self.params.penalty or float(ridge.choose(per_gene=False).values[0])
        self._penalty = penalty
        self._mean, self._coefficients = ridge.mean, ridge.coefficients(np.array([penalty]))
        # ‖fitted‖ with the penalty's own part: (XᵀX + λI) is the metric of the projection.
        root = np.sqrt(spectrum.values / (spectrum.values + penalty * spectrum.scale))
        small = root[:, None].astype(np.float32) * ridge.rotated
        _, vectors = linalg.eigh(small @ small.T, check_finite=False)
        left = vectors[:, ::-1]
        axes = left.T @ small
        norms = np.linalg.norm(axes, axis=1)
        keep = norms > max(float(norms[0]), 1e-12) * 1e-5
        self._axes = (axes[keep] / norms[keep, None]).astype(np.float32)

    def _best_rank(self, X: np.ndarray, targets: np.ndarray) -> int:
        held = np.random.default_rng(self.seed).permutation(len(X))[: max(len(X) // 10, 1)]
        rest = np.setdiff1d(np.arange(len(X)), held)
        self._solve(X[rest], targets[rest])
        full = self._features.transform(X[held]) @ self._coefficients
        scores = full @ self._axes.T
        truth = (targets[held] - self._mean) @ self._axes.T
        # Orthonormal axes: each adds its own score² − 2 · score · truth to the squared error.
        gain = (scores**2 - 2.0 * scores * truth).sum(axis=0, dtype=np.float64)
        return int(np.argmin(np.cumsum(gain))) + 1


__all__ = ["PENALTIES", "LinearFeatures", "ReducedRankRidge", "Ridge"]
