"""Energy distance against the definition, and the calibration of its test."""

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
from scipy import stats

from core.errors import DataError
from core.metrics import energy
from core.metrics.energy import DISTANCES, energy_distance, permutation_test
from core.metrics.energy_groups import energy_by_type, energy_matrix


def naive(x: np.ndarray, y: np.ndarray, distance: str, unbiased: bool = False) -> float:
    """The definition, as a double loop."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for p in a:
            for q in b:
                square = float(((p - q) ** 2).sum())
                total += square if distance == "sqeuclidean" else square**0.5
        pairs = len(a) * (len(b) - (1 if unbiased and a is b else 0))
        return total / pairs

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def groups(seed: int, n: int = 14, m: int = 9, shift: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)) + 100, rng.normal(size=(m, 5)) * 1.5 + 100 + shift


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("distance", DISTANCES)
def test_it_is_the_double_loop(
    distance: str, unbiased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "BLOCK", 30)  # several blocks
    x, y = groups(0)
    ours = energy_distance(x, y, distance=distance, unbiased=unbiased)  # type: ignore[arg-type]
    assert ours == pytest.approx(naive(x, y, distance, unbiased), rel=1e-9)


def test_by_hand() -> None:
    """0 0 3 against 1 1 1 on a line."""
    x, y = np.array([[0.0], [0.0], [3.0]]), np.ones((3, 1))
    between = (1 + 1 + 2) / 3
    assert energy_distance(x, y, distance="euclidean") == pytest.approx(2 * between - 4 * 3 / 9)
    assert energy_distance(x, y) == pytest.approx(2 * (1 + 1 + 4) / 3 - 4 * 9 / 9)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(float, st.tuples(st.integers(3, 8), st.just(2)), elements=st.floats(-1e3, 1e3)),
    hnp.arrays(float, st.tuples(st.integers(3, 8), st.just(2)), elements=st.floats(-1e3, 1e3)),
    st.sampled_from(DISTANCES),
)
def test_it_is_a_distance(x: np.ndarray, y: np.ndarray, distance: str) -> None:
    there, back = (energy_distance(a, b, distance=distance) for a, b in ((x, y), (y, x)))  # type: ignore[arg-type]
    assert there == pytest.approx(back, rel=1e-6, abs=1e-6)
    assert there >= 0
    assert energy_distance(x, x.copy(), distance=distance) == pytest.approx(0, abs=1e-3)  # type: ignore[arg-type]
    assert there == pytest.approx(naive(x, y, distance), rel=1e-6, abs=1e-3)


def test_spread_is_seen_by_euclidean_only() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 2))
    y = np.concatenate([x[:150] * 4, -x[:150] * 4])
    x = np.concatenate([x[:150], -x[:150]])  # both centred exactly
    assert energy_distance(x, y) == pytest.approx(0, abs=1e-9)
    assert permutation_test(x, y, distance="euclidean", n_permutations=99)[1] == 0.01


@pytest.mark.parametrize("distance", DISTANCES)
def test_shuffled_statistics_are_those_of_shuffled_cells(distance: str) -> None:
    x, y = groups(1)
    value, p, shuffled = permutation_test(x, y, distance=distance, n_permutations=30, seed=7)  # type: ignore[arg-type]
    assert value == pytest.approx(naive(x, y, distance))
    first = np.zeros((30, len(x) + len(y)))
    first[:, : len(x)] = 1
    labels = np.random.default_rng(7).permuted(first, axis=1).astype(bool)
    points = np.concatenate([x, y])
    expected = [naive(points[z], points[~z], distance) for z in labels]
    np.testing.assert_allclose(shuffled, expected, rtol=1e-8)
    assert p == (1 + sum(e >= value for e in expected)) / 31


@pytest.mark.parametrize("distance", DISTANCES)
def test_p_values_are_uniform_on_shuffled_labels(distance: str, shared_data: Path) -> None:
    """Real cells of one type under random labels: the test must not see anything."""
    points = kang(shared_data)[0]
    rng = np.random.default_rng(11)
    p_values = []
    for i in range(200):
        cells = rng.choice(len(points), 70, replace=False)
        p_values.append(
            permutation_test(
                points[cells[:40]],
                points[cells[40:]],
                distance=distance,  # type: ignore[arg-type]
                n_permutations=199,
                seed=i,
            )[1]
        )
    assert stats.kstest(p_values, "uniform").pvalue > 0.05
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.035)


_KANG: list[tuple[np.ndarray, pd.DataFrame]] = []


def kang(shared_data: Path) -> tuple[np.ndarray, pd.DataFrame]:
    if not _KANG:
        cells = ad.read_h5ad(shared_data / "kang_pbmc_ifnb.h5ad")
        sc.pp.normalize_total(cells, target_sum=1e4)
        sc.pp.log1p(cells)
        sc.pp.pca(cells, n_comps=30, random_state=0)
        _KANG.append((cells.obsm["X_pca"], cells.obs))
    return _KANG[0]


@pytest.mark.parametrize("distance", DISTANCES)
def test_interferon_separates_every_cell_type(distance: str, shared_data: Path) -> None:
    points, obs = kang(shared_data)
    table = energy_by_type(
        points,
        obs["group_id"],
        obs["cluster_id"],
        "stim",
        "ctrl",
        distance=distance,  # type: ignore[arg-type]
        n_permutations=499,
    )
    assert len(table) == 5
    assert (table["pvals_adj"] == 0.002).all()
    assert (table["unbiased"] > 0).all()
    assert (table["n_used"] == table[["n_group", "n_reference"]].min(axis=1)).all()
    types = table.set_index("cell_type")["energy_distance"]
    assert types.filter(like="Mono").min() > types.drop(types.filter(like="Mono").index).max()


def test_matrix_of_groups() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(260, 4))
    labels = np.array(["a"] * 80 + ["b"] * 90 + ["c"] * 80 + ["few"] * 10, dtype=object)
    points[labels == "c"] += 2
    found = energy_matrix(points, labels, n_permutations=199, seed=1)
    assert (found.left_out, found.n_cells) == (["few"], 80)
    assert found.distance.loc["a", "c"] > 10 * found.distance.loc["a", "b"]
    assert found.distance.loc["c", "a"] == found.distance.loc["a", "c"]
    pairs = found.pairs().set_index(["group", "reference"])
    assert pairs.loc[("a", "c"), "pvals"] == 1 / 200
    assert pairs.loc[("a", "c"), "pvals_adj"] == pytest.approx(1.5 / 200)
    assert pairs.loc[("a", "b"), "pvals_adj"] > 0.05
    again = energy_matrix(points, labels, n_permutations=199, seed=1)
    pd.testing.assert_frame_equal(found.pairs(), again.pairs())


def test_types_with_few_cells_are_not_tested() -> None:
    rng = np.random.default_rng(0)
    condition = ["x", "y"] * 30
    types = ["big"] * 50 + ["small"] * 10
    table = energy_by_type(rng.normal(size=(60, 3)), condition, types, "x", "y", n_permutations=19)
    small = table.set_index("cell_type").loc["small"]
    assert small["n_used"] == 0
    assert np.isnan(small["pvals"])


def test_faults_are_one_sentence() -> None:
    x = np.zeros((5, 2))
    with pytest.raises(DataError, match="first group has 2 cells: an energy distance needs 3"):
        energy_distance(x[:2], x)
    with pytest.raises(DataError, match="missing or infinite"):
        energy_distance(x, np.full((5, 2), np.nan))
    with pytest.raises(DataError, match="2 dimensions, the second 3"):
        energy_distance(x, np.zeros((5, 3)))
    with pytest.raises(DataError, match="two groups of 20 cells or more; none of 1"):
        energy_matrix(x, ["a"] * 5)
    with pytest.raises(DataError, match="no cell of the condition 'z'"):
        energy_by_type(x, ["a"] * 5, None, "a", "z")
    with pytest.raises(DataError, match="compared with itself"):
        energy_by_type(x, ["a"] * 5, None, "a", "a")
    with pytest.raises(DataError, match="No cell type has 10 cells or more both in"):
        energy_by_type(x, ["a", "a", "a", "b", "b"], None, "a", "b")
    assert energy_distance(x, x) == 0.0
    assert permutation_test(x, x, n_permutations=9)[1] == 1.0
