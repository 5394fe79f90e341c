"""The transformer over categories, joined with numeric features."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import nn

from core.models.base import MODELS, Params
from core.models.network import Batch, CategoryEmbedding, InputShape, Network


class TransformerParams(Params):
    """Sizes and regularisation of the transformer."""

    d_model: int = Field(
        128, ge=8, le=2048, title="Model width", description="Width of a token; heads divide it."
    )
    n_heads: int = Field(8, ge=1, le=64, title="Heads", description="Attention heads.")
    n_layers: int = Field(1, ge=1, le=8, title="Layers", description="Encoder layers.")
    feedforward_width: int = Field(
        256, ge=8, le=8192, title="Feed-forward width", description="Units inside a layer."
    )
    head_width: int = Field(
        256, ge=2, le=4096, title="Head width", description="Units of the first dense layer."
    )
    dropout: float = Field(
        0.5, ge=0, lt=1, title="Dropout", description="Share of units hidden in training."
    )
    category_dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        title="Category dropout",
        description="Share of training rows whose cell type or compound is hidden, so that the "
        "network also learns from features alone and can predict new molecules.",
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> TransformerParams:
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of n_heads {self.n_heads}")
        return self


@MODELS.register(
    "transformer",
    label="Transformer",
    help="Cell type and compound as embedded tokens through one encoder layer with 8 heads, "
    "joined with the numeric features, then two fully connected layers.",
    kind="network",
)
class Transformer(Network):
    """Tokens for cell type, compound and their pair through an encoder; joined with the features.

    The third token is learned and the same for every pair: after attention it holds what the two
    categories say together, next to what each says alone.
    """

    Params = TransformerParams

    def __init__(self, shape: InputShape, params: TransformerParams) -> None:
        super().__init__(shape, params)
        width, drop = params.d_model, params.dropout
        self.cell_type = CategoryEmbedding(shape.n_cell_types, width, params.category_dropout)
        self.compound = CategoryEmbedding(shape.n_compounds, width, params.category_dropout)
        self.pair = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(
            width,
            params.n_heads,
            params.feedforward_width,
            dropout=0.5 * drop,
            batch_first=True,
        )
        # Nested tensors serve padded batches only; ours have three tokens in every row.
        self.encoder = nn.TransformerEncoder(layer, params.n_layers, enable_nested_tensor=False)
        d_numeric = shape.d_cell + shape.d_molecule
        self.feature_dropout = nn.Dropout(0.5 * drop)
        self.dense = nn.Sequential(
            nn.Linear(3 * width + d_numeric, params.head_width),
            nn.LayerNorm(params.head_width),
            nn.ReLU(),
            nn.Dropout(drop),
        )
        self.output = nn.Linear(params.head_width, shape.n_outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs ``(b, n_outputs)``."""
        pair = self.pair.expand(len(batch), -1)
        tokens = torch.stack(
            [pair, self.cell_type(batch.cell_type), self.compound(batch.compound)], dim=1
        )
        encoded = self.encoder(tokens).flatten(1)
        numeric = self.feature_dropout(torch.cat([batch.cell, batch.molecule], dim=1))
        return self.output(self.dense(torch.cat([encoded, numeric], dim=1)))
