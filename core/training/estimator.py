"""Torch networks behind the :class:`core.models.base.ResponseModel` face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from core.errors import ConfigError
from core.models.base import MODELS, Params, ResponseModel
from core.models.inputs import Inputs
from core.models.network import Batch, InputShape, Network
from core.training.device import resolve_device
from core.training.losses import ELEMENTWISE
from core.training.target import FullHead, Head, fit_head, head_from_state
from core.training.trainer import (
    DeviceData,
    Outcome,
    Trainer,
    TrainingOptions,
    TrainingSettings,
    _never,
    _nothing,
)

#: Standardised features are cut here: a substructure of one training compound in a hundred
#: stands at 10 standard deviations in a new molecule.
_LIMIT = 5.0
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Standardizer:
    """Zero mean and unit variance with statistics of the training rows; constant columns go.

    Attributes
    ----------
    keep
        Positions of columns that vary in training, int64 ``(d_kept,)``.
    mean, scale
        Of the kept columns, float32 ``(d_kept,)``.
    d_in
        Columns before.
    """

    keep: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    d_in: int

    @classmethod
    def fit(cls, features: np.ndarray) -> Standardizer:
        """Statistics of ``features`` ``(n, d)``."""
        mean = features.mean(axis=0, dtype=np.float64)
        scale = features.std(axis=0, dtype=np.float64)
        keep = np.flatnonzero(scale > 1e-6 * np.maximum(1.0, np.abs(mean)))
        return cls(
            keep, mean[keep].astype(np.float32), scale[keep].astype(np.float32), features.shape[1]
        )

    def transform(self, features: np.ndarray, what: str) -> np.ndarray:
        """Standardised features, float32 ``(n, d_kept)``, within ±5."""
        if features.shape[1] != self.d_in:
            raise ConfigError(
                f"The {what} features have {features.shape[1]} columns; the network was trained "
                f"on {self.d_in}."
            )
        z = np.take(features, self.keep, axis=1)
        z -= self.mean
        z /= self.scale
        return np.clip(z, -_LIMIT, _LIMIT, out=z).astype(np.float32, copy=False)

    def state(self, prefix: str) -> dict[str, np.ndarray]:
        """Fitted arrays by name."""
        return {
            f"{prefix}.keep": self.keep.astype(np.int64),
            f"{prefix}.mean": self.mean,
            f"{prefix}.scale": self.scale,
            f"{prefix}.d_in": np.array([self.d_in], dtype=np.int64),
        }

    @classmethod
    def restore(cls, state: dict[str, np.ndarray], prefix: str) -> Standardizer:
        """Inverse of :meth:`state`."""
        return cls(
            state[f"{prefix}.keep"],
            state[f"{prefix}.mean"],
            state[f"{prefix}.scale"],
            int(state[f"{prefix}.d_in"][0]),
        )


class TorchResponseModel(ResponseModel):
    """A registered network, trained by :class:`core.training.trainer.Trainer`.

    Parameters
    ----------
    network
        Name in ``MODELS`` of kind "network", such as ``"mlp"``.
    params
        The network's parameters; default: its own defaults.
    training
        Epochs, learning rate and the rest; default: :class:`TrainingOptions`.
    seed
        Of weights, dropout and batches; default: the training settings' seed.
    n_components
        Components of a low-rank target head; ``None``: all genes.
    device
        What "auto" means; default: the installation's setting.
    checkpoint_seconds
        Least time between two checkpoints.
    """

    def __init__(
        self,
        network: str,
        params: Params | None = None,
        training: TrainingSettings | None = None,
        *,
        seed: int | None = None,
        n_components: int | None = None,
        device: str | None = None,
        checkpoint_seconds: float = 20.0,
    ) -> None:
        self.network_class: type[Network] = MODELS.get(network).value
        if not (isinstance(self.network_class, type) and issubclass(self.network_class, Network)):
            raise ConfigError(f"The model '{network}' is not a network.")
        self.training: TrainingSettings = training if training is not None else TrainingOptions()
        super().__init__(
            params if params is not None else self.network_class.Params(),
            seed=self.training.seed if seed is None else seed,
        )
        self.n_components = n_components
        self.checkpoint_seconds = checkpoint_seconds
        self.device = resolve_device(self.training.device, device)
        self.network: Network | None = None
        self.head: Head | None = None
        self.outcome = Outcome()
        self._cell: Standardizer | None = None
        self._molecule: Standardizer | None = None

    def fit(
        self,
        inputs: Inputs,
        targets: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        validation: tuple[Inputs, np.ndarray] | None = None,
        folder: Path | None = None,
        resume: bool = False,
        stop_epoch: int | None = None,
        select: bool = True,
        on_epoch: Callable[[dict[str, Any]], None] = _nothing,
        should_cancel: Callable[[], bool] = _never,
    ) -> Self:
        """Train on float32 ``targets`` ``(n, n_genes)``; see :meth:`Trainer.fit` for the rest.

        ``validation`` holds inputs and *raw* responses of rows that are only judged.
        """
        self.head = fit_head(targets, self.n_components, weights)
        self._cell = Standardizer.fit(inputs.cell)
        self._molecule = Standardizer.fit(inputs.molecule)
        shape = InputShape(
            inputs.n_cell_types,
            inputs.n_compounds,
            len(self._cell.keep),
            len(self._molecule.keep),
            self.head.n_outputs,
            inputs.sequence.shape[1],
        )
        self.network = self._build(shape)
        self.network.start_at(torch.from_numpy(self.head.start()).to(self.device))
        self.head.to(self.device)
        trainer = Trainer(
            self.network,
            self.head,
            _Seeded(self.training, self.seed),
            self.device,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        self.outcome = trainer.fit(
            self._data(inputs, targets, weights),
            None if validation is None else self._data(*validation),
            folder=folder,
            resume=resume,
            stop_epoch=stop_epoch,
            select=select,
            on_epoch=on_epoch,
            should_cancel=should_cancel,
        )
        return self

    @torch.no_grad()
    def predict(self, inputs: Inputs) -> np.ndarray:
        """Predicted responses, float32 ``(n, n_genes)``."""
        network, head = self._fitted()
        network.eval()
        predicted = np.empty((len(inputs), head.n_genes), dtype=np.float32)
        for start in range(0, len(inputs), _ROWS_AT_ONCE):
            rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(inputs)))
            outputs = network(self.batch(inputs.take(rows)))
            predicted[rows] = head.decode(outputs.float()).cpu().numpy()
        return predicted

    def state(self) -> dict[str, np.ndarray]:
        """Fitted arrays by name: weights, feature statistics, head, sizes, best epoch."""
        network, head = self._fitted()
        assert self._cell is not None and self._molecule is not None
        state = {f"network.{k}": v.cpu().numpy() for k, v in network.state_dict().items()}
        state |= {f"head.{name}": array for name, array in head.state().items()}
        state |= self._cell.state("cell") | self._molecule.state("molecule")
        shape = network.shape
        sizes = [shape.n_cell_types, shape.n_compounds, shape.n_outputs, shape.d_sequence]
        state["sizes"] = np.array(sizes, dtype=np.int64)
        state["best_epoch"] = np.array([self.outcome.best_epoch], dtype=np.int64)
        return state

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put fitted arrays back; the inverse of :meth:`state`."""
        self._cell = Standardizer.restore(state, "cell")
        self._molecule = Standardizer.restore(state, "molecule")
        self.head = head_from_state(_without_prefix(state, "head.")).to(self.device)
        n_cell_types, n_compounds, n_outputs, *more = (int(size) for size in state["sizes"])
        shape = InputShape(
            n_cell_types,
            n_compounds,
            len(self._cell.keep),
            len(self._molecule.keep),
            n_outputs,
            more[0] if more else 0,  # runs of before sequences have three sizes
        )
        self.network = self._build(shape)
        weights = _without_prefix(state, "network.")
        self.network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        self.outcome = Outcome(best_epoch=int(state["best_epoch"][0]))
        return self

    def _build(self, shape: InputShape) -> Network:
        with torch.random.fork_rng(devices=[]):
            # Drawn on the CPU: every device starts from the same weights.
            torch.manual_seed(self.seed)
            return self.network_class(shape, self.params).to(self.device)

    def _fitted(self) -> tuple[Network, Head]:
        if self.network is None or self.head is None:
            raise ConfigError("The network has not been trained.")
        return self.network, self.head

    def batch(self, inputs: Inputs) -> Batch:
        """Inputs as the network sees them: standardised, on its device."""
        assert self._cell is not None and self._molecule is not None
        cell = self._cell.transform(inputs.cell, "cell")
        molecule = self._molecule.transform(inputs.molecule, "molecule")
        codes = (np.asarray(c, dtype=np.int64) for c in (inputs.cell_type, inputs.compound))
        arrays = [torch.from_numpy(array).to(self.device) for array in (*codes, cell, molecule)]
        if inputs.sequence.shape[1]:
            tokens = inputs.sequence.astype(np.int64)
            arrays.append(torch.from_numpy(tokens).to(self.device))
        return Batch(*arrays)

    def _data(
        self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None
    ) -> DeviceData:
        assert self.head is not None
        targets = np.ascontiguousarray(targets, dtype=np.float32)
        values = torch.from_numpy(targets).to(self.device)
        encoded, outside = self.head.encode(values)
        elementwise = self.training.loss in ELEMENTWISE and not isinstance(self.head, FullHead)
        on_device = None
        if weights is not None:
            on_device = torch.from_numpy(np.asarray(weights, dtype=np.float32)).to(self.device)
        return DeviceData(
            self.batch(inputs), encoded, outside, values if elementwise else None, on_device
        )


class _Seeded:
    """Training settings with another seed."""

    def __init__(self, settings: TrainingSettings, seed: int) -> None:
        self._settings, self.seed = settings, seed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings, name)


def _without_prefix(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
