"""What the baselines share: a table of responses, and which of its rows each pair gets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from core.models.base import ResponseModel
from core.models.inputs import Inputs


class ConstantModel(ResponseModel):
    """Predicts one response for every pair."""

    @abstractmethod
    def constant(self, targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """The response ``(n_genes,)`` for training rows ``(n, n_genes)``."""

    def fit(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Reduce the training rows to one response."""
        self._response = np.asarray(self.constant(targets, weights), dtype=np.float32)
        return self

    def predict(self, inputs: Inputs) -> np.ndarray:
        """The same response for each pair, float32 ``(n, n_genes)``."""
        return np.tile(self._response, (len(inputs), 1))

    def state(self) -> dict[str, np.ndarray]:
        """The response."""
        return {"response": self._response}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put the response back."""
        self._response = state["response"]
        return self


class GroupMeanModel(ResponseModel):
    """Predicts the mean of the training rows that share a category; else the overall mean."""

    @abstractmethod
    def group(self, inputs: Inputs) -> tuple[np.ndarray, int]:
        """Codes ``(n,)`` of the category, −1 for one never seen, and the number of categories."""

    def fit(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Weighted mean of each category's rows; the overall mean where it has none."""
        codes, n_groups = self.group(inputs)
        weights = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=np.float64)
        mixtures = np.zeros((n_groups + 1, len(codes)))
        mixtures[codes, np.arange(len(codes))] = weights
        mixtures[-1] = weights  # code −1 picks the last row
        mixtures[mixtures.sum(axis=1) == 0.0] = weights
        mixtures /= mixtures.sum(axis=1, keepdims=True)
        self._responses = mixtures.astype(np.float32) @ np.asarray(targets, dtype=np.float32)
        return self

    def predict(self, inputs: Inputs) -> np.ndarray:
        """The mean of each pair's category, float32 ``(n, n_genes)``."""
        return self._responses[self.group(inputs)[0]]

    def state(self) -> dict[str, np.ndarray]:
        """One response a category, the overall one last."""
        return {"responses": self._responses}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put the responses back."""
        self._responses = state["responses"]
        return self
