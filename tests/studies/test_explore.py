from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from core.data.table import PRIVATE_TEST, PUBLIC_TEST, TRAIN, PerturbationTable
from core.errors import DataError
from core.studies.perturbation import explore, similarity


def make_table(
    values: np.ndarray,
    pairs: list[tuple[str, str]],
    *,
    splits: list[str] | None = None,
    by_gene: bool = False,
    **fields: object,
) -> PerturbationTable:
    obs = pd.DataFrame(pairs, columns=["cell_type", "sm_name"])
    obs["split"] = splits or TRAIN
    values = np.asarray(values, dtype=np.float32)
    return PerturbationTable(
        id="t",
        obs=obs,
        genes=pd.Index([f"G{i}" for i in range(values.shape[1])]),
        values=values,
        values_by_gene=np.ascontiguousarray(values.T) if by_gene else None,
        target="z-score",
        simulated=False,
        content_hash="h",
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def table() -> PerturbationTable:
    rng = np.random.default_rng(1)
    pairs = [(cell, drug) for cell in ("B", "T") for drug in "abcde"] + [("NK", "a")]
    return make_table(rng.normal(size=(11, 40)), pairs)


def test_design_holds_measured_and_unmeasured_pairs() -> None:
    unmeasured = pd.DataFrame({"cell_type": ["B"], "sm_name": ["y"], "split": [PRIVATE_TEST]})
    table = make_table(
        np.zeros((4, 2)),
        [("T", "x"), ("T", "y"), ("B", "x"), ("T", "z")],
        splits=[TRAIN, TRAIN, PUBLIC_TEST, TRAIN],
        unmeasured=unmeasured,
    )
    pairs = explore.design(table)
    assert pairs["measured"].tolist() == [True] * 4 + [False]
    matrix = explore.design_matrix(pairs)
    assert matrix.index.tolist() == ["T", "B"]
    assert matrix.columns.tolist() == ["x", "y", "z"]
    assert matrix.loc["B"].tolist() == [PUBLIC_TEST, PRIVATE_TEST, ""]
    counts = explore.split_counts(pairs)
    assert counts.loc["T"].tolist() == [3, 0, 0]
    assert counts.loc["B"].tolist() == [0, 1, 1]
    assert counts.columns.tolist() == [TRAIN, PUBLIC_TEST, PRIVATE_TEST]


def test_design_orders_compounds_by_training_cell_types_then_name() -> None:
    pairs = [("T", "b"), ("T", "A"), ("B", "A"), ("T", "c"), ("B", "c")]
    table = make_table(np.zeros((5, 1)), pairs)
    assert explore.design_matrix(explore.design(table)).columns.tolist() == ["A", "c", "b"]


@pytest.mark.parametrize("by_gene", [True, False])
def test_gene_statistics_by_hand(by_gene: bool) -> None:
    values = np.array([[1, 0], [3, -2], [-3, 0], [-1, 2]])
    table = make_table(values, [("T", d) for d in "abcd"], by_gene=by_gene)
    found = explore.gene_statistics(table, threshold=2)
    assert found["mean"].tolist() == [0, 0]
    assert found["sd"].to_numpy() == pytest.approx([np.sqrt(5), np.sqrt(2)])
    assert found["mean_abs"].tolist() == [2, 1]
    assert found["n_up"].tolist() == [1, 1]
    assert found["n_down"].tolist() == [1, 1]
    assert found["share_regulated"].tolist() == [0.5, 0.5]
    some = explore.gene_statistics(table, np.array([1, 2]))
    assert some.loc["G0", "mean"] == 0
    assert some.loc["G0", "sd"] == 3


def test_gene_statistics_agree_with_numpy_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "_GENES_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 23)).astype(np.float32)
    for by_gene in (True, False):
        table = make_table(values, [("T", d) for d in "abcde"], by_gene=by_gene)
        found = explore.gene_statistics(table, np.array([0, 3, 4]))
        part = values[[0, 3, 4]].astype(np.float64)
        np.testing.assert_allclose(found["sd"], part.std(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found["mean_abs"], np.abs(part).mean(axis=0), rtol=1e-5)


def test_gene_effect_reads_the_gene_of_the_chosen_rows(table: PerturbationTable) -> None:
    effect = explore.gene_effect(table, "G3", np.array([0, 10]))
    assert effect["value"].tolist() == table.values[[0, 10], 3].tolist()
    assert effect["cell_type"].tolist() == ["B", "NK"]
    with pytest.raises(DataError, match="does not measure the gene 'XYZ'"):
        explore.gene_effect(table, "XYZ")


def test_mean_by_cell_type() -> None:
    table = make_table([[1, 5], [3, 7], [10, 0]], [("T", "a"), ("T", "b"), ("B", "a")])
    means = explore.mean_by_cell_type(table, ["G0", "G1"])
    assert means.loc["G0"].to_dict() == {"B": 10, "T": 2}
    assert means.loc["G1", "T"] == 6


def test_specificity_by_hand() -> None:
    values = np.array([[5, 5, 5], [0, 4, 5], [1, 5, 5], [2, 6, 5]])
    table = make_table(values, [("T", d) for d in "abcd"])
    found = explore.pair_response(table, "T", "a")
    assert found["typical"].tolist() == [1, 5, 5]
    # MAD over the others is 1, 1, 0; the constant is the median of the scaled ones.
    scale = 2 * 1.4826
    assert found["specificity"].to_numpy() == pytest.approx([4 / scale, 0, 0])
    assert sorted(found["rank"]) == [1, 2, 3]


def test_specificity_does_not_see_the_other_rows(table: PerturbationTable) -> None:
    before = explore.pair_response(table, "T", "a", np.arange(10))
    changed = table.values.copy()
    changed[:5] = 99
    after = explore.pair_response(
        make_table(changed, list(table.obs[["cell_type", "sm_name"]].itertuples(index=False))),
        "T",
        "a",
    )
    pd.testing.assert_frame_equal(before, after)


def test_specificity_of_missing_or_lonely_pairs(table: PerturbationTable) -> None:
    with pytest.raises(DataError, match="'b' was not measured in 'NK'"):
        explore.pair_response(table, "NK", "b")
    with pytest.raises(DataError, match="needs three other compounds in 'NK'"):
        explore.pair_response(table, "NK", "a")


def test_specificity_of_a_constant_table_is_zero() -> None:
    table = make_table(np.ones((5, 3)), [("T", d) for d in "abcde"])
    assert (explore.pair_response(table, "T", "a")["specificity"] == 0).all()


def test_ranked_heatmap_orders_by_the_chosen_cell_type(table: PerturbationTable) -> None:
    ranked = explore.ranked_heatmap(table, "T", "a", n=3)
    assert ranked.columns[0] == "T"
    assert set(ranked.columns) == {"T", "B", "NK"}
    own = ranked["T"].to_numpy()
    assert len(own) == 6
    assert (np.diff(own) <= 0).all()
    row = table.values[5]
    assert own[0] == row.max()
    assert own[-1] == row.min()
    assert ranked.loc[f"G{row.argmax()}", "NK"] == table.values[10, row.argmax()]


@pytest.mark.parametrize("n_genes", [1, 2, 5])
def test_ranked_heatmap_of_few_genes_has_each_once(n_genes: int) -> None:
    table = make_table(np.arange(n_genes)[None, :], [("T", "a")])
    ranked = explore.ranked_heatmap(table, "T", "a", n=20)
    assert ranked.index.is_unique
    assert len(ranked) in (n_genes, n_genes - n_genes % 2)


def test_row_norms_by_hand() -> None:
    values = np.array([[3.0, 3.0], [4.0, 0.0], [0.0, 0.0]])
    norms = explore.row_norms(make_table(values, [("T", d) for d in "abc"]))
    assert norms["sm_name"].tolist() == ["a", "b", "c"]
    assert norms["rms"].to_numpy() == pytest.approx([3, np.sqrt(8), 0])
    assert norms["share"].to_numpy() == pytest.approx([18 / 34, 16 / 34, 0])


def test_row_norm_outlier_is_found_within_its_cell_type() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 200))
    values[20:] *= 30
    values[7] *= 30
    pairs = [("T", str(i)) for i in range(20)] + [("B", str(i)) for i in range(20)]
    norms = explore.row_norms(make_table(values, pairs))
    assert norms.loc[norms["outlier"], "row"].tolist() == [7]


