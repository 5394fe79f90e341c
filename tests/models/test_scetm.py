"""The embedded topic model: its likelihood by hand, its promises, and planted topics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from core.errors import DataError
from core.models.scetm import EmbeddedTopicModel, TopicModel, TopicOptions, fitting
from core.models.scetm.start import start_decoder

OPTIONS = TopicOptions(
    n_topics=6, n_embedding=16, n_hidden=32, epochs=60, patience=60, minibatch=128
)


def planted(n: int = 300, n_genes: int = 60, seed: int = 0):
    """Counts of three kinds of cells in two batches; the second batch reads ten genes twice."""
    rng = np.random.default_rng(seed)
    profiles = np.full((3, n_genes), 1.0)
    for kind in range(3):
        profiles[kind, kind * 12 : kind * 12 + 12] = 8.0
    kind, batch = rng.integers(0, 3, n), rng.integers(0, 2, n)
    rates = profiles[kind]
    rates[batch == 1, 40:50] *= 2.0
    rates /= rates.sum(axis=1, keepdims=True)
    counts = np.stack([rng.multinomial(400, rate) for rate in rates])
    return sparse.csr_matrix(counts.astype(np.float32)), batch.astype(np.int64), kind


def test_the_likelihood_by_hand() -> None:
    """One topic of two decides: θ = (3/4, 1/4), logits (ln 4, 0) shifted by λ."""
    model = EmbeddedTopicModel(2, 1, n_topics=2, n_embedding=2, dropout=0.0).eval()
    with torch.no_grad():
        model.alpha.copy_(torch.eye(2))
        model.rho.copy_(torch.tensor([[4 / 3 * np.log(4), 0.0], [0.0, 0.0]]))
        model.lambda_.copy_(torch.tensor([[0.0, np.log(2.0)]]))
    delta = torch.tensor([[np.log(3.0), 0.0]], dtype=torch.float32)
    shares = torch.exp(model.log_shares(delta, torch.tensor([0])))
    assert shares.detach().numpy()[0] == pytest.approx([4 / 6, 2 / 6], abs=1e-6)


def test_the_divergence_is_that_of_two_normals() -> None:
    model = EmbeddedTopicModel(3, 1, n_topics=2, n_embedding=2, dropout=0.0).eval()
    shares = torch.tensor([[0.2, 0.3, 0.5]])
    mu, log_variance = (t.detach().numpy()[0] for t in model.encode(shares))
    expected = 0.5 * (mu**2 + np.exp(log_variance) - 1 - log_variance).sum()
    loss, nll, divergence = model.negative_elbo(shares, shares, torch.tensor([0]), 0.25)
    assert float(divergence) == pytest.approx(expected, rel=1e-5)
    assert float(loss) == pytest.approx(float(nll) + 0.25 * expected, rel=1e-5)


def test_a_narrow_posterior_adds_next_to_no_noise_at_the_start() -> None:
    torch.manual_seed(0)
    shares = torch.softmax(torch.randn(50, 30), dim=1)
    batch = torch.zeros(50, dtype=torch.int64)
    spread = {}
    for start in (None, -8.0):
        model = EmbeddedTopicModel(
            30, 1, n_topics=4, n_embedding=8, dropout=0.0, log_variance=start
        )
        log_variance = model.encode(shares)[1]
        losses = [
            float(model.negative_elbo(shares, shares, batch, 0.0)[0].detach()) for _ in range(20)
        ]
        spread[start] = float(np.std(losses))
        if start is not None:
            assert float(log_variance.detach().mean()) == pytest.approx(start, abs=0.3)
    assert spread[-8.0] < 0.1 * spread[None]


def test_the_start_is_the_batches_mean_profile() -> None:
    counts, batch, _ = planted()
    shares = fitting.shares_of(counts)
    model = EmbeddedTopicModel(60, 2, n_topics=6, n_embedding=16)
    start_decoder(model, shares, batch, seed=0, sharpness=1.0)
    for code in range(2):
        mean = np.asarray(shares[batch == code].mean(axis=0)).ravel()
        assert np.exp(model.lambda_[code].detach().numpy()) == pytest.approx(mean, abs=1e-4)


def test_planted_kinds_are_found_and_the_batch_is_not() -> None:
    counts, batch, kind = planted()
    model = TopicModel.fit(counts, batch, ("a", "b"), OPTIONS, seed=0)
    delta = model.transform(counts)
    from sklearn.cluster import KMeans

    found = KMeans(3, n_init=5, random_state=0).fit_predict(delta)
    assert adjusted_rand_score(kind, found) > 0.95
    assert abs(adjusted_rand_score(batch, found)) < 0.05
    lambda_ = model.network.lambda_.detach().numpy()
    change = lambda_[1] - lambda_[0]
    assert change[40:50].mean() - np.delete(change, np.s_[40:50]).mean() == pytest.approx(
        np.log(2), abs=0.2
    )


def test_training_beats_the_mean_profile_on_held_out_cells() -> None:
    counts, batch, _ = planted()
    model = TopicModel.fit(counts, batch, ("a", "b"), OPTIONS, seed=0)
    rows = model.held_out_rows
    shares = fitting.shares_of(counts)
    train = np.setdiff1d(np.arange(300), rows)
    mean = np.stack([np.asarray(shares[train][batch[train] == c].mean(axis=0)) for c in (0, 1)])
    baseline = -(shares[rows].toarray() * np.log(mean.squeeze()[batch[rows]])).sum(axis=1).mean()
    own = model.negative_log_likelihood(counts[rows], batch[rows])
    assert own < baseline - 0.1
    assert own == pytest.approx(model.history["held_out_nll"].min(), abs=2e-4)


def test_the_same_seed_gives_the_same_cells() -> None:
    counts, batch, _ = planted(120)
    options = TopicOptions(n_topics=4, n_embedding=8, n_hidden=16, epochs=5)
    first, again, other = (
        TopicModel.fit(counts, batch, ("a", "b"), options, seed=seed).transform(counts)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_cells_that_do_not_fit_densely_give_the_same_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts, batch, _ = planted(120)
    options = TopicOptions(n_topics=4, n_embedding=8, n_hidden=16, epochs=5)
    dense = TopicModel.fit(counts, batch, ("a", "b"), options, seed=1).transform(counts)
    monkeypatch.setattr(fitting, "DENSE_ENTRIES", 0)
    by_rows = TopicModel.fit(counts, batch, ("a", "b"), options, seed=1).transform(counts)
    np.testing.assert_allclose(by_rows, dense, atol=1e-5)


def test_training_stops_when_held_out_cells_gain_nothing() -> None:
    counts, batch, _ = planted(120)
    options = TopicOptions(
        n_topics=4, n_embedding=8, n_hidden=16, epochs=400, patience=10, least_gain=1.0
    )
    model = TopicModel.fit(counts, batch, ("a", "b"), options, seed=0)
    assert model.history["epoch"].iloc[-1] <= 20


def test_fixed_pathways_are_not_trained() -> None:
    counts, batch, _ = planted(120)
    pathways = np.zeros((2, 60), dtype=np.float32)
    pathways[0, :12] = pathways[1, 12:24] = 1.0
    options = TopicOptions(n_topics=4, n_embedding=8, n_hidden=16, epochs=10)
    model = TopicModel.fit(counts, batch, ("a", "b"), options, seed=0, pathways=pathways)
    assert model.gene_embedding().shape == (60, 10)
    np.testing.assert_array_equal(model.gene_embedding()[:, :2], pathways.T)


def test_a_cell_without_counts_is_explained() -> None:
    counts, batch, _ = planted(50)
    counts = sparse.csr_matrix(counts.toarray() * (np.arange(50) != 7)[:, None])
    with pytest.raises(DataError, match="1 of 50 cells have no count"):
        TopicModel.fit(counts, batch, ("a", "b"), OPTIONS)
