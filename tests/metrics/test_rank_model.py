"""Perplexity beside baselines, and labels of neighbours, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.metrics.rank_model import (
    NearestCells,
    RankUnigram,
    Unigram,
    exclude_visible,
    knn_accuracy,
    perplexity,
)

GENES = np.arange(2, 42)


def test_perplexity_of_a_fair_die() -> None:
    assert perplexity(np.log(np.full(7, 1 / 6))) == pytest.approx(6.0)


def test_unigram_by_hand() -> None:
    model = Unigram([np.array([2, 3]), np.array([2, 4])], np.array([2, 3, 4]), 5)
    np.testing.assert_allclose(model.share, np.array([0, 0, 2.5, 1.5, 1.5]) / 5.5)
    # gene 2 is visible: 3 and 4 are left, alike
    got = model.log_probability(np.array([2]), np.array([1]), np.array([3]))
    np.testing.assert_allclose(np.exp(got), [0.5])


def test_visible_genes_are_ruled_out() -> None:
    table = np.array([[0.5, 0.3, 0.2]])
    got = exclude_visible(table, np.array([0]), np.array([1]))
    np.testing.assert_allclose(np.exp(got), [0.6])


def test_each_baseline_knows_more_than_the_one_before() -> None:
    rng = np.random.default_rng(0)

    def cell(kind: int) -> np.ndarray:
        # ranks are told within bins of ten; the kind tells which genes there are
        genes = GENES[20 * kind : 20 * kind + 20]
        return np.concatenate([rng.permutation(genes[:10]), rng.permutation(genes[10:])])

    cells = [cell(i % 2) for i in range(80)]
    unigram = Unigram(cells, GENES, 42)
    rank = RankUnigram(cells, GENES, 42, width=10)
    near = NearestCells(cells, GENES, 42, n_neighbours=20)
    logs: dict[str, list[np.ndarray]] = {"unigram": [], "rank": [], "near": []}
    for kind in (0, 1):
        new = cell(kind)
        hidden = np.array([1, 4, 12])
        seen = np.setdiff1d(np.arange(20), hidden)
        visible, answers = new[seen], new[hidden]
        logs["unigram"].append(unigram.log_probability(visible, hidden, answers))
        logs["rank"].append(rank.log_probability(visible, hidden, answers))
        logs["near"].append(near.log_probability(visible, hidden, answers, seen))
        assert {i % 2 for i in near.neighbours(visible, seen)} == {kind}
    found = {name: perplexity(np.concatenate(values)) for name, values in logs.items()}
    assert found["near"] < found["rank"] < found["unigram"]
    assert found["unigram"] == pytest.approx(23, rel=0.02)
    assert found["near"] < 8


def test_labels_of_neighbours() -> None:
    train = np.array([[0.0, 1], [0.1, 1], [1, 0], [1, 0.1]])
    labels = np.array(["a", "a", "b", "b"])
    test = np.array([[0.0, 2], [3, 0.2], [2, 0]])
    assert knn_accuracy(train, labels, test, np.array(["a", "b", "a"]), k=1) == pytest.approx(2 / 3)
