"""The contract of torch networks: pure modules, trained by ``core.training``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from core.models import base


@dataclass(frozen=True)
class InputShape:
    """Sizes a network is built for."""

    n_cell_types: int
    n_compounds: int
    d_cell: int
    d_molecule: int
    n_outputs: int
    d_sequence: int = 0


@dataclass(frozen=True)
class Batch:
    """A mini-batch on the device: codes int64 ``(b,)`` (−1 unseen), features float ``(b, d)``.

    ``sequence`` holds token codes int64 ``(b, d_sequence)``, where a featurizer makes them.
    """

    cell_type: torch.Tensor
    compound: torch.Tensor
    cell: torch.Tensor
    molecule: torch.Tensor
    sequence: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.cell_type)

    def take(self, rows: torch.Tensor) -> Batch:
        """The rows at the given positions, in their order."""
        return Batch(
            self.cell_type[rows],
            self.compound[rows],
            self.cell[rows],
            self.molecule[rows],
            None if self.sequence is None else self.sequence[rows],
        )


class Network(nn.Module):
    """A module from a :class:`Batch` to outputs ``(b, n_outputs)``.

    A subclass ends in a linear layer called ``output``.
    """

    Params: ClassVar[type[base.Params]] = base.Params
    output: nn.Linear

    def __init__(self, shape: InputShape, params: base.Params) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs ``(b, n_outputs)``: genes, or the components of a low-rank target head."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    @torch.no_grad()
    def start_at(self, outputs: torch.Tensor) -> None:
        """Make ``outputs`` ``(n_outputs,)`` the prediction of the untrained network.

        Thousands of outputs fitted to a few hundred rows start far away otherwise, and many
        epochs go into finding the mean. Weight decay then shrinks towards this point.
        """
        self.output.weight.zero_()
        self.output.bias.copy_(outputs)


class CategoryEmbedding(nn.Module):
    """Learned vectors of categories, with one for a category never seen (code −1).

    In training a share ``dropout`` of the codes is replaced by the unknown one: otherwise its
    vector would never be trained, and a new molecule would get noise.

    Parameters
    ----------
    n_categories
        Known categories.
    width
        Length of a vector.
    dropout
        Probability of hiding a training row's category.
    """

    def __init__(self, n_categories: int, width: int, dropout: float) -> None:
        super().__init__()
        self.vectors = nn.Embedding(n_categories + 1, width)
        nn.init.normal_(self.vectors.weight, std=width**-0.5)
        self.dropout = dropout

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Vectors ``(b, width)`` of int64 codes ``(b,)``."""
        index = codes + 1
        if self.training and self.dropout > 0.0:
            hidden = torch.rand(index.shape, device=index.device) < self.dropout
            index = index.masked_fill(hidden, 0)
        return self.vectors(index)
