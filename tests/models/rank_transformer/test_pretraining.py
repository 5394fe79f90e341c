"""Batches and starts of the pretraining."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from core.models.rank_transformer import RankTransformer, RankTransformerConfig
from core.models.rank_transformer.pretraining import (
    average_positions,
    gene_vectors,
    length_buckets,
    make_batch,
    smooth_positions,
    start_at,
)

GENES = np.arange(2, 500)


def batch_of(cells: list[np.ndarray], n_genes: int | None, **more: object) -> object:
    options: dict[str, object] = {
        "n_genes": n_genes,
        "mask_share": 0.2,
        "gene_tokens": GENES,
        "mask_token": 1,
        "pad_token": 0,
    }
    return make_batch(cells, np.random.default_rng(0), **(options | more))  # type: ignore[arg-type]


def test_sampled_tokens_keep_their_true_positions() -> None:
    rng = np.random.default_rng(1)
    cells = [rng.permutation(GENES)[:300], rng.permutation(GENES)[:20]]
    batch = batch_of(cells, 50)
    assert batch.tokens.shape == (2, 50)  # type: ignore[attr-defined]
    assert batch.attention.sum(1).tolist() == [50, 20]  # type: ignore[attr-defined]
    whole = batch.tokens.clone()  # type: ignore[attr-defined]
    whole[batch.chosen] = batch.answers  # type: ignore[attr-defined]
    for row, cell in enumerate(cells):
        seen = batch.attention[row].numpy()  # type: ignore[attr-defined]
        at = batch.positions[row].numpy()[seen]  # type: ignore[attr-defined]
        assert (np.diff(at) > 0).all()
        np.testing.assert_array_equal(cell[at], whole[row].numpy()[seen])
    assert batch.positions[0].max() > 200  # type: ignore[attr-defined]


def test_masking_shares() -> None:
    rng = np.random.default_rng(1)
    cells = [rng.permutation(GENES)[:400] for _ in range(100)]
    batch = batch_of(cells, None)
    shown = batch.tokens[batch.chosen].numpy()  # type: ignore[attr-defined]
    answers = batch.answers.numpy()  # type: ignore[attr-defined]
    assert len(answers) == 100 * 80
    assert abs((shown == 1).mean() - 0.8) < 0.02
    assert abs((shown == answers).mean() - 0.1) < 0.02
    every = batch_of(cells, None, always_mask=True)
    assert (every.tokens[every.chosen] == 1).all()  # type: ignore[attr-defined]


def test_buckets_hold_each_cell_once_with_little_padding() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 1000, 640)
    batches = list(length_buckets(lengths, 16, rng))
    assert sorted(np.concatenate(batches).tolist()) == list(range(640))
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded < 1.1 * lengths.sum()
    assert not (np.sort([b[0] for b in batches]) == [b[0] for b in batches]).all()


def test_genes_of_one_programme_get_like_vectors() -> None:
    rng = np.random.default_rng(0)
    programme = np.repeat([0, 1], 20)
    kind = rng.integers(0, 2, 300)
    counts = rng.poisson(np.where(kind[:, None] == programme[None], 5.0, 0.3))
    vectors = gene_vectors(sparse.csr_matrix(counts.astype(float)), 8)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = cosine[programme[:, None] == programme[None]].mean()
    other = cosine[programme[:, None] != programme[None]].mean()
    assert same > other + 0.3
    assert vectors.dtype == np.float32 and abs(vectors.std() - 1) < 0.01
    np.testing.assert_array_equal(vectors, gene_vectors(sparse.csr_matrix(counts * 1.0), 8))


def test_more_components_than_the_data_have() -> None:
    vectors = gene_vectors(sparse.csr_matrix(np.eye(5)), 16)
    assert vectors.shape == (5, 16) and np.isfinite(vectors).all()


def test_neighbouring_positions_begin_alike() -> None:
    waves = smooth_positions(2048, 32).astype(np.float64)
    unit = waves / np.linalg.norm(waves, axis=1, keepdims=True)
    near = (unit[:-1] * unit[1:]).sum(1)
    assert near.min() > 0.9
    assert smooth_positions(10, 7).shape == (10, 7)


def small_model() -> RankTransformer:
    config = RankTransformerConfig(
        vocab_size=12,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=16,
    )
    return RankTransformer(config).eval()


def test_averaging_takes_the_noise_between_neighbours_and_leaves_the_trend() -> None:
    model = small_model()
    trend = np.linspace(-1, 1, 16)[:, None] * np.ones((1, 8))
    noise = np.random.default_rng(0).normal(0, 0.2, trend.shape)
    with torch.no_grad():
        model.positions.weight.copy_(torch.from_numpy(trend + noise))
    before = model.positions.weight.detach().numpy().copy()
    average_positions(model, 0)
    np.testing.assert_array_equal(model.positions.weight.detach(), before)
    average_positions(model, 1.0)
    after = model.positions.weight.detach().numpy()
    assert np.diff(after, axis=0).std() < 0.5 * np.diff(before, axis=0).std()
    assert np.abs(after - trend)[2:-2].mean() < np.abs(before - trend)[2:-2].mean()


def test_start_is_the_unigram_model() -> None:
    model = small_model()
    frequency = np.arange(1.0, 11.0)
    start_at(model, np.zeros((10, 8), dtype=np.float32), np.arange(2, 12), frequency)
    with torch.no_grad():
        shares = torch.softmax(model.logits(model(torch.tensor([[2, 3]]))), -1)[0, 0, 2:]
    np.testing.assert_allclose(shares / shares.sum(), (frequency + 0.5) / 60, rtol=0.02)
