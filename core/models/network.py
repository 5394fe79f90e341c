"""The contract of torch networks: pure modules, trained by ``core.training``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from core.models.base import Params


@dataclass(frozen=True)
class InputShape:
    """Sizes a network is built for."""

    n_cell_types: int
    n_compounds: int
    d_cell: int
    d_molecule: int
    n_outputs: int


@dataclass(frozen=True)
class Batch:
    """A mini-batch on the device: codes int64 ``(b,)`` (−1 unseen), features float ``(b, d)``."""

    cell_type: torch.Tensor
    compound: torch.Tensor
    cell: torch.Tensor
    molecule: torch.Tensor


class Network(nn.Module):
    """A module from a :class:`Batch` to outputs ``(b, n_outputs)``."""

    Params: ClassVar[type[Params]] = Params

    def __init__(self, shape: InputShape, params: Params) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs ``(b, n_outputs)``: genes, or the components of a low-rank target head."""
        raise TypeError(f"{type(self).__name__} does not define forward")
