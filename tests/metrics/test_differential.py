"""Differential expression against scanpy, SciPy and hand-computed values."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse, stats

from core.data.expression import open_expression
from core.errors import DataError
from core.metrics import sparse_moments
from core.metrics.differential import TESTS, compare_groups, rank_genes

GENES = [f"g{i}" for i in range(40)]


def simulated(seed: int = 0, n: int = 240, dtype: type = np.float32) -> sparse.csr_matrix:
    """Sparse log values with ties, an all-zero, a constant and a group-only gene."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.4, 1.5, size=len(GENES)), size=(n, len(GENES))).astype(float)
    counts[:, 0] = 0.0
    counts[:, 1] = 3.0
    counts[n // 3 :, 2] = 0.0
    return sparse.csr_matrix(np.log1p(counts).astype(dtype))


def labels(n: int = 240) -> pd.Categorical:
    return pd.Categorical(np.repeat(["a", "b", "c"], [n // 3, n // 4, n - n // 3 - n // 4]))


def scanpy_table(
    matrix: sparse.csr_matrix, by: pd.Categorical, genes: list[str], **options: object
) -> pd.DataFrame:
    cells = ad.AnnData(matrix.copy(), obs=pd.DataFrame({"g": by}))
    cells.obs_names = [str(i) for i in range(cells.n_obs)]
    cells.var_names = genes
    sc.tl.rank_genes_groups(cells, "g", pts=True, use_raw=False, **options)
    table = sc.get.rank_genes_groups_df(cells, None)
    if "group" not in table:
        table.insert(0, "group", options["groups"][0])  # type: ignore[index]
    return table


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    merged = ours.merge(theirs, on=["group", "names"], suffixes=("", "_scanpy"), validate="1:1")
    assert len(merged) == len(ours) == len(theirs)
    for column in ("scores", "logfoldchanges", "pvals", "pvals_adj", "pct_nz_group"):
        np.testing.assert_allclose(
            merged[column], merged[f"{column}_scanpy"], rtol=1e-6, atol=1e-6, err_msg=column
        )
    tiny = merged["pvals"] > 0
    np.testing.assert_allclose(
        np.log10(merged.loc[tiny, "pvals"]), np.log10(merged.loc[tiny, "pvals_scanpy"]), atol=1e-4
    )


@pytest.mark.parametrize(
    "layout", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_matrix.toarray]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("test", "tie_correct"), [(t, False) for t in TESTS] + [("wilcoxon", True)]
)
def test_one_against_rest_is_scanpys(
    test: str, tie_correct: bool, dtype: type, layout: object
) -> None:
    matrix, groups = simulated(dtype=dtype), labels()
    theirs = scanpy_table(matrix, groups, GENES, method=test, tie_correct=tie_correct)
    ours = rank_genes(layout(matrix), groups, genes=GENES, test=test, tie_correct=tie_correct)  # type: ignore[operator, arg-type]
    # scanpy's float error makes a constant gene's Welch t anything; here it is 0 by definition.
    keep = ["g1"] if test != "wilcoxon" else []
    assert_same(ours[~ours["names"].isin(keep)], theirs[~theirs["names"].isin(keep)])
    assert (ours.loc[ours["names"].isin(["g0", "g1"]), "scores"] == 0).all()
    assert (ours.loc[ours["names"].isin(["g0", "g1"]), "pvals"] == 1).all()


@pytest.mark.parametrize("test", TESTS)
def test_two_groups_are_scanpys_with_a_reference(test: str) -> None:
    matrix, groups = simulated(1), labels()
    theirs = scanpy_table(matrix, groups, GENES, method=test, groups=["a"], reference="c")
    ours = compare_groups(
        matrix,
        groups == "a",
        np.flatnonzero(groups == "c"),
        genes=GENES,
        names=("a", "c"),
        test=test,
    )  # type: ignore[arg-type]
    keep = ["g1"] if test != "wilcoxon" else []
    assert_same(ours[~ours["names"].isin(keep)], theirs[~theirs["names"].isin(keep)])


@pytest.mark.parametrize("test", TESTS)
def test_real_cells_are_scanpys(test: str, shared_data: Path) -> None:
    cells = ad.read_h5ad(shared_data / "kang_pbmc_ifnb.h5ad")
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    groups = pd.Categorical(cells.obs["cluster_id"])
    genes = cells.var_names.tolist()
    theirs = scanpy_table(cells.X, groups, genes, method=test)
    assert_same(rank_genes(cells.X, groups, genes=genes, test=test), theirs)  # type: ignore[arg-type]


def test_log_scale_cells_run_on_what_is_there(shared_data: Path) -> None:
    """The opening example has no counts: the tests take its log values as they are."""
    cells = ad.read_h5ad(shared_data / "bone_marrow_aml_healthy.h5ad")
    healthy = (cells.obs["Type"] == "healthy").to_numpy()
    table = compare_groups(cells.X, healthy, ~healthy, genes=cells.var_names).set_index("names")
    values = np.asarray(cells[:, "CD69"].X.todense()).ravel()
    u = stats.mannwhitneyu(values[healthy], values[~healthy]).statistic
    assert table.loc["CD69", "auc"] == pytest.approx(u / (healthy.sum() * (~healthy).sum()))


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(
        np.float32,
        st.tuples(st.integers(6, 24), st.integers(1, 4)),
        elements=st.sampled_from([0.0, -0.0, 0.0, 1.0, 2.0, -1.5, 1e-30, 3e30]),
    ),
    cut=st.integers(3, 20),
)
def test_ranks_of_wild_values_are_scipys(values: np.ndarray, cut: int) -> None:
    cut = min(cut, len(values) - 3)
    first = np.arange(len(values)) < cut
    table = compare_groups(
        sparse.csr_matrix(values),
        first,
        ~first,
        genes=[str(i) for i in range(values.shape[1])],
        tie_correct=True,
        scale="linear",
    ).set_index("names")
    for gene in range(values.shape[1]):
        x, y = (values[side, gene].astype(float) for side in (first, ~first))
        u, p = stats.mannwhitneyu(x, y, use_continuity=False, method="asymptotic")
        row = table.loc[str(gene)]
        assert row["auc"] == pytest.approx(u / (len(x) * len(y)))
        assert row["pvals"] == pytest.approx(1.0 if np.isnan(p) else p, abs=1e-12)
        assert row["cliffs_delta"] == pytest.approx(np.sign(x[:, None] - y[None]).mean(), abs=1e-12)


def test_blocks_and_explicit_zeros_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, groups = simulated(3), labels()
    whole = rank_genes(matrix, groups, genes=GENES)
    monkeypatch.setattr(sparse_moments, "BLOCK", 50)
    coo = matrix.tocoo()
    padded = sparse.csr_matrix(
        (np.r_[coo.data, 0.0], (np.r_[coo.row, 5], np.r_[coo.col, 0])), shape=matrix.shape
    ).astype(np.float32)
    pd.testing.assert_frame_equal(rank_genes(padded, groups, genes=GENES), whole)


@pytest.mark.parametrize("counts", [True, False])
def test_an_expression_by_gene_is_its_matrix(counts: bool) -> None:
    matrix, groups = simulated(5), labels()
    cells = ad.AnnData(matrix.expm1().rint() if counts else matrix)
    expression = open_expression(cells, counts=counts)
    ours = rank_genes(expression, groups, genes=GENES)
    theirs = rank_genes(expression.by_gene(), groups, genes=GENES)
    pd.testing.assert_frame_equal(ours, theirs)


def test_hand_computed_rank_sum() -> None:
    """Values 1 2 3 | 0 0 4: ranks 3 4 5 | 1.5 1.5 6, so U = 12 − 6 = 6 of 9."""
    x = np.array([[1.0], [2.0], [3.0], [0.0], [0.0], [4.0]])
    first = np.arange(6) < 3
    (row,) = compare_groups(x, first, ~first, genes=["g"]).itertuples()
    assert row.auc == pytest.approx(6 / 9)
    assert row.scores == pytest.approx((12 - 10.5) / np.sqrt(3 * 3 * 7 / 12))
    assert (row.pct_nz_group, row.pct_nz_reference) == (1.0, pytest.approx(1 / 3))
    assert (row.mean_group, row.mean_reference) == (2.0, pytest.approx(4 / 3))


@pytest.mark.parametrize(("scale", "expected"), [("linear", 1.0), ("log2", np.log2(15 / 3))])
def test_fold_change_knows_the_scale(scale: str, expected: float) -> None:
    x = np.repeat([[4.0], [2.0]], 3, axis=0)
    first = np.arange(6) < 3
    (row,) = compare_groups(x, first, ~first, genes=["g"], scale=scale).itertuples()  # type: ignore[arg-type]
    assert row.logfoldchanges == pytest.approx(expected)


def test_cells_without_a_label_take_no_part() -> None:
    matrix, groups = simulated(4), pd.Series(labels()).astype(object)
    groups[groups == "c"] = None
    kept = groups.notna().to_numpy()
    ours = rank_genes(matrix, groups, genes=GENES)
    pd.testing.assert_frame_equal(ours, rank_genes(matrix[kept], groups[kept], genes=GENES))
    assert set(ours["group"]) == {"a", "b"}


def test_faults_are_one_sentence() -> None:
    matrix, n = simulated(), 240
    first = np.arange(n) < 100
    with pytest.raises(DataError, match="'group' has 2 cells: a test needs 3 or more"):
        compare_groups(matrix, np.arange(2), ~first, genes=GENES)
    with pytest.raises(DataError, match="1 cells are in both"):
        compare_groups(matrix, np.arange(101), ~first, genes=GENES)
    with pytest.raises(DataError, match="all cells are in 'x'"):
        rank_genes(matrix, ["x"] * n, genes=GENES)
    with pytest.raises(DataError, match="no cell has a label"):
        rank_genes(matrix, pd.Series([None] * n, dtype=object), genes=GENES)
    with pytest.raises(DataError, match="no test 'anova'"):
        compare_groups(matrix, first, ~first, genes=GENES, test="anova")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no group 'z'; the groups are a, b, c"):
        rank_genes(matrix, labels(), genes=GENES, groups=["z"])
    with pytest.raises(DataError, match="3 gene names for 40 columns"):
        compare_groups(matrix, first, ~first, genes=GENES[:3])
    bad = matrix.copy()
    bad.data[bad.indptr[7]] = np.nan
    gene = bad.indices[bad.indptr[7]] + 1
    with pytest.raises(DataError, match=f"Gene number {gene} .* missing or infinite"):
        compare_groups(bad, first, ~first, genes=GENES)


def test_small_p_values_are_scipys(shared_data: Path) -> None:
    """scanpy's variances carry rounding that shows in p-values of 1e-60; ours do not."""
    cells = ad.read_h5ad(shared_data / "kang_pbmc_ifnb.h5ad")
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    stim = (cells.obs["group_id"] == "stim").to_numpy()
    table = compare_groups(cells.X, stim, ~stim, genes=cells.var_names, test="t-test")
    values = cells.X.toarray().astype(float)
    t, p = stats.ttest_ind(values[stim], values[~stim], equal_var=False)
    table = table.set_index("names").loc[cells.var_names]
    np.testing.assert_allclose(table["scores"], t, rtol=1e-10)
    np.testing.assert_allclose(np.log10(table["pvals"]), np.log10(p), rtol=1e-10)
