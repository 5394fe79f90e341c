from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from core.models.integrators.base import Batches
from core.models.integrators.mnn import mutual_nearest_neighbors, nearest


def brute(latent: np.ndarray, codes: np.ndarray, k: int) -> set[tuple[int, int]]:
    """Mutual nearest neighbours by their definition, in float64."""
    points = latent.astype(np.float64)
    distance = np.square(points[:, None] - points[None]).sum(axis=2)
    pairs = set()
    for a in np.unique(codes):
        for b in np.unique(codes):
            if a >= b:
                continue
            left, right = np.flatnonzero(codes == a), np.flatnonzero(codes == b)
            near = {i: set(right[np.argsort(distance[i, right], kind="stable")[:k]]) for i in left}
            back = {j: set(left[np.argsort(distance[j, left], kind="stable")[:k]]) for j in right}
            pairs |= {(int(i), int(j)) for i in left for j in near[i] if i in back[j]}
    return pairs


def batches(codes: np.ndarray) -> Batches:
    return Batches(tuple(str(c) for c in np.unique(codes)), codes)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 4), st.floats(0, 100))
def test_pairs_equal_brute_force(seed: int, k: int, n_batches: int, offset: float) -> None:
    generator = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_batches), generator.integers(12, 40, n_batches))
    generator.shuffle(codes)
    latent = (generator.normal(size=(len(codes), 6)) + offset).astype(np.float32)
    found = mutual_nearest_neighbors(latent, batches(codes), k=k)
    assert set(map(tuple, found.pairs.tolist())) == brute(latent, codes, k)
    assert len(found.pairs) == len(set(map(tuple, found.pairs.tolist())))
    own = np.linalg.norm(latent[found.pairs[:, 0]] - latent[found.pairs[:, 1]], axis=1)
    np.testing.assert_allclose(found.distances, own, rtol=1e-4, atol=1e-5)
    assert found.recall == 1.0


def test_duplicates_are_ranked_by_index() -> None:
    points = np.repeat(np.arange(3, dtype=np.float32)[:, None], 4, axis=0)
    index, squared = nearest(np.zeros((1, 1), np.float32), points, 5)
    assert index.tolist() == [[0, 1, 2, 3, 4]]
    assert squared.tolist() == [[0, 0, 0, 0, 1]]


def test_torch_finds_what_faiss_finds() -> None:
    generator = np.random.default_rng(0)
    queries, points = (generator.normal(size=(n, 8)).astype(np.float32) for n in (70, 90))
    from core.models.integrators import mnn

    candidates = mnn._torch_search(queries, points, 18, "cpu")
    index, _ = mnn._rank(queries, points, candidates, 10)
    np.testing.assert_array_equal(index, nearest(queries, points, 10)[0])


def test_an_order_joins_batches_one_by_one() -> None:
    generator = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], 20)
    latent = generator.normal(size=(60, 4)).astype(np.float32)
    found = mutual_nearest_neighbors(latent, batches(codes), k=5, order=["2", "0", "1"])
    first = {
        tuple(sorted(p)) for p in brute(latent[np.isin(codes, [0, 2])], np.repeat([0, 2], 20), 5)
    }
    rows = np.flatnonzero(np.isin(codes, [0, 2]))
    expected = {tuple(sorted((int(rows[a]), int(rows[b])))) for a, b in first}
    joined = np.where(codes == 1, 1, 0)
    expected |= {tuple(sorted(p)) for p in brute(latent, joined, 5)}
    assert {tuple(sorted(p)) for p in found.pairs.tolist()} == expected
    with pytest.raises(ConfigError, match="name each of them once"):
        mutual_nearest_neighbors(latent, batches(codes), k=5, order=["2", "0"])


def test_the_inverted_file_reports_its_recall() -> None:
    generator = np.random.default_rng(2)
    codes = np.repeat([0, 1], 3_000)
    latent = generator.normal(size=(6_000, 10)).astype(np.float32)
    exact = mutual_nearest_neighbors(latent, batches(codes), k=10)
    found = mutual_nearest_neighbors(latent, batches(codes), k=10, exact_up_to=0)
    assert 0.3 < found.recall < 1.0
    true = set(map(tuple, exact.pairs.tolist()))
    shared = len(true & set(map(tuple, found.pairs.tolist()))) / len(true)
    # A pair needs both directions, so the share of pairs found is near the recall squared.
    assert abs(shared - found.recall**2) < 0.15


def test_a_small_batch_is_named() -> None:
    with pytest.raises(DataError, match="Batch '1' has 3 cells, fewer than the k = 5"):
        mutual_nearest_neighbors(
            np.zeros((13, 2), np.float32), batches(np.repeat([0, 1], [10, 3])), k=5
        )
