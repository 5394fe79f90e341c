"""The latent space in which the corrector works: principal components or an autoencoder.

Before it, cells are brought towards one length and genes towards one spread
(:class:`Evened`). A cell of few reads has a short log profile, so that its place in principal
components depends on its depth; the cosine does away with that (Haghverdi et al. 2018,
doi 10.1038/nbt.4091).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from core.models.integrators.base import PCASpace, principal_components
from core.progress import OnProgress, silent

WIDTH = 256
BATCH = 256


class Space(Protocol):
    """Between log expression ``(n, n_genes)`` and latent coordinates ``(n, d)``, float32."""

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Latent coordinates of log expression."""

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Log expression of latent coordinates."""


class PCALatent:
    """Principal components: linear both ways."""

    def __init__(self, space: PCASpace) -> None:
        self.space = space

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Scores."""
        return self.space.transform(values)

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Expression with these scores, in the span of the components."""
        return (latent @ self.space.components) * self.space.spread + self.space.mean


class Autoencoder(nn.Module):
    """Two layers down to ``d`` and two up again, trained on all batches as one."""

    mean: torch.Tensor

    def __init__(self, n_genes: int, d: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Linear(n_genes, WIDTH), nn.ELU(), nn.Linear(WIDTH, d))
        self.up = nn.Sequential(nn.Linear(d, WIDTH), nn.ELU(), nn.Linear(WIDTH, n_genes))
        self.register_buffer("mean", torch.zeros(n_genes))


class AutoencoderLatent:
    """A trained :class:`Autoencoder`."""

    def __init__(self, network: Autoencoder, device: str) -> None:
        self.network, self.device = network, device

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Codes."""
        return self._map(lambda x: self.network.down(x - self.network.mean), values)

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Expression of codes."""
        return self._map(lambda z: self.network.up(z) + self.network.mean, latent)

    @torch.inference_mode()
    def _map(
        self, function: Callable[[torch.Tensor], torch.Tensor], values: np.ndarray
    ) -> np.ndarray:
        blocks = np.array_split(np.asarray(values, np.float32), max(1, len(values) // 8192))
        out = [function(torch.as_tensor(b, device=self.device)).cpu().numpy() for b in blocks]
        return np.concatenate(out)


@dataclass(frozen=True)
class Evened:
    """Log expression with cells of like length and genes of like spread.

    ``x / (|x| / typical)^cell_power / sd^gene_power``: 0 leaves the cells or genes as they are, 1
    gives all cells one length (the cosine) or all genes one standard deviation.

    Attributes
    ----------
    cell_power
        0 … 1.
    typical
        Median length of the cells of training.
    spread
        float32 ``(n_genes,)``: what each gene is divided by.
    """

    cell_power: float
    typical: float
    spread: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, cell_power: float, gene_power: float) -> Evened:
        """Of the cells of training, log expression ``(n, n_genes)``."""
        length = np.linalg.norm(values, axis=1)
        some = length[length > 0]
        evened = cls(cell_power, float(np.median(some)) if len(some) else 1.0, np.empty(0))
        cells = values / evened.lengths(values)
        square = np.einsum("ij,ij->j", cells, cells, dtype=np.float64) / len(cells)
        variance = np.maximum(square - cells.mean(axis=0, dtype=np.float64) ** 2, 0.0)
        spread = np.where(variance > 0, variance, 1.0) ** (gene_power / 2)
        return cls(cell_power, evened.typical, spread.astype(np.float32))

    def lengths(self, values: np.ndarray) -> np.ndarray:
        """What each cell is divided by, float32 ``(n, 1)``; 1 for a cell of zeros."""
        length = np.linalg.norm(values, axis=1, keepdims=True) / self.typical
        return np.where(length > 0, length, 1.0).astype(np.float32) ** np.float32(self.cell_power)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Evened ``(n, n_genes)``."""
        evened = values / self.lengths(values)
        evened /= self.spread
        return evened

    def undo(self, change: np.ndarray, values: np.ndarray) -> np.ndarray:
        """A change of evened expression as one of the log expression ``values``."""
        return change * self.spread * self.lengths(values)


@dataclass(frozen=True)
class LatentSpace:
    """A latent space of evened log expression ``(n, n_genes)``."""

    evened: Evened
    space: Space

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Coordinates float32 ``(n, d)``."""
        return self.space.encode(self.evened.apply(values))

    def moved(self, values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Log expression of cells that went from ``before`` to ``after``, float32.

        What the space does not hold of ``values`` stays as it was.
        """
        change = self.space.decode(after) - self.space.decode(before)
        return (values + self.evened.undo(change, values)).astype(np.float32)


def fit_space(
    values: np.ndarray,
    kind: str,
    d: int,
    *,
    scale: bool = False,
    cell_power: float = 0.0,
    gene_power: float = 0.0,
    epochs: int = 40,
    device: str = "cpu",
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> tuple[LatentSpace, np.ndarray]:
    """The space fitted on all cells, and their coordinates float32 ``(n, d)``.

    Parameters
    ----------
    values
        Log expression ``(n, n_genes)``.
    kind
        ``"pca"`` or ``"autoencoder"``.
    d
        Dimensions.
    scale
        Of :func:`principal_components`.
    cell_power, gene_power
        Of :class:`Evened`.
    epochs
        Passes over the cells that train the autoencoder.
    """
    evened = Evened.fit(values, cell_power, gene_power)
    values = evened.apply(values)
    if kind == "pca":
        space, scores = principal_components(values, d, scale=scale, seed=seed)
        return LatentSpace(evened, PCALatent(space)), scores
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Autoencoder(values.shape[1], d)
    with torch.no_grad():
        network.mean.copy_(torch.as_tensor(values.mean(axis=0)))
    network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    generator = np.random.default_rng(seed)
    for epoch in range(epochs):
        on_progress(epoch, epochs, "Autoencoder")
        for rows in np.array_split(
            generator.permutation(len(values)), max(1, len(values) // BATCH)
        ):
            x = torch.as_tensor(values[rows], device=device) - network.mean
            loss = (network.up(network.down(x)) - x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    latent = AutoencoderLatent(network, device)
    return LatentSpace(evened, latent), latent.encode(values)