def test_row_correlation_is_pearson(table: PerturbationTable) -> None:
    np.testing.assert_allclose(
        similarity.row_correlation(table), np.corrcoef(table.values), atol=1e-5
    )
    rows = np.array([2, 7, 9])
    np.testing.assert_allclose(
        similarity.row_correlation(table, rows), np.corrcoef(table.values[rows]), atol=1e-5
    )


def test_row_correlation_of_a_constant_row_is_zero_and_the_table_is_untouched() -> None:
    values = np.array([[1.0, 1, 1], [1, 2, 3]], dtype=np.float32)
    table = make_table(values.copy(), [("T", "a"), ("T", "b")])
    assert similarity.row_correlation(table).tolist() == [[1, 0], [0, 1]]
    assert (table.values == values).all()


def test_cell_type_correlation_uses_shared_compounds_only(table: PerturbationTable) -> None:
    correlation = similarity.row_correlation(table)
    mean, shared = similarity.cell_type_correlation(correlation, table.obs)
    expected = np.mean([correlation[i, 5 + i] for i in range(5)])
    assert mean.loc["B", "T"] == pytest.approx(expected)
    assert mean.loc["T", "B"] == pytest.approx(expected)
    assert mean.loc["B", "NK"] == pytest.approx(correlation[0, 10])
    assert shared.loc["B", "T"] == 5
    assert shared.loc["NK", "NK"] == 1


