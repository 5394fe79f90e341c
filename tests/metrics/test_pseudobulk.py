"""Pseudobulk: sums by hand, the prior's equations, calibration, and interferon in Kang 2018."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from core.errors import DataError
from core.metrics.pseudobulk import (
    Pseudobulk,
    compare_pseudobulk,
    sum_by_sample,
    variance_prior,
)


def test_sums_by_hand() -> None:
    counts = sparse.csr_matrix([[1, 0], [2, 5], [4, 0], [8, 1], [16, 1]])
    bulk = sum_by_sample(counts, ["s", "s", "t", "t", None], ["a", "a", "a", "b", "b"], min_cells=1)
    assert bulk.samples[["sample", "condition", "n_cells"]].to_numpy().tolist() == [
        ["s", "a", 2],
        ["t", "a", 1],
        ["t", "b", 1],
    ]
    assert bulk.counts.tolist() == [[3, 5], [4, 0], [8, 1]]
    few = sum_by_sample(counts, ["s", "s", "t", "t", None], list("aaabb"), min_cells=2)
    assert len(few.samples) == 1
    assert few.left_out == ["t (a) has 1 cells, fewer than 2.", "t (b) has 1 cells, fewer than 2."]


def simulated(
    seed: int, n_genes: int = 2000, d0: float = 6.0, s0: float = 0.05, n: int = 3
) -> np.ndarray:
    """log2 CPM of 2n samples without any effect, variances from the model's own prior."""
    rng = np.random.default_rng(seed)
    variance = s0 * d0 / rng.chisquare(d0, size=n_genes)
    return rng.normal(8, np.sqrt(variance), size=(2 * n, n_genes))


def test_the_prior_is_found_again() -> None:
    values = simulated(0, n_genes=40_000)
    residual = np.concatenate([values[:3] - values[:3].mean(0), values[3:] - values[3:].mean(0)])
    d0, s0 = variance_prior((residual**2).sum(axis=0) / 4, 4)
    assert d0 == pytest.approx(6.0, rel=0.1)
    assert s0 == pytest.approx(0.05, rel=0.03)
    same = np.full(100, 0.3)
    assert variance_prior(same, 4)[0] == np.inf


def as_bulk(log_cpm: np.ndarray, blocks: list[str] | None = None) -> Pseudobulk:
    counts = np.round(2**log_cpm * 100)
    n = len(counts) // 2
    samples = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(2 * n)],
            "condition": ["x"] * n + ["y"] * n,
            "block": blocks if blocks else [None] * (2 * n),
            "n_cells": 50,
            "library_size": counts.sum(axis=1),
        }
    )
    return Pseudobulk(counts, samples, [])


@pytest.mark.parametrize("test", ["moderated-t", "welch"])
def test_p_values_are_uniform_where_nothing_differs(test: str) -> None:
    bulk = as_bulk(simulated(1))
    table = compare_pseudobulk(bulk, "x", "y", genes=range(2000), test=test)  # type: ignore[arg-type]
    rejected = (table["pvals"] < 0.05).mean()
    if test == "moderated-t":
        assert stats.kstest(table["pvals"], "uniform").pvalue > 0.01
        assert rejected == pytest.approx(0.05, abs=0.015)
    else:  # Welch on three against three is known to be conservative
        assert rejected <= 0.06


def test_moderation_finds_more_than_welch() -> None:
    values = simulated(2)
    values[:3, :100] += 1.0
    bulk = as_bulk(values)
    hits = {}
    for test in ("moderated-t", "welch"):
        table = compare_pseudobulk(bulk, "x", "y", genes=range(2000), test=test)  # type: ignore[arg-type]
        found = table.loc[(table["pvals_adj"] < 0.05), "names"].astype(int)
        hits[test] = int((found < 100).sum())
        assert (found >= 100).mean() < 0.15 if len(found) else True
    assert hits["moderated-t"] > 60 > hits["welch"]


def test_welch_is_scipys() -> None:
    bulk = as_bulk(simulated(3, n_genes=20))
    values = np.log2((bulk.counts + 0.5) / (bulk.counts.sum(1, keepdims=True) + 1) * 1e6)
    table = compare_pseudobulk(bulk, "x", "y", genes=range(20), test="welch").set_index("names")
    t, p = stats.ttest_ind(values[:3], values[3:], equal_var=False)
    order = [str(i) for i in range(20)]
    np.testing.assert_allclose(table.loc[order, "scores"], t)
    np.testing.assert_allclose(table.loc[order, "pvals"], p)


def test_blocks_pair_the_donors() -> None:
    values = simulated(4, s0=0.01)
    donor = np.random.default_rng(5).normal(scale=1.5, size=(3, 2000))
    values += np.concatenate([donor, donor])
    values[:3, :50] += 0.8
    paired = compare_pseudobulk(as_bulk(values, list("pqrpqr")), "x", "y", genes=range(2000))
    apart = compare_pseudobulk(as_bulk(values), "x", "y", genes=range(2000))
    hits = [int((t["pvals_adj"] < 0.05).sum()) for t in (paired, apart)]
    assert hits[0] >= 35
    assert hits[1] < 10
    change = paired.set_index("names")["logfoldchanges"]
    assert change.loc[[str(i) for i in range(50)]].mean() == pytest.approx(0.8, abs=0.1)


def test_interferon_genes_in_kang(shared_data: Path) -> None:
    cells = ad.read_h5ad(shared_data / "kang_pbmc_ifnb.h5ad")
    mono = cells[cells.obs["cluster_id"] == "CD14+ Monocytes"]
    donor = mono.obs["sample_id"].astype(str).str[-3:]
    bulk = sum_by_sample(mono.X, mono.obs["sample_id"], mono.obs["group_id"], block=donor)
    assert len(bulk.samples) == 4
    table = compare_pseudobulk(bulk, "stim", "ctrl", genes=mono.var_names)
    hits = table[table["pvals_adj"] < 0.05].set_index("names")
    for gene in ("ISG15", "IFIT3", "IFI6", "CXCL10"):
        assert hits.loc[gene, "logfoldchanges"] > 2, gene


def test_faults_are_one_sentence(shared_data: Path) -> None:
    log = ad.read_h5ad(shared_data / "bone_marrow_aml_healthy.h5ad")
    with pytest.raises(DataError, match="needs raw counts"):
        sum_by_sample(log.X, log.obs["Replicate"], log.obs["Type"])
    bulk = as_bulk(simulated(6, n_genes=10))
    with pytest.raises(DataError, match="'z' has no sample"):
        compare_pseudobulk(bulk, "x", "z", genes=range(10))
    with pytest.raises(DataError, match="compared with itself"):
        compare_pseudobulk(bulk, "x", "x", genes=range(10))
    with pytest.raises(DataError, match="No gene reaches"):
        compare_pseudobulk(bulk, "x", "y", genes=range(10), min_count=10**12)
    one = Pseudobulk(bulk.counts[:4], bulk.samples[:4], [])
    with pytest.raises(DataError, match="'y' has one sample"):
        compare_pseudobulk(one, "x", "y", genes=range(10))
    with pytest.raises(DataError, match="several blocks"):
        sum_by_sample(np.ones((2, 1)), ["s", "s"], ["a", "a"], block=["p", "q"], min_cells=1)
    two = Pseudobulk(
        bulk.counts[[0, 1, 3, 4]],
        bulk.samples.iloc[[0, 1, 3, 4]].assign(block=list("abab")).reset_index(drop=True),
        [],
    )
    assert (compare_pseudobulk(two, "x", "y", genes=range(10))["df"] >= 1).all()
