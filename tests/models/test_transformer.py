from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from core.models.network import Batch, InputShape
from core.models.transformer import Transformer, TransformerParams
from tests.models.test_mlp import SHAPE, batch


def test_one_encoder_layer_with_eight_heads_then_two_dense_layers():
    network = Transformer(SHAPE, TransformerParams())
    assert len(network.encoder.layers) == 1
    assert network.encoder.layers[0].self_attn.num_heads == 8
    dense = [layer for layer in (*network.dense, network.output) if isinstance(layer, nn.Linear)]
    assert len(dense) == 2
    assert network(batch()).shape == (6, 11)


@pytest.mark.parametrize("part", ["cell_type", "compound", "cell", "molecule"])
def test_every_input_matters(part: str):
    network = Transformer(SHAPE, TransformerParams()).eval()
    one = batch()
    parts = {name: getattr(one, name) for name in ("cell_type", "compound", "cell", "molecule")}
    parts[part] = parts[part].roll(1, dims=0)
    assert not torch.allclose(network(one), network(Batch(**parts)))


def test_categories_attend_to_each_other():
    """What the token of the cell type becomes depends on the compound."""
    network = Transformer(SHAPE, TransformerParams()).eval()
    cell = network.cell_type(torch.zeros(2, dtype=torch.int64))
    compound = network.compound(torch.tensor([0, 1]))
    encoded = network.encoder(torch.stack([network.pair.expand(2, -1), cell, compound], dim=1))
    assert not torch.allclose(encoded[0, 1], encoded[1, 1])


def test_unseen_categories_and_no_features():
    shape = InputShape(3, 5, 0, 0, 2)
    network = Transformer(shape, TransformerParams()).eval()
    unseen = torch.full((2,), -1)
    empty = torch.zeros(2, 0)
    outputs = network(Batch(unseen, unseen, empty, empty))
    assert outputs.shape == (2, 2)
    assert torch.isfinite(outputs).all()


def test_heads_must_divide_the_width():
    with pytest.raises(ValidationError, match="d_model 100 is not a multiple of n_heads 8"):
        TransformerParams(d_model=100)
