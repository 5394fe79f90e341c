"""Gene set scores, markers and group summaries against scanpy and by hand."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from core.data.expression import open_expression
from core.errors import DataError
from core.metrics.gene_scores import score_genes
from core.metrics.markers import composition, group_summary, marker_genes


@pytest.fixture(scope="module")
def kang(shared_data: Path) -> ad.AnnData:
    cells = ad.read_h5ad(shared_data / "kang_pbmc_ifnb.h5ad")
    cells.layers["counts"] = cells.X.copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


SET = ["ISG15", "IFI6", "IFIT3", "IFIT1", "CXCL10", "MX1", "IFI6", "NOT-THERE"]


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
@pytest.mark.parametrize(("size", "bins", "seed"), [(50, 25, 0), (5, 10, 3)])
def test_scores_are_scanpys(kang: ad.AnnData, layout: str, size: int, bins: int, seed: int) -> None:
    cells = kang.copy()
    cells.X = {"csr": cells.X, "csc": cells.X.tocsc(), "dense": cells.X.toarray()}[layout]
    sc.tl.score_genes(cells, SET, ctrl_size=size, n_bins=bins, random_state=seed)
    np.random.seed(5)  # noqa: NPY002
    ours = score_genes(cells.X, cells.var_names, SET, control_size=size, n_bins=bins, seed=seed)
    untouched = np.random.RandomState(5).random()
    assert np.random.random() == untouched  # noqa: NPY002
    np.testing.assert_allclose(ours.values, cells.obs["score"], rtol=1e-6, atol=2e-6)
    assert ours.missing == ["NOT-THERE"]
    assert ours.used == SET[:6]
    assert not set(ours.controls) & set(SET)


def test_scores_of_an_expression_by_gene(kang: ad.AnnData) -> None:
    expression = open_expression(ad.AnnData(kang.layers["counts"], var=kang.var), counts=True)
    sc.tl.score_genes(kang, SET, random_state=0)
    ours = score_genes(expression, expression.genes, SET)
    np.testing.assert_allclose(ours.values, kang.obs["score"], rtol=1e-4, atol=1e-5)


def test_interferon_genes_score_in_stimulated_cells(kang: ad.AnnData) -> None:
    values = score_genes(kang.X, kang.var_names, SET).values
    stim = (kang.obs["group_id"] == "stim").to_numpy()
    assert np.median(values[stim]) > np.quantile(values[~stim], 0.99)


def test_score_faults_are_one_sentence() -> None:
    x = np.random.default_rng(0).random((6, 4))
    with pytest.raises(DataError, match="None of the 1 genes of the set"):
        score_genes(x, list("abcd"), ["z"])
    with pytest.raises(DataError, match="No control gene is left"):
        score_genes(x, list("abcd"), list("abcd"))
    with pytest.raises(DataError, match="draw controls from"):
        score_genes(x, list("abcd"), ["a"], gene_pool=["z"])


def test_markers_find_the_planted_genes() -> None:
    rng = np.random.default_rng(0)
    x = rng.poisson(0.4, size=(90, 12)).astype(np.float32)
    for group in range(3):
        x[30 * group : 30 * (group + 1), group] += 3
    labels = np.repeat(["t1", "t2", "t3"], 30)
    found = marker_genes(sparse.csr_matrix(np.log1p(x)), labels, genes=[f"g{i}" for i in range(12)])
    assert found[found["rank"] == 1].set_index("group")["names"].to_dict() == {
        "t1": "g0",
        "t2": "g1",
        "t3": "g2",
    }
    assert (found["pvals_adj"] <= 0.05).all()
    assert (found["pct_nz_group"] >= 0.25).all()
    by_auc = marker_genes(np.log1p(x), labels, genes=[f"g{i}" for i in range(12)], order="auc", n=1)
    assert by_auc["names"].tolist() == ["g0", "g1", "g2"]


def test_groups_too_small_for_markers_stand_in_the_rest() -> None:
    rng = np.random.default_rng(0)
    x = np.log1p(rng.poisson(1.0, size=(42, 5)))
    labels = ["a"] * 20 + ["b"] * 20 + ["tiny"] * 2
    found = marker_genes(
        x, labels, genes=list("vwxyz"), max_p_adjusted=1, min_share=0, min_log_fold_change=-99
    )
    assert set(found["group"]) == {"a", "b"}
    with pytest.raises(DataError, match="No group has 30 cells"):
        marker_genes(x, labels, genes=list("vwxyz"), min_cells=30)
    with pytest.raises(DataError, match="not by 'p'"):
        marker_genes(x, labels, genes=list("vwxyz"), order="p")


def test_summary_by_hand() -> None:
    x = sparse.csr_matrix([[0.0, 2.0], [4.0, 2.0], [1.0, 2.0], [0.0, 2.0], [9.0, 9.0]])
    table = group_summary(x, pd.Series(["a", "a", "b", "b", None]), genes=["g", "h"])
    table = table.set_index(["group", "gene"])
    assert table.loc[("a", "g"), ["mean", "share", "scaled", "n_cells"]].tolist() == [2, 0.5, 1, 2]
    assert table.loc[("b", "g"), ["mean", "share", "scaled"]].tolist() == [0.5, 0.5, 0]
    assert table.loc[("b", "h"), ["mean", "share", "scaled"]].tolist() == [2, 1, 0]
    with pytest.raises(DataError, match="Choose a gene"):
        group_summary(x[:, :0], list("aabbb"), genes=[])


def test_composition_by_hand() -> None:
    table = composition(["x", "x", "y", None], ["p", "q", "p", "p"]).set_index(["group", "part"])
    assert table["n_cells"].to_dict() == {
        ("x", "p"): 1,
        ("x", "q"): 1,
        ("y", "p"): 1,
        ("y", "q"): 0,
    }
    assert table.loc[("x", "p"), "share"] == 0.5
    with pytest.raises(DataError, match="nothing to count"):
        composition([None], ["p"])
