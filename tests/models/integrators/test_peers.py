from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from core.errors import ConfigError, DataError
from core.models.integrators.base import (
    INTEGRATORS,
    principal_components,
    raw_counts,
    read_batches,
)
from tests.models.integrators.small import between_batches, islands

BOTH = {"a": {"x": 60, "y": 60}, "b": {"x": 50, "y": 70}}
PEERS = ["none", "combat", "harmony", "scanorama", "bbknn"]


@pytest.mark.parametrize("shape", [(80, 30), (30, 80)])
def test_pca_equals_scikit_learn(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    space, scores = principal_components(values, 6)
    reference = PCA(6, svd_solver="full").fit(values)
    np.testing.assert_allclose(np.abs(space.components), np.abs(reference.components_), atol=1e-4)
    np.testing.assert_allclose(np.abs(scores), np.abs(reference.transform(values)), atol=1e-3)


@pytest.mark.parametrize("name", PEERS)
def test_peers_keep_the_contract(name: str) -> None:
    kind = INTEGRATORS.get(name).value
    if sentence := kind.missing():
        pytest.skip(sentence)
    cells = islands(BOTH, shift=3.0)
    cells.X = np.maximum(cells.X, 0)
    values = cells.X.copy()
    seen: list[int] = []
    integrator = kind(kind.Params(n_pcs=10))
    result = integrator.fit_transform(
        cells, "batch", seed=1, on_progress=lambda done, *_: seen.append(done)
    )
    again = kind(kind.Params(n_pcs=10)).fit_transform(cells, "batch", seed=1)
    np.testing.assert_array_equal(cells.X, values)
    assert seen
    if result.embedding is None:
        assert result.connectivities is not None
        assert result.connectivities.shape == (cells.n_obs, cells.n_obs)
        codes = (cells.obs["batch"] == "b").to_numpy()
        across = result.connectivities[~codes][:, codes].nnz / result.connectivities.nnz
        assert across > 0.15  # every cell has neighbours in the other batch
        return
    assert result.embedding.dtype == np.float32
    assert len(result.embedding) == cells.n_obs
    np.testing.assert_array_equal(result.embedding, again.embedding)
    if result.corrected is not None:
        assert result.corrected.shape == cells.shape
        assert np.isfinite(result.corrected).all()
    if name in {"combat", "harmony"}:
        before = principal_components(cells.X, 10)[1]
        assert between_batches(result.embedding, cells) < 0.5 * between_batches(before, cells)


def test_scanorama_leaves_the_global_generator_alone() -> None:
    kind = INTEGRATORS.get("scanorama").value
    if sentence := kind.missing():
        pytest.skip(sentence)
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    cells = islands(BOTH)
    cells.X = np.maximum(cells.X, 0)
    kind(kind.Params(n_pcs=10)).fit_transform(cells, "batch")
    assert np.random.rand() == expected  # noqa: NPY002


def test_scvi_says_when_it_is_missing() -> None:
    kind = INTEGRATORS.get("scvi").value
    if kind.missing() is None:
        pytest.skip("scvi-tools is installed here")
    assert kind.missing() == (
        "scVI needs the Python package 'scvi-tools', which is not installed here."
    )
    cells = islands(BOTH)
    cells.layers["counts"] = np.random.default_rng(0).poisson(1.0, cells.shape)
    with pytest.raises(ConfigError, match="scvi-tools"):
        kind().fit_transform(cells, "batch")


def test_faults_of_batches_are_one_sentence() -> None:
    cells = islands(BOTH)
    with pytest.raises(DataError, match=r"no column 'donor'.*'batch', 'kind'"):
        read_batches(cells, "donor")
    cells.obs["one"] = "all"
    with pytest.raises(DataError, match=r"All 240 cells are in one batch \('all' in 'one'\)"):
        read_batches(cells, "one")
    cells.obs["gaps"] = pd.Series(["a", None] * 120, index=cells.obs_names)
    with pytest.raises(DataError, match="empty in 120 of 240 cells"):
        read_batches(cells, "gaps")
    with pytest.raises(DataError, match=r"at least 130 cells; too small in 'batch': 'a' \(120\)"):
        read_batches(cells, "batch", least=130)


def test_counts_and_log_values_are_told_apart() -> None:
    counts = np.random.default_rng(0).poisson(2.0, (20, 8))
    raw = anndata.AnnData(counts.astype(np.float32), obs={"batch": ["a", "b"] * 10})
    with pytest.raises(DataError, match="whole numbers only"):
        INTEGRATORS.get("none").value().fit_transform(raw, "batch")
    with pytest.raises(DataError, match="no layer 'counts'"):
        raw_counts(raw)
    raw.layers["counts"] = sparse.csr_matrix(np.log1p(counts))
    with pytest.raises(DataError, match="normalised already"):
        raw_counts(raw)
