"""Ridge regression on all selected features."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field

from core.models.base import MODELS, Params, ResponseModel
from core.models.inputs import Inputs


class RidgeParams(Params):
    """Penalty of the ridge regression."""

    penalty: float | None = Field(
        None,
        gt=0,
        le=1e9,
        title="Penalty",
        description="Ridge penalty for standardised features, a feature; empty: the one of least "
        "leave-one-out error.",
    )


@MODELS.register(
    "ridge",
    label="Ridge regression",
    help="Linear regression with a squared penalty on all selected features, standardised; the "
    "penalty is chosen by leave-one-out.",
    kind="classical",
)
class Ridge(ResponseModel):
    """Ridge regression in its dual form: one eigendecomposition of ``X Xᵀ`` serves all penalties.

    Each of the two branches has the same total variance, so that the many molecule columns do
    not drown the few of the cell type.
    """

    Params = RidgeParams
    PENALTIES = np.logspace(-2, 4, 25)

    def fit(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Fit with optional row weights."""
        base = np.ones(len(inputs)) if weights is None else np.asarray(weights, dtype=np.float64)
        share = base / base.sum()
        blocks, self._center, self._scale = [], [], []
        for block in (inputs.cell, inputs.molecule):
            values = block.astype(np.float64)
            center = share @ values
            deviation = np.sqrt(share @ (values - center) ** 2)
            varies = deviation > 1e-9
            scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
            scale /= np.sqrt(max(int(varies.sum()), 1))
            blocks.append((values - center) * scale)
            self._center.append(center)
            self._scale.append(scale)
        features = np.concatenate(blocks, axis=1)
        targets = np.asarray(targets, dtype=np.float32)
        self._mean = (share @ targets).astype(np.float32)
        residual = targets - self._mean
        root = np.sqrt(base / base.mean())
        weighted = features * root[:, None]
        eigenvalues, vectors = np.linalg.eigh(weighted @ weighted.T)
        eigenvalues = np.maximum(eigenvalues, 0.0)
        rotated = vectors.T.astype(np.float32) @ (residual * root[:, None].astype(np.float32))
        penalty = self.params.penalty or self._best(eigenvalues, vectors, rotated)
        dual = vectors @ (rotated / (eigenvalues + penalty)[:, None])
        self._coefficients = (weighted.T @ dual).astype(np.float32)
        return self

    def _best(self, eigenvalues: np.ndarray, vectors: np.ndarray, rotated: np.ndarray) -> float:
        """The penalty with the least mean leave-one-out row error."""
        gram = (rotated @ rotated.T).astype(np.float64)
        scores = []
        for penalty in self.PENALTIES:
            left = vectors * (penalty / (eigenvalues + penalty))  # residuals = left @ rotated
            norms = np.sqrt(
                np.maximum(np.einsum("ij,jk,ik->i", left, gram, left, optimize=True), 0)
            )
            kept = np.maximum(np.einsum("ij,ij->i", left, vectors), 1e-6)  # 1 − leverage
            scores.append(float((norms / kept).mean()))
        return float(self.PENALTIES[int(np.argmin(scores))])

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Predicted responses, float32 ``(n, n_genes)``."""
        blocks = [
            (block - center) * scale
            for block, center, scale in zip(
                (inputs.cell, inputs.molecule), self._center, self._scale, strict=True
            )
        ]
        features = np.concatenate(blocks, axis=1).astype(np.float32)
        return features @ self._coefficients + self._mean

    def state(self) -> dict[str, np.ndarray]:
        """Scaling, coefficients and mean."""
        return {
            "center_cell": self._center[0],
            "center_molecule": self._center[1],
            "scale_cell": self._scale[0],
            "scale_molecule": self._scale[1],
            "coefficients": self._coefficients,
            "mean": self._mean,
        }

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put the fitted arrays back."""
        self._center = [state["center_cell"], state["center_molecule"]]
        self._scale = [state["scale_cell"], state["scale_molecule"]]
        self._coefficients, self._mean = state["coefficients"], state["mean"]
        return self
