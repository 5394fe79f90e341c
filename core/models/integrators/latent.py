"""The latent space in which the corrector works: principal components or an autoencoder."""

from __future__ import annotations

from collections.abc import Callable
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


def fit_space(
    values: np.ndarray,
    kind: str,
    d: int,
    *,
    scale: bool = False,
    epochs: int = 40,
    device: str = "cpu",
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> tuple[Space, np.ndarray]:
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
    epochs
        Passes over the cells that train the autoencoder.
    """
    if kind == "pca":
        space, scores = principal_components(values, d, scale=scale, seed=seed)
        return PCALatent(space), scores
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
    return latent, latent.encode(values)
