"""The two-branch multilayer perceptron."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import nn

from core.models.base import MODELS, Params
from core.models.network import Batch, CategoryEmbedding, InputShape, Network


class MLPParams(Params):
    """Sizes and regularisation of the two-branch MLP."""

    cell_width: int = Field(
        128, ge=2, le=4096, title="Cell width", description="Units of the cell branch."
    )
    molecule_width: int = Field(
        256, ge=2, le=4096, title="Molecule width", description="Units of the molecule branch."
    )
    head_width: int = Field(
        256, ge=2, le=4096, title="Head width", description="Units of the joined layers."
    )
    head_layers: int = Field(
        1, ge=1, le=6, title="Head layers", description="Hidden layers after the branches join."
    )
    dropout: float = Field(
        0.3, ge=0, lt=1, title="Dropout", description="Share of units hidden in training."
    )
    category_dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        title="Category dropout",
        description="Share of training rows whose cell type is hidden where the network embeds it "
        "(only without cell features).",
    )


def block(d_in: int, d_out: int, dropout: float) -> nn.Sequential:
    """Linear, batch norm, ReLU, dropout."""
    return nn.Sequential(
        nn.Linear(d_in, d_out), nn.BatchNorm1d(d_out), nn.ReLU(), nn.Dropout(dropout)
    )


@MODELS.register(
    "mlp",
    label="Two-branch MLP",
    help="A branch for cell type and target statistics, a branch for substructures and "
    "fingerprints, each two dense layers; joined, then a head to all genes.",
    kind="network",
)
class MLP(Network):
    """Two branches, each linear, batch norm, ReLU, dropout twice; joined, then a dense head.

    A branch without features is left out; without cell features the cell type enters through a
    learned embedding, so that the network always knows which cells it predicts.
    """

    Params = MLPParams

    def __init__(self, shape: InputShape, params: MLPParams) -> None:
        super().__init__(shape, params)
        drop = params.dropout
        self.embedding: CategoryEmbedding | None = None
        d_cell = shape.d_cell
        if d_cell == 0:
            d_cell = min(16, params.cell_width)
            self.embedding = CategoryEmbedding(shape.n_cell_types, d_cell, params.category_dropout)
        self.cell = nn.Sequential(
            block(d_cell, params.cell_width, drop),
            block(params.cell_width, params.cell_width, drop),
        )
        joined = params.cell_width
        self.molecule: nn.Sequential | None = None
        if shape.d_molecule > 0:
            self.molecule = nn.Sequential(
                block(shape.d_molecule, params.molecule_width, drop),
                block(params.molecule_width, params.molecule_width, drop),
            )
            joined += params.molecule_width
        widths = [joined] + [params.head_width] * params.head_layers
        self.head = nn.Sequential(*(block(d_in, d_out, drop) for d_in, d_out in pairwise(widths)))
        self.output = nn.Linear(params.head_width, shape.n_outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs ``(b, n_outputs)``."""
        cell = batch.cell if self.embedding is None else self.embedding(batch.cell_type)
        parts = [self.cell(cell)]
        if self.molecule is not None:
            parts.append(self.molecule(batch.molecule))
        return self.output(self.head(torch.cat(parts, dim=1)))
