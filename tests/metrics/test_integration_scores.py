"""Scores of integration against naive reference implementations and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics import silhouette_samples as sklearn_silhouette

from core.errors import DataError
from core.metrics import threefry
from core.metrics.clustering import RESOLUTIONS, ari, batch_ari_floor, leiden, sweep
from core.metrics.graph_connectivity import connectivity_by_label
from core.metrics.integration import BATCH_SCORES, BIO_SCORES, Groups, score_embedding, score_graph
from core.metrics.isolated_labels import batches_per_label, isolated_labels
from core.metrics.kbet import acceptance, kbet_by_label
from core.metrics.kmeans import kmeans
from core.metrics.lisi import clisi, ilisi, lisi, neighbour_probabilities
from core.metrics.neighbours import Neighbours, nearest
from core.metrics.pcr import batch_variance_share, pcr_comparison
from core.metrics.silhouette import batch_silhouettes, silhouette_samples


def blobs(
    n: int = 240, *, shift: float = 0.0, d: int = 5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three cell types in two batches; ``shift`` moves the second batch."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    batches = (np.arange(n) // 3) % 2
    points = rng.normal(size=(n, d)) + 12 * np.eye(d)[labels] + shift * batches[:, None]
    return points.astype(np.float32), labels, batches


def test_threefry_gives_the_published_known_answer():
    # Random123's kat_vectors: threefry2x32, 20 rounds, zero key and counter.
    a, b = threefry._hash(threefry.key_of(0), np.zeros(1, np.uint32))
    assert (int(a[0]), int(b[0])) == (0x6B200159, 0x99BA4EFE)


def test_threefry_draws_are_permutations_and_follow_their_weights():
    assert sorted(threefry.permutation(threefry.key_of(3), 100)) == list(range(100))
    weights = np.array([0.0, 1.0, 0.0, 3.0])
    draws = [
        threefry.weighted_choice(key, weights, 1)[0]
        for key in threefry.split(threefry.key_of(1), 400)
    ]
    assert set(draws) == {1, 3}
    assert 240 < draws.count(3) < 350


def test_neighbours_equal_brute_force_and_begin_with_the_cell_itself():
    points, _, _ = blobs()
    points[7] = points[3]  # duplicates: faiss may name the other one first
    found = nearest(points, 12)
    distances = np.sqrt(np.square(points[:, None].astype(float) - points[None]).sum(axis=2))
    assert (found.indices[:, 0] == np.arange(len(points))).all()
    assert np.allclose(found.distances, np.sort(distances, axis=1)[:, :12], atol=1e-4)


def test_neighbours_of_few_cells_and_of_unusable_embeddings():
    assert nearest(np.zeros((3, 2)) + np.arange(3)[:, None], 90).indices.shape == (3, 3)
    with pytest.raises(DataError, match="infinite"):
        nearest(np.array([[0.0, np.nan]]), 2)


def test_connectivities_follow_umaps_definition():
    points, _, _ = blobs(60)
    found = nearest(points, 8)
    one_way = np.zeros((60, 60))
    for i in range(60):
        excess = found.distances[i, 1:].astype(float) - found.distances[i, 1]
        low, high = 1e-6, 1e6
        for _ in range(200):
            sigma = np.sqrt(low * high)
            low, high = (low, sigma) if np.exp(-excess / sigma).sum() > 3 else (sigma, high)
        one_way[i, found.indices[i, 1:]] = np.exp(-excess / sigma)  # they sum to log2(8) = 3
    union = one_way + one_way.T - one_way * one_way.T
    assert np.abs(found.connectivities.toarray() - union).max() < 1e-3


def naive_lisi(neighbours: Neighbours, codes: np.ndarray, perplexity: float) -> np.ndarray:
    """By definition, one cell after the other."""
    result = []
    for i in range(neighbours.n):
        keep = neighbours.indices[i] != i
        d, c = neighbours.distances[i][keep].astype(float), codes[neighbours.indices[i][keep]]
        low, high = 1e-8, 1e8
        for _ in range(200):
            beta = np.sqrt(low * high)
            p = np.exp(-beta * (d - d.min()))
            p /= p.sum()
            entropy = -(p[p > 0] * np.log(p[p > 0])).sum()
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        result.append(1 / sum(p[c == g].sum() ** 2 for g in np.unique(codes)))
    return np.array(result)


def test_lisi_equals_its_definition():
    points, labels, batches = blobs(150, shift=1.0)
    found = nearest(points, 30)
    probability = neighbour_probabilities(found)
    assert np.allclose(probability.sum(axis=1), 1)
    for codes in (batches, labels):
        assert np.allclose(lisi(found, codes, probability), naive_lisi(found, codes, 10), atol=1e-3)


def test_lisi_scales_run_from_apart_to_mixed():
    assert ilisi(np.array([1.0, 1.0]), 2) == 0 and ilisi(np.array([2.0, 2.0]), 2) == 1
    assert clisi(np.array([1.0]), 3) == 1 and clisi(np.array([3.0]), 3) == 0
    assert np.isnan(ilisi(np.ones(3), 1)) and np.isnan(clisi(np.ones(3), 1))


def test_silhouettes_equal_scikit_learn():
    points, labels, batches = blobs(shift=0.7)
    labels = np.r_[labels, 3]  # a lone cell has the silhouette 0
    points = np.vstack([points, points[:1] + 50])
    assert np.allclose(silhouette_samples(points, labels), sklearn_silhouette(points, labels))
    classic = batch_silhouettes(points[:-1], labels[:-1], batches, bras=False)
    for label in range(3):
        part = labels[:-1] == label
        widths = sklearn_silhouette(points[:-1][part], batches[part])
        assert classic[label] == pytest.approx(np.mean(1 - np.abs(widths)), abs=1e-6)


def test_bras_equals_its_definition():
    points, labels, _ = blobs(90, shift=0.0)
    batches = np.random.default_rng(1).integers(0, 3, 90)
    found = batch_silhouettes(points, labels, batches)
    for label in range(3):
        part = np.flatnonzero(labels == label)
        unit = points[part] / np.linalg.norm(points[part], axis=1, keepdims=True)
        far, own = 1 - unit.astype(float) @ unit.T, batches[part]
        widths = []
        for i in range(len(part)):
            mates = (own == own[i]) & (np.arange(len(part)) != i)
            a, b = far[i, mates].mean(), far[i, own != own[i]].mean()
            widths.append((b - a) / max(a, b))
        assert found[label] == pytest.approx(np.mean(1 - np.abs(widths)), abs=1e-6)


def test_a_type_of_one_batch_has_no_batch_silhouette():
    points, labels, batches = blobs()
    batches = np.where(labels == 2, 0, batches)
    assert np.isnan(batch_silhouettes(points, labels, batches)[2])


def test_isolated_labels_are_those_of_fewest_batches():
    labels, batches = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 0, 1])
    assert batches_per_label(labels, batches).tolist() == [2, 1, 1]
    widths = np.array([0.0, 0.0, 1.0, 1.0, -1.0])
    assert isolated_labels(widths, labels, batches) == pytest.approx((1 + 0) / 2)
    assert isolated_labels(widths, labels, batches, most=2) == pytest.approx((0.5 + 1 + 0) / 3)


def test_principal_component_regression_by_components():
    points, _, batches = blobs(shift=2.0)
    centred = points - points.mean(axis=0)
    u, s, _ = np.linalg.svd(centred.astype(float), full_matrices=False)
    scores, hot = u * s, np.eye(2)[batches]
    fitted = hot @ np.linalg.lstsq(hot, scores, rcond=None)[0]
    r2 = 1 - np.square(scores - fitted).sum(axis=0) / np.square(scores).sum(axis=0)
    expected = (r2 * s**2).sum() / (s**2).sum()
    assert batch_variance_share(points, batches) == pytest.approx(expected, abs=1e-6)
    assert pcr_comparison(points, points, batches) == 0
    corrected = points - 2.0 * batches[:, None]
    share = batch_variance_share(corrected, batches) / expected
    assert pcr_comparison(points, corrected, batches) == pytest.approx(1 - share, abs=1e-6)
    assert pcr_comparison(corrected, points, batches) == 0  # worse than before is no less than 0


def test_kbet_acceptance_is_pearsons_test():
    rng = np.random.default_rng(0)
    batches, found = rng.integers(0, 3, 80), rng.integers(0, 80, (80, 12))
    expected = np.bincount(batches) / 80 * 12
    naive = [
        stats.chisquare(np.bincount(batches[row], minlength=3), expected).pvalue >= 0.05
        for row in found
    ]
    assert acceptance(found, batches).tolist() == naive


def test_kbet_tells_mixed_from_apart_and_skips_types_of_one_batch():
    rates = {}
    for shift in (0.0, 8.0):
        points, labels, batches = blobs(360, shift=shift)
        batches = np.where(labels == 2, 0, batches)
        graph = nearest(points, 50).connectivities
        rates[shift] = kbet_by_label(graph, labels, batches)
        assert np.isnan(rates[shift][2])
    assert (rates[0.0][:2] > 0.8).all() and (rates[8.0][:2] < 0.3).all()


def test_graph_connectivity_counts_the_largest_piece():
    # 0-1-2 point at each other, 3-4 at each other: one type in two pieces of 3 and 2.
    indices = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1], [3, 4, 3], [4, 3, 4]])
    found = Neighbours(indices, np.ones(indices.shape, np.float32))
    assert connectivity_by_label(found, np.zeros(5, int)).tolist() == [0.6]
    assert connectivity_by_label(found, np.array([0, 0, 0, 1, 1])).tolist() == [1.0, 1.0]


def test_kmeans_finds_separate_blobs_and_is_deterministic():
    points, labels, _ = blobs()
    found = kmeans(points, 3)
    assert adjusted_rand_score(labels, found) == 1
    assert (found == kmeans(points, 3)).all()


def test_leiden_separates_cliques_and_follows_its_seed():
    clique = np.ones((6, 6)) - np.eye(6)
    graph = sparse.csr_matrix(sparse.block_diag([clique, clique[:4, :4]]))
    assert leiden(graph, 0.5).tolist() == [0] * 6 + [1] * 4
    points, _, _ = blobs()
    graph = nearest(points, 15).connectivities
    assert (leiden(graph, 1.0, seed=4) == leiden(graph, 1.0, seed=4)).all()


def test_sweep_summarises_best_and_mean():
    points, labels, batches = blobs()
    swept = sweep(nearest(points, 15).connectivities, labels=labels, batches=batches)
    table, values = swept.table, swept.summary()
    assert table["resolution"].tolist() == list(RESOLUTIONS)
    assert swept.clusters.shape == (len(RESOLUTIONS), len(points))
    assert values["best_ari"] == table["ari"].max() == 1
    inside = table[(table["resolution"] >= 0.1) & (table["resolution"] <= 0.3)]
    assert values["mean_ari"] == pytest.approx(inside["ari"].mean())
    at = swept.best
    assert table.loc[at, "ari"] == adjusted_rand_score(labels, swept.clusters[at])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), min_size=2, max_size=40))
def test_ari_skips_missing_labels_and_the_floor_is_that_of_the_labels(pairs):
    labels, batches = (np.array(values) for values in zip(*pairs, strict=True))
    known = labels >= 0
    if known.any():
        assert ari(labels, batches) == pytest.approx(
            adjusted_rand_score(labels[known], batches[known])
        )
        assert batch_ari_floor(labels, batches) == pytest.approx(
            adjusted_rand_score(batches[known], labels[known])
        )
    else:
        assert np.isnan(ari(labels, batches))
    assert np.isnan(batch_ari_floor(None, batches))


def test_totals_are_means_and_mixing_raises_the_batch_total():
    scores = {}
    for shift in (0.0, 6.0):
        points, labels, batches = blobs(shift=shift)
        before = blobs(shift=6.0)[0]
        groups = Groups.of(batches, labels)
        scores[shift] = score_embedding(points, groups, before=before).values
    for values in scores.values():
        batch = np.mean([values[n] for n in BATCH_SCORES])
        bio = np.mean([values[n] for n in BIO_SCORES])
        assert values["total_batch"] == pytest.approx(batch)
        assert values["total_bio"] == pytest.approx(bio)
        assert values["total"] == pytest.approx(0.4 * batch + 0.6 * bio)
    assert scores[0.0]["total_batch"] > scores[6.0]["total_batch"] + 0.2


def test_without_labels_only_scores_that_need_none():
    points, _, batches = blobs(shift=3.0)
    result = score_embedding(points, Groups.of(batches), before=points)
    assert np.isfinite([result.values[n] for n in ("ilisi", "kbet_all", "pcr_comparison")]).all()
    assert all(np.isnan(result.values[n]) for n in ("best_ari", "clisi", "bras"))
    assert "total_batch" not in result.values and np.isnan(result.floor)
    assert result.cell_types.empty and result.batches["n_cells"].tolist() == [120, 120]


def test_cells_without_a_label_do_not_change_the_scores_of_the_others():
    points, labels, batches = blobs()
    extra = np.vstack([points, points[:40] + 100])
    words = [*map(str, labels), *[None] * 40]
    both = score_embedding(extra, Groups.of([*batches, *batches[:40]], words)).values
    alone = score_embedding(points, Groups.of(batches, labels)).values
    for name in (*BIO_SCORES, "bras", "kbet", "graph_connectivity"):
        assert both[name] == pytest.approx(alone[name], abs=1e-6), name


def test_types_of_one_batch_are_flagged_and_scored_apart():
    points, labels, batches = blobs()
    batches = np.where(labels == 2, 0, batches)
    result = score_embedding(points, Groups.of(batches, labels))
    assert result.cell_types["one_batch"].tolist() == [False, False, True]
    assert np.isnan(result.cell_types["ilisi"][2])
    assert result.values["kept_apart"] == 1  # the blob of that type has no foreign neighbour
    merged = points.copy()
    merged[labels == 2] = points[labels == 0]
    low = score_embedding(merged, Groups.of(batches, labels)).values["kept_apart"]
    assert low < 0.7


def test_a_graph_has_clusters_but_no_totals():
    points, labels, batches = blobs()
    graph = nearest(points, 15).connectivities
    result = score_graph(graph, None, Groups.of(batches, labels))
    assert result.values["best_ari"] == 1 and result.values["graph_connectivity"] == 1
    assert np.isnan(result.values["total_batch"]) and "graph" in result.notes[0]


def test_embedding_and_cells_must_match():
    with pytest.raises(DataError, match="3 rows for 2 cells"):
        score_embedding(np.zeros((3, 2)), Groups.of(["a", "b"]))
    with pytest.raises(DataError, match="no batch"):
        Groups.of(["a", None])
