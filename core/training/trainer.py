"""One training loop for every response network."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from core.errors import CancelledError, ConfigError
from core.models.network import Batch, Network
from core.training import checkpoints
from core.training.checkpoints import BEST, LAST, Checkpoint
from core.training.device import autocast
from core.training.losses import ELEMENTWISE, row_losses, weighted_mean
from core.training.schedules import rate_factor
from core.training.target import Head


class TrainingSettings(Protocol):
    """What a training is told; ``core.studies.perturbation.config.TrainingConfig`` is one."""

    @property
    def epochs(self) -> int: ...  # noqa: D102
    @property
    def batch_size(self) -> int: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102
    @property
    def loss(self) -> str: ...  # noqa: D102
    @property
    def schedule(self) -> str: ...  # noqa: D102
    @property
    def patience(self) -> int: ...  # noqa: D102
    @property
    def average_epochs(self) -> int: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class TrainingOptions:
    """Training settings with their defaults, for use without a study."""

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    loss: str = "mrrmse"
    schedule: str = "cosine"
    patience: int = 20
    average_epochs: int = 5
    precision: str = "auto"
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True)
class DeviceData:
    """Rows on the device, put there once.

    Attributes
    ----------
    batch
        Inputs of all ``n`` rows.
    target
        What outputs are compared with, ``(n, n_outputs)``.
    unreachable
        Mean squared error outside a low-rank head, ``(n,)``, or ``None``.
    values
        Responses ``(n, n_genes)``, for losses that need the error of every gene.
    weights
        Row weights ``(n,)``, or ``None``.
    """

    batch: Batch
    target: torch.Tensor
    unreachable: torch.Tensor | None = None
    values: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.batch)


@dataclass
class Outcome:
    """How a training ended.

    ``best_epoch`` counts from 1; without validation rows it is the last epoch, and
    ``best_score`` is NaN.
    """

    best_epoch: int = 0
    best_score: float = math.nan
    epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def _nothing(record: dict[str, Any]) -> None:
    """Listen to no epoch."""


def _never() -> bool:
    return False


class Trainer:
    """Trains a network with AdamW; the same seed on the same device gives the same weights.

    Every random number of an epoch follows from the seed and the epoch, so that a training that
    went on from a checkpoint ends where it would have ended without the break.

    Parameters
    ----------
    network
        On the device already.
    head
        How outputs become responses, on the same device.
    settings
        Epochs, learning rate and the rest.
    device
        Where the data are.
    checkpoint_seconds
        Least time between two checkpoints; one is written at a cancellation as well.
    """

    def __init__(
        self,
        network: Network,
        head: Head,
        settings: TrainingSettings,
        device: torch.device,
        *,
        checkpoint_seconds: float = 20.0,
    ) -> None:
        self.network, self.head, self.settings, self.device = network, head, settings, device
        self.checkpoint_seconds = checkpoint_seconds
        # What is judged and kept: a moving mean of the weights over the latest epochs (after
        # Polyak & Juditsky 1992), which does not shake with the last batches.
        self.averaged = copy.deepcopy(network).requires_grad_(False)
        decayed = [p for p in network.parameters() if p.ndim >= 2]
        free = [p for p in network.parameters() if p.ndim < 2]
        # Biases and norms are not shrunk: the output bias is the start prediction.
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": free, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            fused=device.type in {"cpu", "cuda"},
        )

    def fit(
        self,
        train: DeviceData,
        validation: DeviceData | None = None,
        *,
        folder: Path | None = None,
        resume: bool = False,
        stop_epoch: int | None = None,
        select: bool = True,
        on_epoch: Callable[[dict[str, Any]], None] = _nothing,
        should_cancel: Callable[[], bool] = _never,
    ) -> Outcome:
        """Train until the epochs are done or validation no longer gains.

        Parameters
        ----------
        train, validation
            Rows on the device; validation rows only judge.
        folder
            Where ``last.safetensors`` and ``best.safetensors`` go; ``None``: nowhere.
        resume
            Go on from ``folder``'s checkpoint if there is one.
        stop_epoch
            Stop after this epoch of the same schedule (a final fit without validation rows).
        select
            Stop early on the validation rows and keep their best epoch; otherwise they are only
            watched and the last epoch is kept.
        on_epoch
            Called with ``epoch, train_loss, val_loss, val_mrrmse, learning_rate, seconds``.
        should_cancel
            Asked after every epoch.

        Raises
        ------
        CancelledError
            After writing a checkpoint.
        ConfigError
            If there are fewer than two training rows, or the loss stops being a number.
        """
        if len(train) < 2:
            raise ConfigError(
                f"A network needs at least two training rows; there are {len(train)}."
            )
        outcome, best = Outcome(), None
        if resume and folder is not None:
            outcome, best = self._load(folder)
        last = min(self.settings.epochs, stop_epoch or self.settings.epochs)
        n_batches = batches_per_epoch(len(train), self.settings.batch_size)
        written = time.monotonic()
        while outcome.epochs < last and not (select and self._exhausted(outcome)):
            started = time.perf_counter()
            epoch = outcome.epochs + 1
            loss = self._epoch(train, epoch, n_batches)
            self._average(epoch)
            record: dict[str, Any] = {
                "epoch": epoch,
                "train_loss": loss,
                "val_loss": None,
                "val_mrrmse": None,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
            }
            if validation is not None:
                record["val_loss"], record["val_mrrmse"] = self.evaluate(validation)
            record["seconds"] = time.perf_counter() - started
            if not math.isfinite(loss):
                raise ConfigError(
                    f"The training loss is {loss} in epoch {epoch}; try a lower learning rate."
                )
            outcome.epochs = epoch
            outcome.history.append(record)
            if validation is not None and select:
                if not record["val_mrrmse"] >= outcome.best_score:  # true for the first, NaN
                    outcome.best_epoch, outcome.best_score = epoch, record["val_mrrmse"]
                    best = {k: v.clone() for k, v in self.averaged.state_dict().items()}
            else:
                outcome.best_epoch = epoch
                outcome.best_score = record["val_mrrmse"] if validation is not None else math.nan
            cancelled = should_cancel()
            due = time.monotonic() - written >= self.checkpoint_seconds
            if folder is not None and (cancelled or due):
                self._save(folder, outcome, best)
                written = time.monotonic()
            on_epoch(record)
            if cancelled:
                raise CancelledError("The training was cancelled; what was finished has been kept.")
        self.network.load_state_dict(self.averaged.state_dict() if best is None else best)
        return outcome

    @torch.no_grad()
    def evaluate(self, data: DeviceData) -> tuple[float, float]:
        """Loss and MRRMSE of the averaged weights on ``data``."""
        self.averaged.eval()
        with autocast(self.device, self.settings.precision):
            outputs = self.averaged(data.batch)
        row_mse, losses = self._rows(outputs.float(), data, slice(None))
        return float(losses.mean()), float(torch.sqrt(row_mse).mean())

    def _epoch(self, train: DeviceData, epoch: int, n_batches: int) -> float:
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            # One seed an epoch: dropout and order do not depend on where a run was broken off.
            torch.manual_seed((self.settings.seed * 1_000_003 + epoch) % 2**63)
            order = torch.randperm(len(train)).to(self.device)
            return self._steps(train, order.tensor_split(n_batches), (epoch - 1) * n_batches)

    @torch.no_grad()
    def _average(self, epoch: int) -> None:
        """Move the averaged weights towards those of this epoch."""
        share = 1.0 / min(epoch, self.settings.average_epochs)
        now, mean = self.network.state_dict(), self.averaged.state_dict()
        for name, value in now.items():
            if value.is_floating_point():
                mean[name].lerp_(value, share)
            else:
                mean[name].copy_(value)

    def _steps(self, train: DeviceData, batches: tuple[torch.Tensor, ...], step: int) -> float:
        self.network.train()
        total_steps = self.settings.epochs * len(batches)
        losses = []
        for rows in batches:
            factor = rate_factor(self.settings.schedule, step, total_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * factor
            self.optimizer.zero_grad(set_to_none=True)
            with autocast(self.device, self.settings.precision):
                outputs = self.network(train.batch.take(rows))
            weights = None if train.weights is None else train.weights[rows]
            loss = weighted_mean(self._rows(outputs.float(), train, rows)[1], weights)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
            step += 1
        return float(torch.stack(losses).mean())

    def _rows(
        self, outputs: torch.Tensor, data: DeviceData, rows: torch.Tensor | slice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared error and loss of each row, both ``(b,)``."""
        outside = None if data.unreachable is None else data.unreachable[rows]
        row_mse = self.head.row_mse(outputs, data.target[rows], outside)
        errors = None
        if self.settings.loss in ELEMENTWISE:
            values = data.target if data.values is None else data.values
            errors = self.head.decode(outputs) - values[rows]
        return row_mse, row_losses(self.settings.loss, row_mse, errors)

    def _exhausted(self, outcome: Outcome) -> bool:
        patience = self.settings.patience
        return patience > 0 and outcome.epochs - outcome.best_epoch >= patience

    def _save(self, folder: Path, outcome: Outcome, best: dict[str, torch.Tensor] | None) -> None:
        if best is not None:
            tensors = {f"network.{name}": t for name, t in best.items()}
            score = {"best_epoch": outcome.best_epoch, "best_score": outcome.best_score}
            checkpoints.write(folder / BEST, Checkpoint(tensors, score))
        tensors = checkpoints.pack(self.network, self.optimizer)
        tensors |= {f"averaged.{name}": t for name, t in self.averaged.state_dict().items()}
        so_far = {"epochs": outcome.epochs, "history": outcome.history}
        checkpoints.write(folder / LAST, Checkpoint(tensors, so_far))

    def _load(self, folder: Path) -> tuple[Outcome, dict[str, torch.Tensor] | None]:
        last = checkpoints.read(folder / LAST)
        if last is None:
            return Outcome(), None
        checkpoints.unpack(last.tensors, self.network, self.optimizer)
        self.averaged.load_state_dict(checkpoints.part(last.tensors, "averaged."))
        epochs = int(last.scalars["epochs"])
        outcome = Outcome(epochs, math.nan, epochs, list(last.scalars["history"]))
        best = checkpoints.read(folder / BEST)
        if best is None:
            return outcome, None
        # The best file may be newer than the last one, if the process died between the two: the
        # epochs up to it are then trained again, the same, and find it no worse.
        outcome.best_epoch = int(best.scalars["best_epoch"])
        outcome.best_score = float(best.scalars["best_score"])
        return outcome, checkpoints.part(best.tensors, "network.")


def batches_per_epoch(n_rows: int, batch_size: int) -> int:
    """Batches of nearly equal size, none of a single row (batch norm needs two)."""
    return max(1, min(math.ceil(n_rows / batch_size), n_rows // 2))
