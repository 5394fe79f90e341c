"""Training of the network behind :mod:`core.models.selectors.deep_group_lasso`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from core.progress import OnProgress

#: Share of the cells that say when the first penalty is learned and what each set costs.
VALIDATION = 0.1


@dataclass(frozen=True)
class PathResult:
    """First-layer weights ``(hidden, p)`` of the chosen penalty, and one record a penalty."""

    weights: np.ndarray
    path: list[dict[str, float]]


def network(p: int, params: Any) -> nn.Sequential:
    """Linear–dropout–ReLU blocks and a last linear layer, ``p`` genes to ``p`` genes."""
    layers: list[nn.Module] = []
    size = p
    for _ in range(params.blocks):
        layers += [nn.Linear(size, params.hidden), nn.Dropout(params.dropout), nn.ReLU()]
        size = params.hidden
    layers.append(nn.Linear(size, p))
    return nn.Sequential(*layers)


def loss_of(prediction: torch.Tensor, target: torch.Tensor, kind: str) -> torch.Tensor:
    """Mean of ``(target + 1)(prediction − target)²``, or of the plain square."""
    square = (prediction - target) ** 2
    return ((target + 1) * square).mean() if kind == "weighted" else square.mean()


@torch.no_grad()
def shrink_groups(weights: torch.Tensor, amount: torch.Tensor | float) -> None:
    """Proximal step of ``amount · Σ_j ‖W_j‖₂`` on the columns of ``weights``, in place.

    Columns whose norm is at most ``amount`` become exactly zero.
    """
    norms = weights.norm(dim=0)
    factor = torch.where(norms > amount, 1 - amount / norms.clamp_min(1e-30), 0.0)
    weights.mul_(factor)


def train_path(
    X: np.ndarray, k: int, params: Any, *, seed: int, device: str, on_progress: OnProgress
) -> PathResult:
    """Learn without many zeros first, then raise the penalty until ``k`` genes are left.

    Returns the weights of the last penalty that still has ``k`` genes.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    place = torch.device(device)
    n, p = X.shape
    perm = torch.randperm(n, generator=generator)
    n_validation = max(1, min(round(VALIDATION * n), n - 1))
    data = torch.from_numpy(np.array(X, dtype=np.float32, copy=True)).to(place)
    held, fit = data[perm[:n_validation].to(place)], data[perm[n_validation:].to(place)]
    model = network(p, params).to(place)
    first = model[0]
    assert isinstance(first, nn.Linear)
    last = model[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias.copy_(fit.mean(dim=0))
    optimiser = torch.optim.Adam(model.parameters(), lr=params.learning_rate)
    path: list[dict[str, float]] = []
    penalty, kept = params.first_penalty, first.weight.detach().clone()
    for index in range(params.most_penalties):
        epochs = params.epochs if index == 0 else params.path_epochs
        train, validation = _fit(
            model, first, optimiser, fit, held, params, penalty, epochs, generator
        )
        alive = int((first.weight.detach() != 0).any(dim=0).sum())
        path.append(
            {
                "penalty": penalty,
                "n_genes": alive,
                "error": train,
                "validation_error": validation,
            }
        )
        on_progress(index + 1, params.most_penalties, f"{alive:,} genes at penalty {penalty:.3g}")
        if alive < k:
            break
        kept = first.weight.detach().clone()
        if alive == k or params.mode == "paper ranking":
            break
        penalty *= params.step
    return PathResult(kept.cpu().numpy(), path)


def _fit(
    model: nn.Sequential,
    first: nn.Linear,
    optimiser: torch.optim.Optimizer,
    fit: torch.Tensor,
    held: torch.Tensor,
    params: Any,
    penalty: float,
    epochs: int,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Train at one penalty; mean training loss of the last epoch, and validation loss."""
    best, waited, train, validation = float("inf"), 0, float("nan"), float("nan")
    rate = optimiser.param_groups[0]["lr"]
    for _ in range(epochs):
        model.train()
        total = 0.0
        order = torch.randperm(len(fit), generator=generator).to(fit.device)
        for batch in order.split(params.batch_size):
            rows = fit[batch]
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(model(rows), rows, params.loss)
            loss.backward()
            optimiser.step()
            shrink_groups(first.weight, rate * penalty)
            total += float(loss.detach()) * len(batch)
        train = total / len(fit)
        model.eval()
        with torch.no_grad():
            validation = float(loss_of(model(held), held, params.loss))
        if validation < best - 1e-5:
            best, waited = validation, 0
        else:
            waited += 1
            if waited >= params.patience:
                break
    return train, validation
