"""Training of a rank transformer by masked tokens: seeded epochs, checkpoints, resume, cancel."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from core.errors import CancelledError, ConfigError
from core.models.rank_transformer.network import RankTransformer
from core.models.rank_transformer.pretraining import MaskedBatch, length_buckets, make_batch
from core.training import checkpoints
from core.training.checkpoints import LAST, Checkpoint
from core.training.device import autocast
from core.training.schedules import rate_factor


@dataclass(frozen=True)
class MaskedTokenOptions:
    """How a rank transformer is trained.

    Attributes
    ----------
    sample_genes, long_genes, long_share
        Genes of a cell in most batches, and in the share ``long_share`` of batches that show the
        model longer cells.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    schedule: str = "cosine"
    mask_share: float = 0.15
    sample_genes: int = 256
    long_genes: int = 1024
    long_share: float = 0.1
    precision: str = "auto"
    seed: int = 0


@dataclass
class MaskedTokenOutcome:
    """Epochs done, with one record each."""

    epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


class MaskedTokenTrainer:
    """AdamW on the cross entropy of masked tokens.

    Every random number of an epoch follows from the seed and the epoch: a training that went on
    from a checkpoint ends where it would have ended without the break.

    Parameters
    ----------
    model
        On its device already.
    options
        Epochs, learning rate and the rest.
    gene_tokens
        Tokens that stand for genes, ``(n_genes,)``.
    """

    def __init__(
        self, model: RankTransformer, options: MaskedTokenOptions, gene_tokens: np.ndarray
    ) -> None:
        self.model, self.options, self.gene_tokens = model, options, gene_tokens
        decayed = [p for p in model.parameters() if p.ndim >= 2]
        free = [p for p in model.parameters() if p.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": options.weight_decay},
                {"params": free, "weight_decay": 0.0},
            ],
            lr=options.learning_rate,
            fused=model.device.type in {"cpu", "cuda"},
        )

    def fit(
        self,
        cells: Sequence[np.ndarray],
        validation: Sequence[np.ndarray] = (),
        *,
        folder: Path | None = None,
        resume: bool = False,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
        on_step: Callable[[int, int], None] | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> MaskedTokenOutcome:
        """Train on ranked cells; ``validation`` cells are only judged, after every epoch.

        Raises
        ------
        ConfigError
            If there are fewer than two cells, or the loss stops being a number.
        CancelledError
            Between epochs, after writing a checkpoint.
        """
        if len(cells) < 2:
            raise ConfigError(f"Pretraining needs at least two cells; there are {len(cells)}.")
        outcome = self._load(folder) if resume and folder is not None else MaskedTokenOutcome()
        while outcome.epochs < self.options.epochs:
            started = time.perf_counter()
            epoch = outcome.epochs + 1
            loss = self._epoch(cells, epoch, on_step)
            if not math.isfinite(loss):
                raise ConfigError(
                    f"The training loss is {loss} in epoch {epoch}; try a lower learning rate."
                )
            record: dict[str, Any] = {
                "epoch": epoch,
                "train_loss": loss,
                "val_loss": self.judge(validation) if len(validation) else None,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "seconds": time.perf_counter() - started,
            }
            outcome.epochs = epoch
            outcome.history.append(record)
            if folder is not None:
                tensors = checkpoints.pack(self.model, self.optimizer)
                so_far = {"epochs": epoch, "history": outcome.history}
                checkpoints.write(folder / LAST, Checkpoint(tensors, so_far))
            if on_epoch is not None:
                on_epoch(record)
            if should_cancel is not None and should_cancel():
                raise CancelledError("The training was cancelled; what was finished has been kept.")
        self.model.eval()
        return outcome

    @torch.no_grad()
    def judge(self, cells: Sequence[np.ndarray], *, n_genes: int | None = None) -> float:
        """Mean cross entropy in nats over masked tokens of ``cells``, the same masks each time."""
        self.model.eval()
        rng = np.random.default_rng(self.options.seed + 17)
        total, count = 0.0, 0
        limit = self.options.sample_genes if n_genes is None else n_genes
        for start in range(0, len(cells), self.options.batch_size):
            batch = self._batch(cells[start : start + self.options.batch_size], rng, limit, True)
            losses = self._losses(batch)
            total, count = total + float(losses.sum()), count + len(losses)
        return total / max(count, 1)

    def _epoch(
        self,
        cells: Sequence[np.ndarray],
        epoch: int,
        on_step: Callable[[int, int], None] | None,
    ) -> float:
        options = self.options
        rng = np.random.default_rng([options.seed, epoch])
        lengths = np.minimum([len(cell) for cell in cells], options.sample_genes)
        batches = list(length_buckets(lengths, options.batch_size, rng))
        total = options.epochs * len(batches)
        step = (epoch - 1) * len(batches)
        losses = []
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed((options.seed * 1_000_003 + epoch) % 2**63)
            self.model.train()
            for index, members in enumerate(batches):
                long = rng.random() < options.long_share
                limit = options.long_genes if long else options.sample_genes
                batch = self._batch([cells[i] for i in members], rng, limit)
                factor = rate_factor(options.schedule, step + index, total)
                for group in self.optimizer.param_groups:
                    group["lr"] = options.learning_rate * factor
                self.optimizer.zero_grad(set_to_none=True)
                loss = self._losses(batch).mean()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                losses.append(loss.detach())
                if on_step is not None:
                    on_step(step + index + 1, total)
        return float(torch.stack(losses).mean())

    def _batch(
        self,
        cells: Sequence[np.ndarray],
        rng: np.random.Generator,
        limit: int,
        always_mask: bool = False,
    ) -> MaskedBatch:
        config = self.model.config
        return make_batch(
            cells,
            rng,
            n_genes=limit,
            mask_share=self.options.mask_share,
            gene_tokens=self.gene_tokens,
            mask_token=config.mask_token_id,
            pad_token=config.pad_token_id,
            always_mask=always_mask,
        ).to(self.model.device)

    def _losses(self, batch: MaskedBatch) -> torch.Tensor:
        """Cross entropy of every token to guess, ``(n_chosen,)``."""
        with autocast(self.model.device, self.options.precision):
            attention = None if bool(batch.attention.all()) else batch.attention
            hidden = self.model(batch.tokens, attention, batch.positions)
            logits = self.model.logits(hidden[batch.chosen])
        return F.cross_entropy(logits.float(), batch.answers, reduction="none")

    def _load(self, folder: Path) -> MaskedTokenOutcome:
        last = checkpoints.read(folder / LAST)
        if last is None:
            return MaskedTokenOutcome()
        checkpoints.unpack(last.tensors, self.model, self.optimizer)
        return MaskedTokenOutcome(int(last.scalars["epochs"]), list(last.scalars["history"]))
