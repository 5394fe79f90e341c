"""Training of the network behind :mod:`core.models.selectors.deep_group_lasso`."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from core.progress import OnProgress

#: Share of the cells that say when the first penalty is learned and what each set costs.
VALIDATION = 0.1
#: The path ends where at most this share of genes is left above the wanted number …
ENOUGH = 0.05
#: … or where steps have become this small.
SMALLEST_STEP = 1.02


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


class ProximalStep:
    """Proximal gradient steps with momentum for the first layer.

    Adam would divide each weight's gradient by its own size, and the penalty would then no longer
    be weighed against how much a gene explains. Here one number scales the whole layer: the root
    mean square of its gradient over the first epoch, fixed from then on. Penalties are in its
    unit.
    """

    def __init__(self, layer: nn.Linear, rate: float, momentum: float = 0.9) -> None:
        self.weight, self.rate, self.momentum = layer.weight, rate, momentum
        self.average = torch.zeros_like(layer.weight)
        self.squares, self.steps, self.fixed = 0.0, 0, False

    def step(self, penalty: float) -> None:
        """One step along the gradient that ``backward`` left, then the penalty's proximal step."""
        gradient = self.weight.grad
        if gradient is None:
            return
        if not self.fixed:
            self.squares += float((gradient**2).mean())
            self.steps += 1
        scale = max((self.squares / max(self.steps, 1)) ** 0.5, 1e-30)
        self.average.mul_(self.momentum).add_(gradient, alpha=1 - self.momentum)
        with torch.no_grad():
            self.weight.sub_(self.average, alpha=self.rate / scale)
        shrink_groups(self.weight, self.rate * penalty)
        self.weight.grad = None


def train_path(
    X: np.ndarray, k: int, params: Any, *, seed: int, device: str, on_progress: OnProgress
) -> PathResult:
    """Learn without many zeros first, then raise the penalty until ``k`` genes are left.

    A penalty that leaves fewer is taken back, and the path goes on from before it in smaller steps.
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
    trainer = Trainer(network(p, params).to(place), fit, held, params, generator)
    path: list[dict[str, float]] = []
    penalty, step = params.first_penalty, params.step
    kept, state = trainer.weights(), None
    for index in range(params.most_penalties):
        epochs = params.epochs if index == 0 else params.path_epochs
        train, validation = trainer.fit_at(penalty, epochs)
        weights = trainer.weights()
        alive = int((weights != 0).any(axis=0).sum())
        path.append(
            {
                "penalty": penalty,
                "n_genes": alive,
                "error": train,
                "validation_error": validation,
            }
        )
        on_progress(index + 1, params.most_penalties, f"{alive:,} genes at penalty {penalty:.3g}")
        if params.mode == "paper ranking":
            kept = weights
            break
        if alive >= k:
            kept, state = weights, (trainer.state(), penalty)
            if alive <= k * (1 + ENOUGH):
                break
        elif state is None or step <= SMALLEST_STEP:
            break
        else:  # too far: back to where there were enough genes, and on in smaller steps
            trainer.restore(state[0])
            penalty, step = state[1], float(np.sqrt(step))
        penalty *= step
    return PathResult(kept, path)


class Trainer:
    """The network with its two optimisers: proximal steps for the first layer, Adam for the rest."""

    def __init__(
        self,
        model: nn.Sequential,
        fit: torch.Tensor,
        held: torch.Tensor,
        params: Any,
        generator: torch.Generator,
    ) -> None:
        self.model, self.fit, self.held = model, fit, held
        self.params, self.generator = params, generator
        first, last = model[0], model[-1]
        if not isinstance(first, nn.Linear) or not isinstance(last, nn.Linear):
            raise TypeError("the network begins and ends with a linear layer")
        with torch.no_grad():
            last.bias.copy_(fit.mean(dim=0))
        self.proximal = ProximalStep(first, params.learning_rate)
        others = [value for value in model.parameters() if value is not first.weight]
        self.adam = torch.optim.Adam(others, lr=params.learning_rate)

    def weights(self) -> np.ndarray:
        """First layer, a copy ``(hidden, p)``."""
        return self.proximal.weight.detach().cpu().numpy().copy()

    def state(self) -> Any:
        """Everything that :meth:`restore` puts back."""
        return copy.deepcopy(
            (self.model.state_dict(), self.adam.state_dict(), self.proximal.average)
        )

    def restore(self, state: Any) -> None:
        """Go back to an earlier :meth:`state`."""
        model, adam, average = copy.deepcopy(state)
        self.model.load_state_dict(model)
        self.adam.load_state_dict(adam)
        self.proximal.average = average

    def fit_at(self, penalty: float, epochs: int) -> tuple[float, float]:
        """Train at one penalty; mean training loss of the last epoch, and validation loss."""
        best, waited, train, validation = float("inf"), 0, float("nan"), float("nan")
        for _ in range(epochs):
            self.model.train()
            total = 0.0
            order = torch.randperm(len(self.fit), generator=self.generator).to(self.fit.device)
            for batch in order.split(self.params.batch_size):
                rows = self.fit[batch]
                self.adam.zero_grad(set_to_none=True)
                loss = loss_of(self.model(rows), rows, self.params.loss)
                loss.backward()
                self.adam.step()
                self.proximal.step(penalty)
                total += float(loss.detach()) * len(batch)
            self.proximal.fixed = True
            train = total / len(self.fit)
            self.model.eval()
            with torch.no_grad():
                validation = float(loss_of(self.model(self.held), self.held, self.params.loss))
            if validation < best - 1e-5:
                best, waited = validation, 0
            else:
                waited += 1
                if waited >= self.params.patience:
                    break
        return train, validation
