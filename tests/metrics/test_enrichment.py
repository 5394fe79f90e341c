from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, hypergeom

from core.data.gene_sets import gene_sets_from_dict, go_biological_process
from core.errors import DataError
from core.metrics.enrichment import EnrichmentIndex, benjamini_hochberg, hypergeometric_tail


def test_tail_by_hand() -> None:
    """10 genes, 4 in the set, 3 drawn: P(X ≥ 2) = (C(4,2)·C(6,1) + C(4,3)) / C(10,3) = 40/120."""
    p = hypergeometric_tail(np.array([0, 1, 2, 3, 4]), 10, np.full(5, 4), 3)
    np.testing.assert_allclose(p, [1.0, 100 / 120, 40 / 120, 4 / 120, 0.0], rtol=1e-12)


@given(st.data())
def test_tail_agrees_with_scipy(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 3000))
    size = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(0, population))
    overlap = data.draw(st.integers(0, min(size, drawn)))
    ours = hypergeometric_tail(np.array([overlap]), population, np.array([size]), drawn)[0]
    theirs = hypergeom.sf(overlap - 1, population, size, drawn)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_tiny_p_values_keep_their_digits() -> None:
    ours = hypergeometric_tail(np.array([60]), 16_000, np.array([80]), 100)[0]
    theirs = hypergeom.sf(59, 16_000, 80, 100)
    assert 0 < theirs < 1e-100
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_benjamini_hochberg_agrees_with_scipy() -> None:
    p = np.random.default_rng(0).uniform(size=200) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))


def test_all_tested_terms_count_in_the_correction() -> None:
    """Three terms, one with hits: its p-value is multiplied by three, not by one."""
    sets = gene_sets_from_dict(
        {"hit": ["A", "B"], "none": ["C", "D"], "neither": ["E", "F"]}, name="toy"
    )
    table = EnrichmentIndex.build(sets, min_size=1).test(["A", "B"])
    assert table["term"][0] == "hit"
    assert table["p_value"][0] == pytest.approx(1 / 15)
    assert table["q_value"][0] == pytest.approx(3 / 15)
    assert table["genes"][0] == "A;B"
    assert len(table) == 3


def test_only_background_genes_count() -> None:
    sets = gene_sets_from_dict({"t": ["A", "B", "C"]}, name="toy")
    index = EnrichmentIndex.build(sets, ["A", "B", "X", "Y", "A"], min_size=1)
    table = index.test(["A", "C", "unknown"])
    assert (table["size"][0], table["overlap"][0]) == (2, 1)
    assert table["p_value"][0] == pytest.approx(2 / 4)
    assert table["fold"][0] == pytest.approx(1 / (2 * 1 / 4))


def test_a_background_without_any_term_is_explained() -> None:
    with pytest.raises(DataError, match="human gene symbols"):
        EnrichmentIndex.build(go_biological_process(), ["Actb", "Gapdh"])


def test_an_empty_list_gives_no_enrichment() -> None:
    sets = gene_sets_from_dict({"t": ["A", "B"]}, name="toy")
    table = EnrichmentIndex.build(sets, min_size=1).test([])
    assert table["p_value"].tolist() == [1.0]
    assert np.isnan(table["fold"][0])


def test_gene_ontology_against_scipy() -> None:
    sets = go_biological_process()
    index = EnrichmentIndex.build(sets)
    term = sets.terms[500]
    rng = np.random.default_rng(1)
    genes = [*sets.members(term), *rng.choice(sets.genes.to_numpy(), 300)]
    table = index.test(genes)
    drawn = len(set(genes))
    theirs = hypergeom.sf(table["overlap"] - 1, len(index.background), table["size"], drawn)
    np.testing.assert_allclose(table["p_value"], theirs, rtol=1e-9, atol=1e-12)
    assert table["term"][0] == term
