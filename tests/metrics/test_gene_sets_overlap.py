from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom, mannwhitneyu

from core.errors import DataError
from core.metrics.gene_sets_overlap import (
    chosen_against_rest,
    intersections,
    pairwise_overlap,
    symbol_updates,
)
from core.metrics.selection_stability import frequencies, stability


def test_overlap_by_hand() -> None:
    """10 genes; sets of 4 and 3 share 2: P(X ≥ 2) = 40/120, P(X ≤ 2) = 116/120."""
    genes = list("ABCDEFGHIJ")
    table = pairwise_overlap({"a": "ABCD", "b": "CDE"}, genes)
    row = table.iloc[0]
    assert (row["n_a"], row["n_b"], row["shared"]) == (4, 3, 2)
    assert row["expected"] == pytest.approx(1.2)
    assert row["jaccard"] == pytest.approx(2 / 5)
    assert row["p_more"] == pytest.approx(40 / 120)
    assert row["p_less"] == pytest.approx(116 / 120)
    assert row["q"] == pytest.approx(80 / 120)


def test_genes_outside_the_background_do_not_count() -> None:
    table = pairwise_overlap({"a": ["A", "X"], "b": ["A", "X"]}, ["A", "B"])
    assert table["shared"][0] == 1 and table["n_a"][0] == 1
    with pytest.raises(DataError, match="background"):
        pairwise_overlap({"a": ["A"], "b": ["A"]}, [])


@given(st.lists(st.sets(st.sampled_from("ABCDEFGH")), min_size=2, max_size=4))
def test_overlap_agrees_with_scipy_and_intersections_partition(sets: list[set[str]]) -> None:
    named = {str(i): sorted(genes) for i, genes in enumerate(sets)}
    table = pairwise_overlap(named, "ABCDEFGHIJKL")
    for row in table.itertuples():
        theirs = hypergeom.sf(row.shared - 1, 12, row.n_b, row.n_a)
        assert row.p_more == pytest.approx(theirs, abs=1e-12)
        theirs = hypergeom.cdf(row.shared, 12, row.n_b, row.n_a)
        assert row.p_less == pytest.approx(theirs, abs=1e-12)
    groups = intersections(named)
    assert groups["n"].sum() == len(set().union(*sets))
    for name, genes in named.items():
        inside = [n for m, n in zip(groups["members"], groups["n"], strict=True) if name in m]
        assert sum(inside) == len(genes)


def test_intersections_are_exclusive_and_sorted() -> None:
    groups = intersections({"a": ["A", "B", "C", "C"], "b": ["C", "D"], "c": ["C"]})
    assert groups["members"].tolist() == [("a",), ("a", "b", "c"), ("b",)]
    assert groups["genes"].tolist() == [("A", "B"), ("C",), ("D",)]


def test_level_of_chosen_genes() -> None:
    genes = pd.DataFrame(
        {"gene": list("ABCDEF"), "mean": [5.0, 6, 1, 2, 3, np.nan], "dispersion": 1.0}
    )
    table = chosen_against_rest(genes, ["A", "B"], ["mean", "dispersion"])
    assert table["auc"].tolist() == [1.0, 0.5]
    assert (table["n_chosen"][0], table["n_rest"][0]) == (2, 3)
    theirs = mannwhitneyu([5, 6], [1, 2, 3], method="asymptotic").pvalue
    assert table["p_value"][0] == pytest.approx(theirs)
    assert np.isnan(chosen_against_rest(genes, [], ["mean"])["auc"][0])


def test_symbol_updates() -> None:
    table = symbol_updates(["TMEM2", "CEMIP2", "CD69", "AARS"])
    assert table["given"].tolist() == ["TMEM2", "CEMIP2", "AARS"]
    assert table["present"].tolist() == ["CEMIP2", "CEMIP2", "AARS1"]
    assert table["former"].tolist() == ["TMEM2", "TMEM2", "AARS"]


def test_stability_of_equal_and_disjoint_sets() -> None:
    same = stability([np.array([0, 1])] * 4, 10)
    assert (same.jaccard, same.nogueira) == (1.0, 1.0)
    apart = stability([np.array([0, 1]), np.array([2, 3])], 4)
    assert apart.jaccard == 0.0 and apart.nogueira == pytest.approx(-1.0)
    with pytest.raises(DataError, match="two selections"):
        stability([np.array([0])], 4)


def test_stability_by_hand() -> None:
    """Sets {0,1}, {0,2} of 4: s² = 0, ½, ½, 0 → Φ = 1 − ¼ / (½·½) = 0; Jaccard 1/3."""
    found = stability([np.array([0, 1]), np.array([0, 2])], 4)
    assert found.nogueira == pytest.approx(0.0)
    assert found.jaccard == pytest.approx(1 / 3)
    assert frequencies([np.array([0, 1]), np.array([0, 2])], 4).tolist() == [1, 0.5, 0.5, 0]


def test_random_sets_are_not_stable() -> None:
    rng = np.random.default_rng(0)
    sets = [rng.choice(500, 100, replace=False) for _ in range(30)]
    found = stability(sets, 500)
    assert abs(found.nogueira) < 0.02
    assert found.low < 0 < found.high
    assert found.jaccard == pytest.approx(found.expected_jaccard, abs=0.01)
