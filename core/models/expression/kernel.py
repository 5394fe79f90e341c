"""Kernel ridge regression on cell state and depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field
from scipy import linalg

from core.models.base import Params
from core.models.expression.base import (
    EXPRESSION_MODELS,
    ROWS_AT_ONCE,
    ExpressionInputs,
    ExpressionModel,
)
from core.models.expression.coordinates import Depth, Guided, Principal
from core.models.expression.spectral import SpectralRidge, Spectrum

_SAMPLE = 500


class KernelRidgeParams(Params):
    """The kernel, its penalty, and when it is approximated."""

    n_components: int = Field(
        20, ge=1, le=500, title="Components", description="Of each of the two cell-state spaces."
    )
    width: float = Field(
        1.0,
        gt=0,
        le=100,
        title="Kernel width",
        description="Of the Gaussian kernels, in units of the median distance between cells.",
    )
    depth_width: float = Field(
        2.2,
        gt=0,
        le=1000,
        title="Depth width",
        description="Of the depth kernel, in standard deviations of depth; large: depth is "
        "hardly looked at.",
    )
    per_gene: bool = Field(
        True,
        title="A penalty a gene",
        description="Choose each gene's penalty by generalised cross-validation, else one for all "
        "by exact leave-one-out.",
    )
    exact_cells: int = Field(
        4000,
        ge=100,
        le=20_000,
        title="Exact up to",
        description="Training cells up to which the kernel is exact; more cells are approximated "
        "by Nyström's method with as many randomly chosen ones.",
    )


@dataclass
class _Views:
    """Cells as the kernel sees them."""

    linear: np.ndarray
    states: list[np.ndarray]
    depth: np.ndarray


@EXPRESSION_MODELS.register(
    "kernel_ridge",
    label="Kernel ridge",
    help="Ridge regression with a kernel of cell state (linear and Gaussian, in measured and in "
    "predicted principal components) times one of sequencing depth; a penalty a gene.",
    kind="kernel",
    loss="mse",
)
class KernelRidge(ExpressionModel):
    """``k(a, b) = (linear + Gaussian(principal) + Gaussian(guided)) · Gaussian(depth)``.

    Product with the depth kernel: how a cell's state shows in log-normalised values changes with
    depth. All parts have unit mean diagonal. Above ``exact_cells`` training cells, features
    ``K_nm K_mm^(−1/2)`` of ``m`` random cells take the kernel's place (Williams & Seeger, NIPS
    2000).
    """

    Params = KernelRidgeParams

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Build the kernel on training cells, choose penalties, solve."""
        views = self._learn(inputs, targets)
        n, m = len(inputs), self.params.exact_cells
        self._root: np.ndarray | None = None
        if n <= m:
            self._cells = views
            spectrum = Spectrum.of_kernel(self._kernel(views, views))
        else:
            chosen = np.sort(np.random.default_rng(self.seed).choice(n, m, replace=False))
            self._cells = _take(views, chosen)
            self._root = inverse_root(self._kernel(self._cells, self._cells))
            features = np.concatenate(list(self._blocks(views)))
            self._offset = features.mean(axis=0)
            spectrum = Spectrum.of_features(features - self._offset)
        ridge = SpectralRidge(spectrum, targets)
        penalties = ridge.choose(per_gene=self.params.per_gene).values
        self._penalty = float(np.median(penalties))
        self._mean, self._coefficients = ridge.mean, ridge.coefficients(penalties)
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        views = self._see(inputs)
        parts = []
        for block in self._blocks(views):
            values = block if self._root is None else block - self._offset
            parts.append(values @ self._coefficients + self._mean)
        return np.concatenate(parts)

    def chosen(self) -> dict[str, float]:
        """The (median) penalty."""
        return {"penalty": self._penalty}

    def _learn(self, inputs: ExpressionInputs, targets: np.ndarray) -> _Views:
        k, rng = self.params.n_components, np.random.default_rng(self.seed)
        self._principal, self._guided = Principal(k, self.seed), Guided(k, self.seed)
        self._depth = Depth().fit(inputs.X)
        self._centre = inputs.X.mean(axis=0)
        states = [self._principal.fit(inputs.X), self._guided.fit(inputs.X, targets)]
        sample = rng.permutation(len(inputs))[:_SAMPLE]
        self._scales = []
        for state in states:
            distances = squared_distances(state[sample], state[sample])
            median = float(np.median(distances[np.triu_indices(len(sample), 1)]))
            self._scales.append(1.0 / (self.params.width * np.sqrt(max(median, 1e-12))))
        linear = np.asarray(inputs.X - self._centre, dtype=np.float32)
        self._linear_scale = 1.0 / max(float(np.sqrt((linear**2).sum(axis=1).mean())), 1e-12)
        return self._scaled(linear, states, self._depth.transform(inputs.X))

    def _see(self, inputs: ExpressionInputs) -> _Views:
        states = [self._principal.transform(inputs.X), self._guided.transform(inputs.X)]
        linear = np.asarray(inputs.X - self._centre, dtype=np.float32)
        return self._scaled(linear, states, self._depth.transform(inputs.X))

    def _scaled(self, linear: np.ndarray, states: list[np.ndarray], depth: np.ndarray) -> _Views:
        scaled = [s * np.float32(scale) for s, scale in zip(states, self._scales, strict=True)]
        depth = depth / np.float32(np.sqrt(2.0) * self.params.depth_width)
        return _Views(linear * np.float32(self._linear_scale), scaled, depth)

    def _blocks(self, views: _Views) -> list[np.ndarray]:
        """Kernel rows against the remembered cells, or Nyström features, in blocks."""
        blocks = []
        for start in range(0, len(views.linear), ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, len(views.linear)))
            block = self._kernel(_take(views, rows), self._cells)
            blocks.append(block if self._root is None else block @ self._root)
        return blocks

    @staticmethod
    def _kernel(a: _Views, b: _Views) -> np.ndarray:
        total = a.linear @ b.linear.T
        for left, right in zip(a.states, b.states, strict=True):
            total += np.exp(-squared_distances(left, right))
        total *= np.exp(-squared_distances(a.depth, b.depth))
        return total


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances ``(n, m)``."""
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2.0 * (a @ b.T)
    return np.maximum(square, 0.0, out=square)


def inverse_root(kernel: np.ndarray) -> np.ndarray:
    """``K^(−1/2)`` of a positive semi-definite matrix; directions of no weight are left out."""
    values, vectors = linalg.eigh(kernel, driver="evd", check_finite=False)
    keep = values > values[-1] * 1e-6
    return vectors[:, keep] / np.sqrt(values[keep])


def _take(views: _Views, rows: np.ndarray) -> _Views:
    return _Views(views.linear[rows], [s[rows] for s in views.states], views.depth[rows])
