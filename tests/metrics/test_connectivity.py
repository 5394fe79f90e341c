from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, spearmanr

from core.metrics.connectivity import (
    cosine_connectivity,
    enrichment_scores,
    permutation_p_values,
    random_signatures,
    spearman_connectivity,
    weighted_connectivity,
)


def running_sum(row: np.ndarray, members: np.ndarray) -> float:
    """The definition, one gene at a time."""
    order = np.argsort(-row, kind="stable")
    inside = np.isin(order, members)
    total = np.abs(row[members]).sum()
    n_out = len(row) - len(members)
    value, best = 0.0, 0.0
    for gene, hit in zip(order, inside, strict=True):
        if hit:
            value += abs(row[gene]) / total if total else 1 / len(members)
        else:
            value -= 1 / n_out
        if abs(value) > abs(best) + 1e-12:
            best = value
    return best


def test_enrichment_by_hand() -> None:
    """Members first and third of five, weights 4 and 1: 0.8, 0.8−1/3, +0.2 = 0.667 … peak 0.8."""
    row = np.array([4.0, 2.0, 1.0, -1.0, -3.0])
    assert enrichment_scores(row, np.array([0, 2]))[0, 0] == pytest.approx(0.8)
    assert enrichment_scores(row, np.array([4]))[0, 0] == pytest.approx(-1.0)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_enrichment_agrees_with_the_definition(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    row = rng.normal(size=25)
    members = rng.choice(25, size, replace=False)
    ours = enrichment_scores(row, members)[0, 0]
    assert abs(ours) == pytest.approx(abs(running_sum(row, members)), abs=1e-9)


def test_a_response_like_the_signature_scores_plus_one_and_its_reverse_minus_one() -> None:
    row = np.linspace(3, -3, 60)
    up, down = np.arange(5), np.arange(55, 60)
    assert weighted_connectivity(row[None], up, down)[0] == pytest.approx(1.0)
    assert weighted_connectivity(-row[None], up, down)[0] == pytest.approx(-1.0)


def test_lists_that_move_the_same_way_do_not_connect() -> None:
    row = np.linspace(3, -3, 60)
    assert weighted_connectivity(row[None], np.arange(5), np.arange(5, 10))[0] == 0


def test_one_empty_list_leaves_the_other() -> None:
    row = np.linspace(3, -3, 60)[None]
    empty = np.zeros(0, dtype=int)
    assert weighted_connectivity(row, np.arange(5), empty)[0] == pytest.approx(1.0)
    assert weighted_connectivity(row, empty, np.arange(5))[0] == pytest.approx(-1.0)


def test_cosine_and_spearman_against_references() -> None:
    rng = np.random.default_rng(3)
    responses, signature = rng.normal(size=(7, 40)), rng.normal(size=40)
    signature[:10] = 0
    cosine = [
        row @ signature / np.linalg.norm(row) / np.linalg.norm(signature) for row in responses
    ]
    np.testing.assert_allclose(cosine_connectivity(responses, signature), cosine)
    rank = [spearmanr(row[10:], signature[10:]).statistic for row in responses]
    np.testing.assert_allclose(spearman_connectivity(responses, signature), rank)
    assert cosine_connectivity(np.zeros((1, 40)), signature).tolist() == [0.0]


def test_p_values_are_uniform_for_random_signatures() -> None:
    rng = np.random.default_rng(5)
    responses = rng.normal(size=(300, 200)).astype(np.float32)
    up, down = random_signatures(np.arange(8), np.arange(8), 200, 99, seed=1)
    p = []
    for row in responses:
        genes = rng.choice(200, 16, replace=False)
        observed = weighted_connectivity(row[None], genes[:8], genes[8:])
        p.append(permutation_p_values(observed, weighted_connectivity(row[None], up, down))[0])
    spread = np.asarray(p) - rng.uniform(0, 0.01, len(p))
    nonzero = spread[np.asarray(p) < 0.5]  # a score of exactly 0 ties with the null's zeros
    assert kstest(nonzero * 2, "uniform").pvalue > 1e-3


def test_p_values_are_never_zero() -> None:
    assert permutation_p_values(np.array([5.0]), np.zeros((1, 99)))[0] == pytest.approx(0.01)
