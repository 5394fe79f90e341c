"""Deep networks from a few genes to all others."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from core.models.base import Params
from core.models.expression.base import EXPRESSION_MODELS
from core.models.network import Batch, InputShape, Network


class NetworkParams(Params):
    """Size and training of a network."""

    width: int = Field(512, ge=4, le=8192, title="Width", description="Units of a hidden layer.")
    n_layers: int = Field(
        1, ge=1, le=8, title="Hidden layers", description="Blocks of linear, dropout and ReLU."
    )
    dropout: float = Field(
        0.2, ge=0, lt=1, title="Dropout", description="Share of units hidden in training."
    )
    learning_rate: float = Field(
        1e-2, gt=0, le=1, title="Learning rate", description="Of Adam; the paper's is 0.01."
    )
    batch_size: int = Field(256, ge=2, le=16_384, title="Batch size", description="Cells a step.")
    epochs: int = Field(100, ge=1, le=10_000, title="Epochs", description="Most epochs.")
    patience: int = Field(
        5,
        ge=1,
        title="Patience",
        description="Stop after so many epochs without gain on the validation cells.",
    )
    loss: Literal["mse", "weighted"] = Field(
        "mse", title="Loss", description="weighted: (target + 1)(prediction − target)²."
    )


class ResidualParams(NetworkParams):
    """The defaults of the low-rank residual network."""

    width: int = Field(256, ge=4, le=8192, title="Width", description="Units of a hidden layer.")
    dropout: float = Field(
        0.3, ge=0, lt=1, title="Dropout", description="Share of units hidden in training."
    )
    learning_rate: float = Field(
        3e-3, gt=0, le=1, title="Learning rate", description="Of Adam, with weight decay."
    )
    weight_decay: float = Field(
        1e-2, ge=0, le=10, title="Weight decay", description="Decoupled weight decay."
    )
    rank: int = Field(
        32,
        ge=1,
        le=1024,
        title="Rank",
        description="Principal components of ridge's residuals that the network predicts.",
    )


def blocks(d_in: int, width: int, n_layers: int, dropout: float) -> nn.Sequential:
    """Blocks of linear, dropout, ReLU, in the paper's order."""
    widths = [d_in] + [width] * n_layers
    parts: list[nn.Module] = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), nn.Dropout(dropout), nn.ReLU()]
    return nn.Sequential(*parts)


@EXPRESSION_MODELS.register(
    "dnn",
    label="Deep network",
    help="The paper's network: blocks of linear, dropout and ReLU, then a linear layer to every "
    "gene; Adam at 0.01, at most 100 epochs, patience 5.",
    kind="network",
    loss="mse",
    member=False,
)
class DNN(Network):
    """Linear–dropout–ReLU blocks and a linear output (Cheng, Iyer & Kadyan)."""

    Params = NetworkParams
    #: The network predicts expression itself.
    residual = False

    def __init__(self, shape: InputShape, params: NetworkParams) -> None:
        super().__init__(shape, params)
        self.blocks = blocks(shape.d_molecule, params.width, params.n_layers, params.dropout)
        self.output = nn.Linear(params.width, shape.n_outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs ``(b, n_outputs)``."""
        return self.output(self.blocks(batch.molecule))


@EXPRESSION_MODELS.register(
    "residual_network",
    label="Residual network",
    help="A network on cell state and depth that corrects ridge regression in the leading "
    "principal components of its leave-one-out residuals.",
    kind="network",
    loss="mse",
)
class ResidualNetwork(DNN):
    """The same blocks, on principal, guided and depth coordinates, behind a low-rank head."""

    Params = ResidualParams
    residual = True
