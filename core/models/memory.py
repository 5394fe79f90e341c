"""What kernel and neighbour models share: they predict mixtures of remembered rows."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from core.models.base import ResponseModel
from core.models.inputs import Inputs
from core.models.kernels import kernel_views

_VIEW = "view/"


class MemoryModel(ResponseModel):
    """Remembers the training pairs, and a response ``(m, n_genes)`` to mix by their similarity.

    A subclass says how to learn the responses (:meth:`learn`) and how much each of them counts
    for a new pair (:meth:`mixtures`); both work on ``n × n`` matrices whatever the number of genes.
    """

    def fit(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Remember the training pairs and learn the responses to mix."""
        self._cell_type = np.asarray(inputs.cell_type)
        self._n_cell_types = inputs.n_cell_types
        self._views = kernel_views(inputs)
        base = np.ones(len(inputs)) if weights is None else np.asarray(weights, dtype=np.float64)
        targets = np.asarray(targets, dtype=np.float32)
        self._responses = np.asarray(self.learn(inputs, targets, base), dtype=np.float32)
        return self

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Mixtures of the remembered responses, float32 ``(n, n_genes)``."""
        return self.mixtures(inputs).astype(np.float32) @ self._responses

    @abstractmethod
    def learn(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Responses to mix ``(m, n_genes)``."""

    @abstractmethod
    def mixtures(self, inputs: Inputs) -> np.ndarray:
        """Weights of the responses for each pair, float64 ``(n, m)``."""

    def state(self) -> dict[str, np.ndarray]:
        """Codes and fingerprints of the training pairs, and the responses."""
        return {
            "cell_type": self._cell_type,
            "n_cell_types": np.array([self._n_cell_types]),
            "responses": self._responses,
            # Counts are small integers: a quarter of the bytes on disk.
            **{_VIEW + name: view.astype(np.uint16) for name, view in self._views.items()},
        }

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put pairs and responses back."""
        self._cell_type = state["cell_type"]
        self._n_cell_types = int(state["n_cell_types"][0])
        self._responses = state["responses"]
        self._views = {
            name.removeprefix(_VIEW): view.astype(np.float32)
            for name, view in state.items()
            if name.startswith(_VIEW)
        }
        return self
