"""The contract of every response model, and the registry that users choose from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.models.inputs import Inputs
from core.registry import Registry


class Params(BaseModel):
    """Parameters of a model: frozen, unknown names refused, one description a field."""

    model_config = ConfigDict(frozen=True, extra="forbid")


#: The class by a name that a model's own ``Params`` does not hide.
_ModelParams = Params


class ResponseModel(ABC):
    """Maps :class:`Inputs` of ``n`` pairs to responses ``(n, n_genes)``.

    A model knows nothing of files, runs or screens. Its fitted state is a flat dictionary of
    arrays (:meth:`state`), which the study stores as safetensors.
    """

    Params: ClassVar[type[Params]] = Params

    def __init__(self, params: _ModelParams | None = None, *, seed: int = 0) -> None:
        self.params: Any = params if params is not None else self.Params()
        self.seed = seed

    @abstractmethod
    def fit(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Fit on float32 ``targets`` ``(n, n_genes)`` with optional row ``weights`` ``(n,)``."""

    @abstractmethod
    def predict(self, inputs: Inputs) -> np.ndarray:
        """Predicted responses, float32 ``(n, n_genes)``."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Fitted arrays by name."""

    @abstractmethod
    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put fitted arrays back; the inverse of :meth:`state`."""


#: sklearn-style models (subclasses of ResponseModel) and torch networks (subclasses of
#: ``core.models.network.Network``); tag ``kind`` is "baseline", "classical" or "network".
MODELS: Registry[Any] = Registry("model", package="core.models")
