"""Gene selectors: contract, known answers, recovery of planted landmark genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import qr

from core.errors import ConfigError, DataError
from core.models.selectors import SELECTORS, Selection
from core.models.selectors.base import centred
from core.models.selectors.deep_group_lasso import paper_ranking
from core.models.selectors.design import Design, exchange
from core.models.selectors.greedy import greedy_columns
from core.models.selectors.ranking import normalised_dispersion

#: Small networks, so that the contract is checked within seconds.
SMALL: dict[str, dict[str, Any]] = {
    "deep_group_lasso": {
        "hidden": 16,
        "epochs": 3,
        "path_epochs": 1,
        "step": 3.0,
        "first_penalty": 0.5,
        "most_penalties": 8,
    }
}


def make(name: str, **params: Any):
    cls = SELECTORS.get(name).value
    return cls(cls.Params(**(SMALL.get(name, {}) | params)))


def cells(n: int = 150, p: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.gamma(1.0, 1.0, (n, 4)) @ rng.uniform(0, 1, (4, p)) + 0.5 * rng.gamma(1, 1, (n, p))
    return X.astype(np.float32)


def planted(n: int = 400, p: int = 80, k: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Genes that measure independent programmes cleanly, among genes that follow one in noise."""
    rng = np.random.default_rng(seed)
    programmes = rng.gamma(2.0, 0.6, (n, k))
    genes = np.sort(rng.choice(p, k, replace=False))
    others = np.setdiff1d(np.arange(p), genes)
    X = rng.normal(0, 0.6, (n, p))
    mixing = np.zeros((k, len(others)))
    mixing[np.arange(len(others)) % k, np.arange(len(others))] = 0.5
    X[:, others] += programmes @ mixing
    X[:, genes] = programmes + 0.05 * X[:, genes]
    return np.maximum(X, 0).astype(np.float32), genes


@pytest.mark.parametrize("name", SELECTORS.names())
def test_contract(name: str) -> None:
    X = cells()
    before = X.copy()
    start = np.array([1, 5, 7])
    heard: list[int] = []
    found = make(name).select(
        X, 12, seed=3, start=start, on_progress=lambda done, total, words: heard.append(done)
    )
    assert isinstance(found, Selection) and len(found) == 12
    assert len(set(found.order.tolist())) == 12
    assert found.order.dtype == np.int64 and 0 <= found.order.min() <= found.order.max() < 60
    assert all(found.why)
    assert np.array_equal(X, before)
    again = make(name).select(X, 12, seed=3, start=start)
    assert np.array_equal(found.order, again.order)


@pytest.mark.parametrize("name", SELECTORS.names())
def test_constant_genes_and_all_genes(name: str) -> None:
    """A gene that never varies breaks nothing; all genes may be asked for."""
    X = cells(60, 20)
    X[:, 4] = 0
    found = make(name).select(X, 20, start=np.array([0]))
    assert sorted(found.order.tolist()) == list(range(20))
    if name not in {"random", "guided"}:
        assert 4 not in make(name).select(X, 5, start=np.array([0])).order


@pytest.mark.parametrize("name", ["group_lasso", "random", "design"])
def test_faults_are_sentences(name: str) -> None:
    with pytest.raises(ConfigError, match="61 genes cannot be chosen of 60"):
        make(name).select(cells(), 61)
    bad = cells()
    bad[3, 3] = np.nan
    with pytest.raises(DataError, match="missing or infinite"):
        make(name).select(bad, 5)
    with pytest.raises(DataError, match="two cells"):
        make(name).select(cells()[:1], 5)


def test_guided_needs_a_start() -> None:
    with pytest.raises(ConfigError, match="genes to start from"):
        make("guided").select(cells(), 5)


def test_guided_without_exchanges_keeps_its_start() -> None:
    start = np.array([3, 11, 40])
    found = make("guided", exchanges=0).select(cells(), 10, start=start)
    assert set(start) <= set(found.order.tolist())
    assert "3 of the 3" in found.note


@pytest.mark.parametrize("name", ["group_lasso", "design"])
def test_planted_landmarks_are_found(name: str) -> None:
    X, genes = planted()
    params = {"balance": 0.0, "n_factors": 8} if name == "design" else {"n_components": 8}
    found = make(name, **params).select(X, 8)
    assert len(np.intersect1d(found.order, genes)) >= 7
    at_random = make("random").select(X, 8)
    assert len(np.intersect1d(at_random.order, genes)) < 5


def test_the_network_prefers_planted_landmarks() -> None:
    X, genes = planted(300, 40, 6)
    params = {"hidden": 32, "epochs": 20, "path_epochs": 4, "step": 1.8, "learning_rate": 5e-3}
    found = make("deep_group_lasso", first_penalty=0.2, **params).select(X, 10)
    assert len(np.intersect1d(found.order, genes)) >= 5  # 1.5 by chance
    assert found.path is not None and found.path["n_genes"].min() < 40


