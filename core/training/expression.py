"""Networks of expression behind the face of :class:`core.models.expression.base.ExpressionModel`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from core.errors import ConfigError
from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel
from core.models.expression.coordinates import Coordinates, Depth
from core.models.expression.ridge import LinearFeatures
from core.models.expression.spectral import SpectralRidge, Spectrum
from core.models.network import Batch, InputShape, Network
from core.training.device import resolve_device
from core.training.target import FullHead, Head, LowRankHead
from core.training.trainer import (
    DeviceData,
    Outcome,
    Trainer,
    TrainingOptions,
    _never,
    _nothing,
)

_COMPONENTS = 30


@dataclass(frozen=True)
class WeightedHead(FullHead):
    """Every gene is an output, and its squared error counts ``target + 1`` times."""

    def row_mse(
        self, outputs: torch.Tensor, target: torch.Tensor, unreachable: torch.Tensor | None
    ) -> torch.Tensor:
        """The paper's loss of each row, ``(b,)``."""
        return ((target + 1.0) * (outputs - target).square()).mean(dim=1)


class _LossTrainer(Trainer):
    """Stops by the validation loss itself, as the paper does."""

    def evaluate(self, data: DeviceData) -> tuple[float, float]:
        """The loss, twice: it is also what the best epoch is chosen by."""
        loss, _ = super().evaluate(data)
        return loss, loss


class _Plain:
    """The network predicts expression from the measured genes."""

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._centre = inputs.X.mean(axis=0)
        return self.transform(inputs), np.asarray(targets, dtype=np.float32)

    def transform(self, inputs: ExpressionInputs) -> np.ndarray:
        return np.asarray(inputs.X - self._centre, dtype=np.float32)

    def finish(self, inputs: ExpressionInputs, outputs: np.ndarray) -> np.ndarray:
        return outputs

    def target(self, inputs: ExpressionInputs, targets: np.ndarray) -> np.ndarray:
        return np.asarray(targets, dtype=np.float32)


class _OnRidge(_Plain):
    """The network predicts what ridge regression leaves over, from cell state and depth."""

    def __init__(self, seed: int) -> None:
        self._space = Coordinates("both", _COMPONENTS, seed)

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._features = LinearFeatures(depth=True)
        ridge = SpectralRidge(Spectrum.of_features(self._features.fit(inputs.X)), targets)
        penalty = ridge.choose(per_gene=False).values
        self._mean, self._coefficients = ridge.mean, ridge.coefficients(penalty)
        self._depth = Depth().fit(inputs.X)
        state = self._space.fit(inputs, targets)
        self._scale = np.maximum(state.std(axis=0), 1e-9)
        # Fitted residuals are smaller than those of new cells: the network learns from the latter.
        residuals = targets - ridge.left_out(float(penalty[0]))
        return self._join(inputs, state), np.asarray(residuals, dtype=np.float32)

    def transform(self, inputs: ExpressionInputs) -> np.ndarray:
        return self._join(inputs, self._space.transform(inputs))

    def _join(self, inputs: ExpressionInputs, state: np.ndarray) -> np.ndarray:
        parts = [state / self._scale, self._depth.transform(inputs.X)]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _ridge(self, inputs: ExpressionInputs) -> np.ndarray:
        return self._features.transform(inputs.X) @ self._coefficients + self._mean

    def finish(self, inputs: ExpressionInputs, outputs: np.ndarray) -> np.ndarray:
        return self._ridge(inputs) + outputs

    def target(self, inputs: ExpressionInputs, targets: np.ndarray) -> np.ndarray:
        return np.asarray(targets - self._ridge(inputs), dtype=np.float32)