def test_cell_types_without_a_shared_compound_are_unknown() -> None:
    table = make_table(np.eye(2, 4), [("T", "a"), ("B", "b")])
    mean, shared = similarity.cell_type_correlation(similarity.row_correlation(table), table.obs)
    assert np.isnan(mean.loc["T", "B"])
    assert shared.loc["T", "B"] == 0
    assert len(similarity.cluster_order(mean.to_numpy())) == 2


def test_cluster_order_joins_what_is_alike() -> None:
    group = np.array([0, 1, 0, 1, 0, 1])
    correlation = np.where(group[:, None] == group, 0.9, -0.5)
    np.fill_diagonal(correlation, 1)
    ordered = group[similarity.cluster_order(correlation)]
    assert (np.diff(ordered) != 0).sum() == 1


def test_compound_correlation_keeps_the_strongest(table: PerturbationTable) -> None:
    obs = table.obs.assign(rms=np.arange(11.0))
    correlation = similarity.row_correlation(table)
    matrix, total = similarity.compound_correlation(correlation, obs, "T", limit=3)
    assert total == 5
    assert set(matrix.index) == {"c", "d", "e"}
    assert matrix.loc["c", "e"] == pytest.approx(correlation[7, 9])


@pytest.mark.parametrize("shape", [(12, 40), (40, 12)])
def test_principal_components_agree_with_sklearn(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    found = similarity.principal_components(values, 4)
    reference = PCA(4).fit(values.astype(np.float64))
    np.testing.assert_allclose(found.explained, reference.explained_variance_ratio_, rtol=1e-4)
    expected = reference.transform(values)
    signs = np.sign(expected[np.abs(expected).argmax(axis=0), np.arange(4)])
    np.testing.assert_allclose(found.coordinates, expected * signs, atol=1e-3)


def test_principal_components_need_three_rows() -> None:
    with pytest.raises(DataError, match="at least three rows"):
        similarity.principal_components(np.zeros((2, 5)))


def test_unit_rows() -> None:
    found = similarity.unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_mechanisms_count_compounds_not_rows() -> None:
    obs = pd.DataFrame(
        {
            "sm_name": ["a", "a", "a", "b", "c", "d", "e"],
            "moa": ["X; Y", "X; Y", "X; Y", "Z", "Z; X", None, ""],
        }
    )
    assert similarity.mechanisms(obs, n=1).tolist() == [
        *[similarity.OTHER] * 3,
        "Z",
        "Z",
        similarity.NOT_ANNOTATED,
        similarity.NOT_ANNOTATED,
    ]
    without = similarity.mechanisms(obs.drop(columns="moa"))
    assert set(without) == {similarity.NOT_ANNOTATED}