def test_proximal_step_gives_exact_zeros() -> None:
    torch = pytest.importorskip("torch")
    from core.models.selectors._proximal import shrink_groups

    weights = torch.tensor([[3.0, 0.1, 0.0], [4.0, 0.1, 0.0]])
    shrink_groups(weights, 1.0)
    np.testing.assert_allclose(weights[:, 0], [3 * 0.8, 4 * 0.8], rtol=1e-6)
    assert (weights[:, 1:] == 0).all()


def test_paper_ranking_by_hand() -> None:
    """Largest maxima: genes 2, 0; smallest minima: genes 1, 2; gene 2 is in both."""
    weights = np.array([[0.5, -0.9, 0.8, 0.0], [0.1, 0.2, -0.7, -0.1]])
    order, why = paper_ranking(weights, 4)
    assert set(order.tolist()) == {0, 1, 2}
    assert ";" in why[order.tolist().index(2)]


def test_pivoted_qr_is_lapack() -> None:
    X = cells(100, 30)
    found = make("pivoted_qr").select(X, 10)
    _, pivots = qr(centred(X).astype(np.float64), mode="r", pivoting=True)
    assert found.order.tolist() == pivots[:10].tolist()


def test_highest_mean_and_variance() -> None:
    X = cells()
    assert make("highest_mean").select(X, 3).order[0] == X.mean(0).argmax()
    assert make("highly_variable", flavor="variance").select(X, 3).order[0] == X.var(0).argmax()


def test_dispersion_is_scanpys() -> None:
    import anndata
    import scanpy as sc

    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.6, 2.0, 300), (200, 300))
    X = np.log1p(1e4 * counts / counts.sum(1, keepdims=True)).astype(np.float32)
    cells_ = anndata.AnnData(X.copy())
    cells_.uns["log1p"] = {"base": None}
    table = sc.pp.highly_variable_genes(cells_, flavor="seurat", n_top_genes=50, inplace=False)
    ours = normalised_dispersion(X)
    theirs = table["dispersions_norm"].to_numpy()
    known = np.isfinite(ours) & np.isfinite(theirs)
    assert known.sum() > 250
    np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-3, atol=1e-3)


def test_greedy_takes_the_best_column_each_time() -> None:
    """Against a plain search over all columns, with the residual computed anew."""
    F = np.random.default_rng(1).normal(size=(12, 25)) * np.linspace(1, 3, 25)
    order, gains = greedy_columns(F, 6)
    left = F.copy()
    for gene, gain in zip(order, gains, strict=True):
        norms = (left**2).sum(0)
        value = ((left.T @ left) ** 2).sum(0) / np.maximum(norms, 1e-12)
        value[norms < 1e-9] = -1
        assert value.argmax() == gene
        assert gain == pytest.approx(value.max(), rel=1e-8)
        unit = left[:, gene] / np.linalg.norm(left[:, gene])
        left -= np.outer(unit, unit @ left)


def design(balance: float, seed: int = 0) -> Design:
    rng = np.random.default_rng(seed)
    return Design(rng.normal(size=(30, 4)), rng.uniform(0.5, 2, 30), balance)


def shared_left(d: Design) -> float:
    """The objective's first part, from its definition."""
    W, inside = d.loadings, d.chosen
    C = np.linalg.inv(np.eye(4) + (W[inside].T / d.noise[inside]) @ W[inside])
    return float(np.trace(W.T @ W @ C) / np.trace(W.T @ W))


def test_design_keeps_its_scores_up_to_date() -> None:
    d = design(0.4)
    for gene in (3, 17, 8, 29):
        gain = d.gains()[gene]
        before = d.objective
        d.add(gene)
        assert before - d.objective >= gain - 1e-9  # the panel's other genes gain too
    d.drop(17)
    assert d.shared_left == pytest.approx(shared_left(d), rel=1e-9)
    W, inside = d.loadings, d.chosen
    C = np.linalg.inv(np.eye(4) + (W[inside].T / d.noise[inside]) @ W[inside])
    own = d.noise + np.einsum("ij,jk,ik->i", W, C, W)
    every = d.noise + (W**2).sum(1)
    assert d.panel_left == pytest.approx(own[~inside].sum() / every.sum(), rel=1e-9)
    empty = design(0.4)
    assert empty.shared_left == pytest.approx(1) and empty.panel_left == pytest.approx(1)


def test_exchange_only_improves() -> None:
    d = design(0.0, seed=2)
    for gene in range(6):
        d.add(gene)
    before = d.objective
    came = exchange(d, 50)
    assert d.chosen.sum() == 6
    assert came and d.objective < before
    assert d.shared_left == pytest.approx(shared_left(d), rel=1e-9)


def test_pure_prediction_gain_is_exact() -> None:
    d = design(0.0, seed=3)
    d.add(0)
    gains, before = d.gains(), d.objective
    for gene in (5, 9):
        other = design(0.0, seed=3)
        other.add(0)
        other.add(gene)
        assert before - other.objective == pytest.approx(gains[gene], rel=1e-9)
