"""Read-outs of knock-outs, by hand and by construction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from core.data.gene_sets import gene_sets_from_dict
from core.errors import DataError
from core.metrics.enrichment import EnrichmentIndex
from core.metrics.knockout import (
    agreement,
    auc,
    interval,
    over_cells,
    positional_share,
    rank_correlation,
    read_outs,
    spearman,
    step,
    top_overlap,
    verdict,
)
from core.metrics.knockout_nulls import (
    gene_tests,
    goal_shift,
    goal_table,
    rank_leak,
)
from core.metrics.knockout_responders import (
    local_percentile,
    partner_test,
    responder_enrichment,
    responders,
)
from core.models.rank_transformer import (
    Mode,
    RankTransformer,
    RankTransformerConfig,
    embed_cells,
    knock_out,
)

RNG = np.random.default_rng(0)


def test_step_by_hand() -> None:
    shift = np.array([1.0, 3.0, 2.0, np.nan, 2.5, 9.0, 5.0])
    at = step(shift, 3)
    assert (at.median_above, at.median_below, at.height) == (2.0, 5.0, 3.0)
    # of nine pairs only (2.5 below, 3.0 above) is the wrong way round
    assert at.auc == pytest.approx(8 / 9)
    assert np.isnan(step(shift, 2).auc), "two genes above are too few"


def test_a_trend_along_the_cell_is_no_step() -> None:
    # genes low in the cell respond less, smoothly: far from 0.5 over all, near it at the rank
    trend = np.exp(-np.arange(2000) / 500) * np.exp(RNG.normal(0, 0.5, 2000))
    at = step(trend, 1000)
    assert at.auc < 0.1 and 0.3 < at.auc_near < 0.6
    with_step = trend.copy()
    with_step[1001:] += 0.5
    at = step(with_step, 1000)
    assert at.auc_near > 0.99
    assert np.isnan(step(trend, 1).auc_near)


def test_auc_counts_ties_as_half() -> None:
    assert auc(np.array([1.0, 2.0]), np.array([1.0])) == 0.75
    assert np.isnan(auc(np.array([]), np.array([1.0])))


def test_rank_correlation_leaves_the_knocked_gene_out() -> None:
    shift = np.arange(10.0)
    shift[4] = -50
    assert rank_correlation(shift, 4) == pytest.approx(1.0)
    assert rank_correlation(shift) < 1
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))


def test_positional_share() -> None:
    delete = np.array([1.0, 3.0, np.nan])
    assert positional_share(delete, delete) == 1.0
    assert positional_share(delete, np.zeros(3)) == 0.0
    assert positional_share(delete, np.array([1.0, 1.0, 7.0])) == pytest.approx(0.5)
    assert positional_share(delete, np.array([50.0, 50.0, 0.0])) == 0.0
    assert np.isnan(positional_share(np.zeros(3), np.zeros(3)))


def test_verdict_in_words() -> None:
    assert verdict(0.97).startswith("97 % of this response is explained by rank")
    assert "99.9 %" in verdict(0.9991)
    assert verdict(0.01).startswith("Only 1 %")
    assert "no response" in verdict(float("nan"))


def test_agreement_by_hand() -> None:
    a = np.array([[9.0, 1.0, 2.0, 3.0, 4.0]])
    b = np.array([[0.0, 2.0, 1.0, 4.0, 3.0]])
    row = agreement(a, b, np.array([0]), top=2).iloc[0]
    assert row["spearman"] == pytest.approx(0.6)
    assert row["top_overlap"] == 1.0
    assert row["expected_overlap"] == 0.5
    assert top_overlap(a[0], b[0], 1) == 0.0


def test_read_outs_of_a_clean_artefact() -> None:
    shift = np.full((2, 40), 1e-7) + RNG.random((2, 40)) * 1e-8
    shift[0, 11:] += 1e-3
    shift[1, 31:] += 1e-3
    shift[0, 10] = shift[1, 30] = np.nan
    table = read_outs(shift, np.array([10, 30]))
    assert table["auc"].tolist() == table["auc_near"].tolist() == [1.0, 1.0]
    assert (table["step_height"] > 9e-4).all()


def test_read_outs_of_nothing_have_their_columns() -> None:
    empty = read_outs(np.empty((0, 5)), np.array([], dtype=int))
    assert list(empty.columns) == list(read_outs(RNG.random((1, 9)), np.array([4])).columns)
    assert len(empty) == 0


def test_interval_and_cells() -> None:
    middle, low, high = interval(RNG.normal(5, 1, 400))
    assert low < middle < high and high - low < 0.5
    assert abs(middle - 5) < 0.2
    assert np.isnan(interval(np.array([3.0]))[1])
    table = pd.DataFrame({"mode": ["a", "a", "b"], "auc": [1.0, 0.8, 0.5]})
    out = over_cells(table, "mode", ["auc"])
    assert out["auc"].tolist() == [pytest.approx(0.9), 0.5]
    assert out["n"].tolist() == [2, 1]


def test_goal_shift_by_hand() -> None:
    before = np.array([[1.0, 0.0], [1.0, 0.0]])
    after = np.array([[1.0, 1.0], [1.0, -1.0]])
    np.testing.assert_allclose(
        goal_shift(before, after, np.array([0.0, 3.0])), [np.sqrt(0.5), -np.sqrt(0.5)]
    )


def ranked_table(n_cells: int = 12, length: int = 200, slope: float = 1.0) -> pd.DataFrame:
    """Values that follow from the rank alone, with noise; genes keep their ranks roughly."""
    rng = np.random.default_rng(3)
    rows = []
    for cell in range(n_cells):
        order = np.argsort(np.arange(length) + rng.normal(0, 3, length))
        value = slope * (1 - np.arange(length) / length) + rng.normal(0, 0.02, length)
        rows.append(
            pd.DataFrame(
                {
                    "cell": cell,
                    "gene": [f"G{g:03d}" for g in order],
                    "rank": np.arange(length),
                    "shift": value,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def test_rank_leaks_into_the_pooled_null_only() -> None:
    tests = gene_tests(ranked_table(), window=10, n_draws=200)
    leak = rank_leak(tests)
    assert leak["pooled"] > 0.8, "top ranks look significant"
    assert abs(leak["matched"]) < 0.3
    high = tests[tests["rank"] < 40]
    assert (high["q_pooled"] < 0.05).mean() > 0.9
    assert (high["q_matched"] < 0.05).mean() < 0.1


def test_a_real_effect_survives_the_matched_null() -> None:
    table = ranked_table()
    table.loc[table["gene"] == "G150", "shift"] += 0.2
    tests = gene_tests(table, window=10, n_draws=500)
    assert tests["gene"][0] == "G150"
    assert tests["p_matched"][0] == pytest.approx(1 / 501)
    assert tests.set_index("gene").loc["G150", "p_pooled"] > 0.5, "hidden by its low rank"


def test_gene_tests_say_what_is_missing() -> None:
    with pytest.raises(DataError, match="no column 'gene'"):
        gene_tests(pd.DataFrame({"cell": [1], "rank": [0], "shift": [0.0]}))
    with pytest.raises(DataError, match="at least 99 cells"):
        gene_tests(ranked_table(2, 20), min_cells=99)
    alone = pd.DataFrame({"cell": [1], "gene": ["A"], "rank": [0], "shift": [0.0]})
    assert np.isnan(gene_tests(alone)["p_matched"][0]), "nothing to compare with"


def test_goal_table_of_a_model_that_is_told_the_answer() -> None:
    torch.manual_seed(0)
    config = RankTransformerConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=0.4,
    )
    model = RankTransformer(config).eval()
    cell = np.arange(2, 30)
    # the goal is the very cell without the gene at rank 5: that knock-out must come first
    goal = embed_cells(model, [np.delete(cell, 5)])[0]
    result = knock_out(model, cell, [*range(28), (1, 2)], Mode.DELETE)
    table = goal_table([("a", result)], lambda tokens: np.array([f"G{t}" for t in tokens]), goal)
    assert len(table) == 28, "the group is no gene"
    near = goal_shift(result.before, result.after, goal)
    np.testing.assert_allclose(table["shift"], near[:28])
    left = 1 - goal_shift(np.zeros_like(result.after) + goal, result.after, goal)
    assert np.isclose(left[5], 1.0) and table.loc[5, "gene"] == "G7"
    assert (left[:28] >= left[5] - 1e-9).all()


def test_local_percentile_by_hand() -> None:
    got = local_percentile(np.array([1.0, 3.0, 2.0, np.nan, 2.0]), window=1)
    np.testing.assert_allclose(got, [0.0, 1.0, 0.0, np.nan, np.nan])


def test_partners_are_told_from_their_ranks() -> None:
    shift = 1 - np.arange(300) / 300 + RNG.normal(0, 0.01, 300)
    genes = [f"G{i}" for i in range(300)]
    ranked_high = partner_test(shift, genes, genes[:15], window=30, n_draws=500)
    assert (ranked_high["auc"] > 0.95 and ranked_high["p_matched"] > 0.01) or (
        ranked_high["excess"] < 0.45
    )
    low = list(range(200, 215))
    shift[low] += 0.3
    real = partner_test(shift, genes, [genes[i] for i in low], window=30, n_draws=500)
    assert real["p_matched"] < 0.01 and real["excess"] > 0.2
    assert partner_test(shift, genes, ["nobody"])["n"] == 0


def test_responders_in_order() -> None:
    table = responders(np.array([0.1, np.nan, 0.5, 0.3]), ["A", "B", "C", "D"], window=5)
    assert table["gene"].tolist() == ["C", "D", "A"]
    assert table["percentile_in_rank"].tolist() == [1.0, 0.5, 0.0]


def test_enrichment_against_rank_matched_genes() -> None:
    genes = [f"G{i}" for i in range(400)]
    # a set of top-ranked genes, and a set that truly responds, spread over the ranks
    true = [genes[i] for i in range(7, 400, 20)]
    index = EnrichmentIndex.build(
        gene_sets_from_dict({"ribosome": genes[:30], "pathway": true}, name="two"),
        background=genes,
    )
    shift = np.where(np.arange(400) < 50, 1.0, 0.0) + RNG.random(400) * 0.1
    shift[[genes.index(g) for g in true]] += 2.0
    table = responder_enrichment(shift, genes, index, top=60, bin_size=50).set_index("term")
    assert table.loc["ribosome", "p_value"] < 1e-6
    assert table.loc["ribosome", "p_matched"] > 0.05
    assert table.loc["pathway", "p_matched"] < 0.01
    assert table.loc["ribosome", "expected_matched"] > 20
