"""The contract of every featurizer of (cell type, compound) pairs, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from core.registry import Registry


class FeaturizerParams(BaseModel):
    """Parameters of a featurizer: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Featurizer(ABC):
    """Turns the pairs of a table into a float32 array.

    ``fit_transform`` sees the training rows with their responses and returns *their* features;
    ``transform`` sees only ``cell_type``, ``sm_name`` and ``SMILES`` of any rows. The two differ
    where a feature is made of responses (target statistics): a training row's own response must
    not be part of its features.
    """

    branch: ClassVar[str] = "molecule"
    Params: ClassVar[type[FeaturizerParams]] = FeaturizerParams

    def __init__(self, params: FeaturizerParams | None = None, *, seed: int = 0) -> None:
        self.params: Any = params if params is not None else self.Params()
        self.seed = seed

    @abstractmethod
    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn from training rows ``obs`` (n) and responses float32 ``(n, n_genes)``."""

    @abstractmethod
    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Features float32 ``(len(obs), d)`` of any rows."""

    def fit_transform(self, obs: pd.DataFrame, targets: np.ndarray) -> np.ndarray:
        """Fit, and return the training rows' own features."""
        return self.fit(obs, targets).transform(obs)

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the ``d`` columns."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Fitted state: arrays (NumPy) and JSON-able values by name."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> Self:
        """Put the fitted state back; the inverse of :meth:`state`."""


FEATURIZERS: Registry[type[Featurizer]] = Registry("featurizer", package="core.featurizers")