class ExpressionNetwork(ExpressionModel):
    """Trains a network of :data:`EXPRESSION_MODELS` with the house's one trainer.

    Parameters
    ----------
    network
        The torch class; its ``Params`` hold size and training.
    params
        Of that class.
    device
        ``auto``, ``cpu``, ``cuda`` …
    """

    def __init__(
        self, network: Any, params: Any = None, *, seed: int = 0, device: str = "auto"
    ) -> None:
        super().__init__(params if params is not None else network.Params(), seed=seed)
        self.network_class, self.device = network, resolve_device(device)
        self.outcome = Outcome()
        self._network: Network | None = None

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Train on nine tenths of the cells, stop by the last tenth."""
        held = np.random.default_rng(self.seed).permutation(len(inputs))[: len(inputs) // 10 or 1]
        rest = np.setdiff1d(np.arange(len(inputs)), held)
        return self.train(inputs, targets, rest, held)

    def train(
        self,
        inputs: ExpressionInputs,
        targets: np.ndarray,
        fit: np.ndarray,
        validation: np.ndarray,
        *,
        folder: Path | None = None,
        resume: bool = False,
        on_epoch: Callable[[dict[str, Any]], None] = _nothing,
        should_cancel: Callable[[], bool] = _never,
    ) -> Self:
        """Train on the cells ``fit`` and stop by the cells ``validation`` (positions).

        Raises
        ------
        CancelledError
            After writing a checkpoint to ``folder``.
        ConfigError
            If the loss stops being a number.
        """
        params = self.params
        self._frame = _OnRidge(self.seed) if self.network_class.residual else _Plain()
        features, values = self._frame.fit(inputs.take(fit), targets[fit])
        head = self._head_of(values)
        shape = InputShape(0, 0, 0, features.shape[1], head.n_outputs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.network_class(shape, params)
            network.start_at(torch.from_numpy(head.start()))
        self._network, self._head = network.to(self.device), head.to(self.device)
        options = TrainingOptions(
            epochs=params.epochs,
            batch_size=params.batch_size,
            learning_rate=params.learning_rate,
            weight_decay=getattr(params, "weight_decay", 0.0),
            loss="mse",
            schedule="constant",
            patience=params.patience,
            average_epochs=1,
            seed=self.seed,
        )

        def tell(record: dict[str, Any]) -> None:
            on_epoch({**record, "val_mrrmse": None})

        held = inputs.take(validation)
        self.outcome = _LossTrainer(self._network, self._head, options, self.device).fit(
            self._data(features, values),
            self._data(self._frame.transform(held), self._frame.target(held, targets[validation])),
            folder=folder,
            resume=resume,
            on_epoch=tell,
            should_cancel=should_cancel,
        )
        return self

    @torch.no_grad()
    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        if self._network is None:
            raise ConfigError("The network has not been trained.")
        self._network.eval()
        outputs = self._network(self._batch(self._frame.transform(inputs)))
        decoded = self._head.decode(outputs.float()).cpu().numpy()
        return self._frame.finish(inputs, decoded)

    def chosen(self) -> dict[str, float]:
        """The epoch whose weights were kept, and the number trained."""
        return {"best_epoch": float(self.outcome.best_epoch), "epochs": float(self.outcome.epochs)}

    def _head_of(self, values: np.ndarray) -> Head:
        mean = values.mean(axis=0)
        if self.network_class.residual:
            rank = min(self.params.rank, min(values.shape) - 1)
            return LowRankHead.fit(values, mean, rank)
        return WeightedHead(mean) if self.params.loss == "weighted" else FullHead(mean)

    def _batch(self, features: np.ndarray) -> Batch:
        n = len(features)
        codes = torch.zeros(n, dtype=torch.int64, device=self.device)
        cell = torch.zeros((n, 0), device=self.device)
        return Batch(codes, codes, cell, torch.from_numpy(features).to(self.device))

    def _data(self, features: np.ndarray, values: np.ndarray) -> DeviceData:
        target, outside = self._head.encode(
            torch.from_numpy(np.ascontiguousarray(values)).to(self.device)
        )
        return DeviceData(self._batch(features), target, outside)


def build(
    name: str, params: dict[str, Any] | None = None, *, seed: int = 0, device: str = "auto"
) -> ExpressionModel:
    """A model of :data:`EXPRESSION_MODELS`, networks behind :class:`ExpressionNetwork`.

    Raises
    ------
    ConfigError
        Where there is no such model.
    """
    entry = EXPRESSION_MODELS.get(name)
    chosen = entry.value.Params(**(params or {}))
    if entry.tags["kind"] == "network":
        return ExpressionNetwork(entry.value, chosen, seed=seed, device=device)
    model: ExpressionModel = entry.value(chosen, seed=seed)
    return model
