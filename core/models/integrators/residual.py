"""The residual network of the corrector: identity plus a learned move (after deepMNN, Zou 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

#: A round takes at most so many steps, however many cells there are.
MOST_STEPS = 600


class ResidualBlock(nn.Module):
    """``h + W₂ PReLU(W₁ LayerNorm(h))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.act = nn.PReLU(width)
        self.second = nn.Linear(width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden state ``(b, width)``."""
        return hidden + self.second(self.act(self.first(self.norm(hidden))))


class ResidualCorrector(nn.Module):
    """``y = z + s · g(z / s, batch)``; the untrained network is the identity.

    Parameters
    ----------
    d
        Latent dimensions.
    n_batches
        Known batches; each has a vector that is added to the first hidden state.
    scale
        ``s``, one number for all dimensions, so that distances keep their proportions.
    """

    scale: torch.Tensor

    def __init__(self, d: int, n_batches: int, *, width: int, n_blocks: int, scale: float) -> None:
        super().__init__()
        self.enter = nn.Linear(d, width)
        self.batch = nn.Embedding(n_batches, width)
        self.gate = nn.Embedding(n_batches, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(n_blocks))
        self.leave = nn.Linear(width, d, bias=False)
        self.register_buffer("scale", torch.tensor(float(scale)))
        nn.init.normal_(self.batch.weight, std=0.5)
        nn.init.ones_(self.gate.weight)
        nn.init.zeros_(self.leave.weight)

    def forward(self, latent: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Corrected places ``(b, d)`` of ``latent`` ``(b, d)`` in batches int64 ``(b,)``."""
        hidden = self.enter(latent / self.scale) * self.gate(batch) + self.batch(batch)
        for block in self.blocks:
            hidden = block(hidden)
        return latent + self.scale * self.leave(hidden)


@dataclass(frozen=True)
class Round:
    """What one round of training needs, on the device."""

    latent: torch.Tensor
    batch: torch.Tensor
    target: torch.Tensor
    support: torch.Tensor


def train_round(
    network: ResidualCorrector,
    data: Round,
    *,
    alpha: float,
    beta: float,
    epochs: int,
    learning_rate: float,
    generator: np.random.Generator,
    on_epoch: Callable[[int, float, float], None],
) -> None:
    """Minimise ``L = α · L_batch + β · L_rec`` over the cells.

    ``L_batch`` is the mean squared distance to the soft target weighted by its support, ``L_rec``
    that to the input; both in units of ``network.scale²``.

    Parameters
    ----------
    on_epoch
        Called with the epoch and its mean ``L_batch`` and ``L_rec``.
    """
    n = len(data.latent)
    size = int(min(1024, max(128, n // 8)))
    n_batches = max(1, n // size)
    epochs = max(1, min(epochs, MOST_STEPS // n_batches))
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    unit = network.scale.square()
    for epoch in range(epochs):
        order = torch.as_tensor(generator.permutation(n), device=data.latent.device)
        sums = torch.zeros(2, device=data.latent.device)
        for rows in order.tensor_split(n_batches):
            corrected = network(data.latent[rows], data.batch[rows])
            away = (corrected - data.target[rows]).square().sum(1) / unit
            batch_loss = (data.support[rows] * away).mean()
            rec_loss = (corrected - data.latent[rows]).square().sum(1).mean() / unit
            loss = alpha * batch_loss + beta * rec_loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sums += torch.stack([batch_loss.detach(), rec_loss.detach()]) * len(rows)
        schedule.step()
        batch_mean, rec_mean = (sums / n).tolist()
        on_epoch(epoch, batch_mean, rec_mean)


@torch.inference_mode()
def apply(
    network: ResidualCorrector, latent: np.ndarray, batch: np.ndarray, device: str
) -> np.ndarray:
    """Corrected places, float32 ``(n, d)``."""
    network.eval()
    out = [
        network(torch.as_tensor(z, device=device), torch.as_tensor(b, device=device)).cpu().numpy()
        for z, b in zip(
            np.array_split(np.asarray(latent, np.float32), max(1, len(latent) // 8192)),
            np.array_split(batch, max(1, len(latent) // 8192)),
            strict=True,
        )
    ]
    network.train()
    return np.concatenate(out)
