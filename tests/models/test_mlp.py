from __future__ import annotations

import pytest
import torch
from torch import nn

from core.models.mlp import MLP, MLPParams
from core.models.network import Batch, CategoryEmbedding, InputShape

SHAPE = InputShape(n_cell_types=3, n_compounds=5, d_cell=4, d_molecule=7, n_outputs=11)


def batch(n: int = 6, shape: InputShape = SHAPE) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        torch.arange(n) % shape.n_cell_types,
        torch.arange(n) % shape.n_compounds,
        torch.randn(n, shape.d_cell, generator=generator),
        torch.randn(n, shape.d_molecule, generator=generator),
    )


def test_two_branches_each_twice_linear_norm_relu_dropout():
    network = MLP(SHAPE, MLPParams())
    for branch in (network.cell, network.molecule):
        kinds = [type(layer) for block in branch for layer in block]
        assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout] * 2
    assert network(batch()).shape == (6, 11)


def test_each_branch_sees_only_its_features():
    network = MLP(SHAPE, MLPParams()).eval()
    one, other = batch(), batch()
    changed = Batch(one.cell_type, one.compound, one.cell, other.molecule + 1.0)
    assert torch.equal(network.cell(one.cell), network.cell(changed.cell))
    assert not torch.equal(network(one), network(changed))


def test_without_cell_features_the_cell_type_is_embedded():
    shape = InputShape(3, 5, 0, 7, 2)
    network = MLP(shape, MLPParams()).eval()
    same = batch(shape=shape)
    other = Batch(same.cell_type.roll(1), same.compound, same.cell, same.molecule)
    assert not torch.equal(network(same), network(other))


def test_without_molecule_features_the_branch_is_left_out():
    shape = InputShape(3, 5, 4, 0, 2)
    network = MLP(shape, MLPParams())
    assert network.molecule is None
    assert network(batch(shape=shape)).shape == (6, 2)


def test_head_layers():
    network = MLP(SHAPE, MLPParams(head_layers=3, head_width=9))
    assert [block[0].out_features for block in network.head] == [9, 9, 9]


def test_start_at_makes_the_prediction_constant():
    network = MLP(SHAPE, MLPParams()).eval()
    network.start_at(torch.arange(11.0))
    assert torch.equal(network(batch()), torch.arange(11.0).expand(6, -1))


def test_unknown_category_has_a_vector_that_dropout_trains():
    embedding = CategoryEmbedding(4, 8, 0.5)
    codes = torch.zeros(1000, dtype=torch.int64)
    torch.manual_seed(0)
    hidden = (embedding(codes) == embedding.vectors.weight[0]).all(dim=1).float().mean()
    assert hidden == pytest.approx(0.5, abs=0.06)
    embedding(codes).sum().backward()
    assert embedding.vectors.weight.grad[0].abs().sum() > 0
    embedding.eval()
    assert torch.equal(embedding(torch.tensor([-1])), embedding.vectors.weight[:1])
    assert torch.equal(embedding(torch.tensor([3])), embedding.vectors.weight[4:])
