"""A small sequence network on SMILES tokens, with random SMILES as its augmentation.

The competition's winning solution read SMILES through 1D-convolutional and recurrent encoders;
Arús-Pous et al. (*J. Cheminform.* 11, 71 (2019)) showed that random SMILES improve networks that
read them. In training a random spelling of each molecule is read at every step; in prediction
the encodings of the first spellings are averaged.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from core.errors import ConfigError
from core.models.base import MODELS, Params
from core.models.mlp import block
from core.models.network import Batch, CategoryEmbedding, InputShape, Network

#: As :mod:`core.featurizers.smiles_tokens` writes them.
PAD, START, UNKNOWN, VOCABULARY = 0, 1, 2, 256


class SmilesEncoderParams(Params):
    """Sizes and regularisation of the SMILES encoder."""

    kind: Literal["convolution", "recurrent"] = Field(
        "convolution",
        title="Encoder",
        description="convolution: three 1D convolutions; recurrent: a bidirectional GRU.",
    )
    token_width: int = Field(
        32, ge=4, le=512, title="Token width", description="Length of a token's vector."
    )
    width: int = Field(
        96, ge=4, le=1024, title="Width", description="Channels of the encoder, units of the head."
    )
    dropout: float = Field(
        0.3, ge=0, lt=1, title="Dropout", description="Share of units hidden in training."
    )
    token_dropout: float = Field(
        0.05,
        ge=0,
        lt=1,
        title="Token dropout",
        description="Share of tokens hidden in training, so that an unknown one is no surprise.",
    )
    augment: bool = Field(
        True,
        title="Random SMILES",
        description="Train on random spellings; otherwise on the canonical one only.",
    )
    n_averaged: int = Field(
        4,
        ge=1,
        le=256,
        title="Spellings averaged",
        description="Spellings whose encodings are averaged in prediction, with random SMILES.",
    )


@MODELS.register(
    "smiles_encoder",
    label="SMILES encoder",
    help="Reads SMILES tokens through a small convolutional or recurrent network, trained on "
    "random spellings; needs the feature 'SMILES tokens'.",
    kind="network",
)
class SmilesEncoder(Network):
    """Token vectors, an encoder, mean and maximum over positions, joined with cell features."""

    Params = SmilesEncoderParams

    def __init__(self, shape: InputShape, params: SmilesEncoderParams) -> None:
        super().__init__(shape, params)
        if shape.d_sequence == 0:
            raise ConfigError("The SMILES encoder needs the feature 'SMILES tokens'.")
        self.params = params
        width, drop = params.width, params.dropout
        self.tokens = nn.Embedding(VOCABULARY, params.token_width, padding_idx=PAD)
        self.recurrent: nn.GRU | None = None
        self.convolutions = nn.ModuleList()
        if params.kind == "recurrent":
            self.recurrent = nn.GRU(params.token_width, width, batch_first=True, bidirectional=True)
            d_read = 2 * width
        else:
            sizes = [params.token_width, width, width, width]
            # Dilation 1, 2, 4 with five taps: each position sees 29 tokens.
            for depth, (d_in, d_out) in enumerate(pairwise(sizes)):
                step = 2**depth
                self.convolutions.append(
                    nn.Conv1d(d_in, d_out, kernel_size=5, padding=2 * step, dilation=step)
                )
            d_read = width
        self.embedding: CategoryEmbedding | None = None
        d_cell = shape.d_cell
        if d_cell == 0:
            d_cell = 16
            self.embedding = CategoryEmbedding(shape.n_cell_types, d_cell, dropout=0.2)
        self.cell = block(d_cell, width, drop)
        self.read = block(2 * d_read, width, drop)
        self.molecule: nn.Sequential | None = None
        if shape.d_molecule > 0:
            self.molecule = block(shape.d_molecule, width, drop)
        self.head = block(width * (3 if self.molecule is not None else 2), width, drop)
        self.output = nn.Linear(width, shape.n_outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Outputs ``(b, n_outputs)``."""
        if batch.sequence is None:
            raise ConfigError("The SMILES encoder needs the feature 'SMILES tokens'.")
        cell = batch.cell if self.embedding is None else self.embedding(batch.cell_type)
        parts = [self.cell(cell), self.read(self._molecules(batch.sequence))]
        if self.molecule is not None:
            parts.append(self.molecule(batch.molecule))
        return self.output(self.head(torch.cat(parts, dim=1)))

    def _molecules(self, sequence: torch.Tensor) -> torch.Tensor:
        """One encoding a molecule ``(b, 2 d_read)`` from codes ``(b, n_variants × length)``."""
        n_rows = len(sequence)
        # Every spelling begins with START: their number need not be told apart from the codes.
        n_variants = int((sequence[0] == START).sum()) if n_rows else 1
        spelt = sequence.reshape(n_rows, n_variants, -1)
        if not self.params.augment or n_variants == 1:
            return self._encode(spelt[:, 0])
        if self.training:
            chosen = torch.randint(n_variants, (n_rows,), device=sequence.device)
            return self._encode(spelt[torch.arange(n_rows, device=sequence.device), chosen])
        few = min(self.params.n_averaged, n_variants)
        return torch.stack([self._encode(spelt[:, v]) for v in range(few)]).mean(dim=0)

    def _encode(self, codes: torch.Tensor) -> torch.Tensor:
        """Mean and maximum over the positions of one spelling, ``(b, 2 d_read)``."""
        real = codes != PAD
        longest = int(real.sum(dim=1).max()) if len(codes) else 1
        codes, real = codes[:, :longest], real[:, :longest]
        if self.training and self.params.token_dropout > 0:
            hidden = torch.rand(codes.shape, device=codes.device) < self.params.token_dropout
            codes = codes.masked_fill(hidden & real, UNKNOWN)
        mask = real.unsqueeze(-1)
        read = self.tokens(codes)
        if self.recurrent is not None:
            lengths = real.sum(dim=1).cpu()
            packed = nn.utils.rnn.pack_padded_sequence(
                read, lengths, batch_first=True, enforce_sorted=False
            )
            out, _ = nn.utils.rnn.pad_packed_sequence(
                self.recurrent(packed)[0], batch_first=True, total_length=longest
            )
            read = out
        else:
            for depth, convolution in enumerate(self.convolutions):
                # Padding stays zero, so that a molecule's encoding does not depend on its batch.
                out = torch.relu(convolution(read.transpose(1, 2)).transpose(1, 2)) * mask
                read = out if depth == 0 else read + out
        total = (read * mask).sum(dim=1) / real.sum(dim=1, keepdim=True).clamp(min=1)
        largest = read.masked_fill(~mask, -torch.inf).amax(dim=1)
        return torch.cat([total, largest], dim=1)
