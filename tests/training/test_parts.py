"""Losses, schedules and target processing against hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.metrics.regression import row_rmse
from core.training.estimator import Standardizer
from core.training.losses import LOSSES, row_losses, weighted_mean
from core.training.schedules import SCHEDULES, rate_factor
from core.training.target import (
    FullHead,
    LowRankHead,
    clip_responses,
    fit_head,
    head_from_state,
    robust_row_weights,
)

ERRORS = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
ROW_MSE = ERRORS.square().mean(dim=1)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("mse", 12.5),
        ("mrrmse", math.sqrt(12.5)),
        ("mae", 3.5),
        ("log-cosh", (math.log(math.cosh(3)) + math.log(math.cosh(4))) / 2),
        ("mix", (math.sqrt(12.5) + 3.5) / 2),
    ],
)
def test_losses_by_hand(name: str, first: float):
    rows = row_losses(name, ROW_MSE, ERRORS)
    assert rows.tolist() == pytest.approx([first, 0.0], abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_at_zero_and_at_large_errors(name: str):
    errors = torch.tensor([[0.0, 0.0], [1e4, -1e4]], requires_grad=True)
    row_losses(name, errors.square().mean(dim=1), errors).mean().backward()
    assert torch.isfinite(errors.grad).all()


def test_weighted_mean():
    rows = torch.tensor([1.0, 3.0])
    assert float(weighted_mean(rows, None)) == 2.0
    assert float(weighted_mean(rows, torch.tensor([3.0, 1.0]))) == 1.5


def test_unknown_names_and_missing_errors():
    with pytest.raises(ValueError, match="unknown loss"):
        row_losses("huber", ROW_MSE, ERRORS)
    with pytest.raises(ValueError, match="was not given"):
        row_losses("mae", ROW_MSE)
    with pytest.raises(ValueError, match="unknown schedule"):
        rate_factor("step", 0, 10)


@given(st.sampled_from(SCHEDULES), st.integers(1, 500))
def test_schedules_stay_within_the_peak(name: str, total: int):
    factors = [rate_factor(name, step, total) for step in range(total)]
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert max(factors) == pytest.approx(1.0)


def test_schedule_shapes():
    cosine = [rate_factor("cosine", step, 100) for step in range(100)]
    assert cosine.index(1.0) <= 5
    assert cosine[-1] == pytest.approx(0.01)
    assert cosine[52] == pytest.approx(0.505, abs=0.02)  # half way down
    cycle = [rate_factor("one-cycle", step, 100) for step in range(100)]
    assert int(np.argmax(cycle)) in range(28, 32)
    assert cycle[-1] == pytest.approx(1e-4)


def test_clip():
    values = np.array([[-20.0, 0.5, 11.0]])
    assert clip_responses(values, 10.0).tolist() == [[-10.0, 0.5, 10.0]]
    assert clip_responses(values, None).tolist() == values.tolist()


def test_robust_weights_by_hand():
    values = np.array([[1.0, 0.0], [0.0, 2.0], [8.0, 0.0]])  # norms 1, 2, 8; median 2
    assert robust_row_weights(values) == pytest.approx(np.array([1.0, 1.0, 0.25]) / 0.75)
    assert robust_row_weights(np.zeros((3, 2))) == pytest.approx(np.ones(3))


@pytest.fixture
def responses() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 5)) * [30, 10, 3, 1, 0.3] @ rng.normal(size=(5, 200))
    return (rows + 0.2 * rng.normal(size=rows.shape)).astype(np.float32)


def test_low_rank_head_is_the_truncated_svd(responses: np.ndarray):
    center = responses.mean(axis=0)
    head = LowRankHead.fit(responses, center, 4)
    assert head.basis.T @ head.basis == pytest.approx(np.eye(4), abs=1e-5)
    expected = np.linalg.svd(responses - center, full_matrices=False)
    projector = expected[2][:4].T @ expected[2][:4]
    assert head.basis @ head.basis.T == pytest.approx(projector, abs=1e-4)
    assert head.scale == pytest.approx(expected[1][:4] / np.sqrt(30), rel=1e-3)


def test_low_rank_error_is_exact_over_all_genes(responses: np.ndarray):
    head = fit_head(responses[:20], 3)
    outputs = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    target, outside = head.encode(torch.from_numpy(responses[20:]))  # rows it was not fitted on
    cheap = head.row_mse(outputs, target, outside).sqrt().numpy()
    assert cheap == pytest.approx(row_rmse(responses[20:], head.decode(outputs).numpy()), rel=1e-4)


def test_full_rank_head_loses_nothing(responses: np.ndarray):
    head = fit_head(responses, 500)
    assert head.n_outputs <= 30
    target, outside = head.encode(torch.from_numpy(responses))
    assert head.decode(target).numpy() == pytest.approx(responses, abs=5e-3)
    assert float(outside.max()) < 1e-4


def test_full_head_error_and_its_gradient():
    head = FullHead(np.zeros(2, dtype=np.float32))
    outputs = torch.tensor([[3.0, -4.0], [1.0, 1.0]], requires_grad=True)
    row_mse = head.row_mse(outputs, torch.tensor([[0.0, 0.0], [1.0, 1.0]]), None)
    assert row_mse.tolist() == pytest.approx([12.5, 0.0])
    row_mse.sum().backward()
    assert outputs.grad.tolist() == [pytest.approx([3.0, -4.0]), [0.0, 0.0]]


def test_heads_survive_their_state(responses: np.ndarray):
    for n_components in (None, 3):
        head = fit_head(responses, n_components)
        again = head_from_state(head.state())
        assert type(again) is type(head)
        outputs = torch.ones(2, head.n_outputs)
        assert torch.equal(again.decode(outputs), head.decode(outputs))
    assert isinstance(fit_head(responses, None), FullHead)


def test_head_of_constant_rows():
    head = fit_head(np.ones((4, 6), dtype=np.float32), 2)
    outputs = torch.from_numpy(head.start())[None]
    assert head.decode(outputs).numpy() == pytest.approx(np.ones((1, 6)))


def test_standardizer_by_hand():
    features = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0]], dtype=np.float32)
    scaler = Standardizer.fit(features)
    assert scaler.keep.tolist() == [0]
    new = np.array([[2.0, 9.0, 1.0], [1e6, 0.0, 0.0]], dtype=np.float32)
    assert scaler.transform(new, "cell").tolist() == [[0.0], [5.0]]
    again = Standardizer.restore(scaler.state("cell"), "cell")
    assert again.transform(features, "cell").tolist() == [[-1.0], [1.0]]
