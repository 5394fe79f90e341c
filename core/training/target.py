"""What is done to responses before a network sees them; all of it fitted on training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.linalg
import torch

from core.models.geometric_median import geometric_median


def clip_responses(values: np.ndarray, clip: float | None) -> np.ndarray:
    """Responses clipped to ±``clip``, float32 ``(n, n_genes)``; ``None`` leaves them as they are."""
    values = np.asarray(values, dtype=np.float32)
    return values if clip is None else np.clip(values, -clip, clip)


def robust_row_weights(values: np.ndarray) -> np.ndarray:
    """Weights ``(n,)`` with mean 1 that take strong rows down to the median row's influence.

    The weight is ``min(1, median norm / norm)``: the square loss of a row grows with its squared
    norm, so without it a few rows carry the fit (Huber's weight with the row norm as residual).
    """
    norms = np.linalg.norm(np.asarray(values, dtype=np.float64), axis=1)
    typical = float(np.median(norms))
    if typical <= 0.0:
        return np.ones(len(norms), dtype=np.float32)
    weights = np.minimum(1.0, typical / np.maximum(norms, 1e-12))
    return np.asarray(weights / weights.mean(), dtype=np.float32)


@dataclass(frozen=True)
class FullHead:
    """A network's outputs are the responses of all genes.

    Attributes
    ----------
    center
        The prediction that training starts from, float32 ``(n_genes,)``.
    """

    center: np.ndarray

    @property
    def n_outputs(self) -> int:
        """Outputs of the network: one a gene."""
        return len(self.center)

    @property
    def n_genes(self) -> int:
        """Genes of a response."""
        return len(self.center)

    def start(self) -> np.ndarray:
        """The outputs that mean the start prediction, ``(n_outputs,)``."""
        return self.center

    def to(self, device: torch.device) -> Self:
        """Nothing of it needs a device."""
        return self

    def encode(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What outputs are compared with, and the squared error no output can reach (none)."""
        return values, None

    def decode(self, outputs: torch.Tensor) -> torch.Tensor:
        """Responses ``(b, n_genes)`` of outputs ``(b, n_outputs)``."""
        return outputs

    def row_mse(
        self, outputs: torch.Tensor, target: torch.Tensor, unreachable: torch.Tensor | None
    ) -> torch.Tensor:
        """Mean squared error of each row over the genes, ``(b,)``."""
        # The norm's own backward pass is one product; that of square and mean is three.
        return torch.linalg.vector_norm(outputs - target, dim=1).square() / self.n_genes

    def state(self) -> dict[str, np.ndarray]:
        """Fitted arrays by name."""
        return {"center": self.center}


class LowRankHead:
    """A network's outputs are the scores of a truncated SVD of the training responses.

    With an orthonormal basis ``V`` the squared error of a row splits exactly into
    ``‖z − ẑ‖² + ‖(I − VVᵀ)(y − c)‖²``: MRRMSE and MSE over all genes cost only the components.
    Outputs are in units of each component's root mean square, so that all learn at one pace.

    Parameters
    ----------
    center
        ``c``, float32 ``(n_genes,)``.
    basis
        ``V``, orthonormal columns, float32 ``(n_genes, k)``.
    scale
        Root mean square of each component in training rows, float32 ``(k,)``.
    """

    def __init__(self, center: np.ndarray, basis: np.ndarray, scale: np.ndarray) -> None:
        self.center, self.basis, self.scale = center, basis, scale
        self._on: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def fit(cls, values: np.ndarray, center: np.ndarray, n_components: int) -> LowRankHead:
        """Truncated SVD of ``values − center``; at most as many components as its rank."""
        residual = np.asarray(values, dtype=np.float32) - center
        # Eigenvectors of the small Gram matrix are the SVD at a hundredth of its cost; the QR
        # step afterwards restores the orthonormality that squaring the condition lost.
        squares, mixtures = np.linalg.eigh((residual @ residual.T).astype(np.float64))
        top = np.argsort(squares)[::-1][:n_components]
        rank = int((squares[top] > 1e-8 * max(float(squares.max()), 1e-24)).sum())
        top = top[: max(1, rank)]
        mixtures = mixtures[:, top] / np.sqrt(np.maximum(squares[top], 1e-24))
        basis, _ = scipy.linalg.qr(
            residual.T @ mixtures.astype(np.float32), mode="economic", check_finite=False
        )
        # The sign of a component is arbitrary: fixed, so that the same data give the same head.
        basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
        scores = residual @ basis
        scale = np.sqrt(np.square(scores, dtype=np.float64).mean(axis=0))
        return cls(
            np.asarray(center, dtype=np.float32),
            np.ascontiguousarray(basis, dtype=np.float32),
            np.asarray(np.maximum(scale, 1e-6), dtype=np.float32),
        )

    @property
    def n_outputs(self) -> int:
        """Outputs of the network: one a component."""
        return self.basis.shape[1]

    @property
    def n_genes(self) -> int:
        """Genes of a response."""
        return len(self.center)

    def start(self) -> np.ndarray:
        """The outputs that mean the start prediction, ``(n_outputs,)``: zeros, the center."""
        return np.zeros(self.n_outputs, dtype=np.float32)

    def to(self, device: torch.device) -> Self:
        """Put the basis on the device."""
        arrays = (self.center, self.basis, self.scale)
        center, basis, scale = (torch.from_numpy(array).to(device) for array in arrays)
        self._on = (center, basis, scale)
        return self

    def _arrays(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if self._on is None:
            self.to(torch.device("cpu"))
        assert self._on is not None
        return self._on

    def encode(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scores ``(n, k)`` in output units, and the mean squared error outside the basis ``(n,)``."""
        center, basis, scale = self._arrays()
        residual = values - center
        scores = residual @ basis
        # Not the difference of two squared norms: for a strong row that would be rounding noise.
        outside = (residual - scores @ basis.T).square().mean(dim=1)
        return scores / scale, outside

    def decode(self, outputs: torch.Tensor) -> torch.Tensor:
        """Responses ``(b, n_genes)`` of outputs ``(b, k)``."""
        center, basis, scale = self._arrays()
        return center + (outputs * scale) @ basis.T

    def row_mse(
        self, outputs: torch.Tensor, target: torch.Tensor, unreachable: torch.Tensor | None
    ) -> torch.Tensor:
        """Mean squared error of each row over *all genes*, ``(b,)``, from the components alone."""
        scale = self._arrays()[2]
        inside = ((outputs - target) * scale).square().sum(dim=1) / self.n_genes
        return inside if unreachable is None else inside + unreachable

    def state(self) -> dict[str, np.ndarray]:
        """Fitted arrays by name."""
        return {"center": self.center, "basis": self.basis, "scale": self.scale}


Head = FullHead | LowRankHead


def fit_head(
    values: np.ndarray, n_components: int | None, weights: np.ndarray | None = None
) -> Head:
    """The head of a network for training responses ``(n, n_genes)``.

    It starts at the geometric median, the best constant under MRRMSE.
    """
    center = geometric_median(values, weights)
    if n_components is None:
        return FullHead(center)
    return LowRankHead.fit(values, center, n_components)


def head_from_state(state: dict[str, np.ndarray]) -> Head:
    """Inverse of ``head.state()``."""
    if "basis" in state:
        return LowRankHead(state["center"], state["basis"], state["scale"])
    return FullHead(state["center"])
