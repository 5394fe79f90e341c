"""The study `cells`: stages against their definitions, caching, what is kept beside the data set."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from core.data import get_dataset, load_cells, store
from core.data.attachments import attach, attached, stamp
from core.data.cells import cells_hash, validate_cells
from core.data.preprocessing import Preprocessing, preprocess
from core.errors import ConfigError, DataError
from core.settings import Settings, load_settings
from core.studies.base import STUDIES, StudyContext
from core.studies.cells import embedded, is_embedded, stages
from core.studies.cells.cache import StageCache, stage_keys
from core.studies.cells.components import components
from core.studies.cells.config import CellsConfig
from core.studies.cells.result import CellsResult
from core.studies.cells.run import run

FAST = {"umap": False, "n_pcs": 5, "n_neighbors": 8}


def three_groups(n: int = 60) -> anndata.AnnData:
    """Counts of three groups that differ in ten genes each."""
    rng = np.random.default_rng(0)
    rate = np.full((n, 40), 1.0)
    group = np.arange(n) % 3
    for g in range(3):
        rate[np.ix_(group == g, range(10 * g, 10 * g + 10))] = 9
    cells = anndata.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    cells.var_names = [f"GENE{i}" for i in range(40)]
    cells.obs_names = [f"c{i}" for i in range(n)]
    cells.obs["group"] = pd.Categorical([f"g{g}" for g in group])
    return cells


def put(id: str, cells: anndata.AnnData, settings: Settings) -> None:
    found = validate_cells(cells.copy())
    meta = {"label": id, "values": found.values, "content_hash": cells_hash(found.cells)}
    store.write_cells(id, found.cells, settings, meta)


def do(config: CellsConfig, settings: Settings, name: str = "r") -> CellsResult:
    folder = settings.workspace / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    return run(config, StudyContext(folder=folder, settings=settings))


@pytest.fixture
def ready(settings: Settings) -> Settings:
    put("three", three_groups(), settings)
    return settings


def test_it_is_registered() -> None:
    assert STUDIES.get("cells").value.Config is CellsConfig


def test_pca_is_the_singular_value_decomposition() -> None:
    cells = preprocess(three_groups()).cells
    found = stages.pca(cells, CellsConfig(n_pcs=4))
    dense = cells.X.toarray().astype(np.float64)
    centred = dense - dense.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(found["scores"]), np.abs(u * s)[:, :4], atol=2e-3)
    np.testing.assert_allclose(np.abs(found["loadings"].T), np.abs(vt[:4]), atol=2e-3)
    np.testing.assert_allclose(found["ratio"], (s**2 / (s**2).sum())[:4], rtol=1e-4)
    assert list(found["genes"]) == list(cells.var_names)


def test_leiden_finds_the_three_groups_and_neighbours_are_nearest(ready: Settings) -> None:
    config = CellsConfig(dataset="three", leiden_resolution=0.5, **FAST)
    result = do(config, ready)
    groups = load_cells("three", ready).obs["group"].cat.codes.to_numpy()
    table = pd.crosstab(groups, result.clusters())
    assert (table.to_numpy() > 0).sum() == 3
    cells = embedded("three", config, ready)
    scores = result.embeddings()["X_pca"]
    distance = np.linalg.norm(scores[0] - scores, axis=1)
    row = cells.obsp["distances"][0]
    nearest = set(np.argsort(distance)[1 : len(row.indices) + 1])
    assert set(row.indices) == nearest


def test_what_was_computed_is_found_by_everyone(ready: Settings) -> None:
    config = CellsConfig(dataset="three", tsne=True, tsne_perplexity=5, **FAST)
    assert embedded("three", config, ready) is None
    before = stamp("three", ready)
    result = do(config, ready)
    assert stamp("three", ready) != before
    stored = load_cells("three", ready)
    assert {"X_pca", "X_tsne"} <= set(stored.obsm)
    assert list(stored.obs["leiden"].astype(int)) == list(result.clusters())
    assert set(attached("three", ready)["obsm"]) == {"X_pca", "X_tsne"}
    cells = embedded("three", config, ready)
    np.testing.assert_array_equal(cells.obsm["X_tsne"], stored.obsm["X_tsne"])
    assert cells.layers["counts"].max() > cells.X.max()
    assert cells.varm["PCs"].shape == (40, 5)
    found = components("three", get_dataset("three", ready).content_hash, stored, ready)
    assert found.loadings.shape == (40, 5)
    np.testing.assert_allclose(found.ratio, result.pca["ratio"])
    pd.testing.assert_frame_equal(found.loadings, result.loadings())
    again = CellsResult.load(result.folder)
    assert again.summary() == result.summary()
    assert again.summary()["n_clusters"] == len(np.unique(result.clusters()))


def test_stages_are_not_repeated(ready: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CellsConfig(dataset="three", **FAST)
    do(config, ready)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(stages, "pca", never)
    monkeypatch.setattr(stages, "neighbours", never)
    finer = config.model_copy(update={"leiden_resolution": 2.0})
    assert not is_embedded("three", finer, ready)
    do(finer, ready, "finer")
    assert is_embedded("three", finer, ready)
    other = config.model_copy(update={"n_neighbors": 9})
    with pytest.raises(AssertionError, match="computed again"):
        do(other, ready, "other")


def test_keys_depend_on_content_and_on_what_a_stage_uses_only() -> None:
    config = CellsConfig(tsne=True)
    keys = stage_keys("a", config)
    assert keys == stage_keys("a", config.model_copy(update={"name": "x", "dataset": "y"}))
    assert not set(keys.values()) & set(stage_keys("b", config).values())
    moved = stage_keys("a", config.model_copy(update={"umap_min_dist": 0.1}))
    assert [s for s in keys if keys[s] != moved[s]] == ["umap"]


def test_a_damaged_cache_is_computed_anew(ready: Settings) -> None:
    config = CellsConfig(dataset="three", **FAST)
    first = do(config, ready).embeddings()["X_pca"].copy()
    cache = StageCache(ready)
    key = stage_keys(get_dataset("three", ready).content_hash, config)["pca"]
    cache.path(key).unlink()
    cache.path(key).write_bytes(b"rubbish")
    np.testing.assert_array_equal(do(config, ready, "again").embeddings()["X_pca"], first)


def test_filtered_cells_become_a_data_set(ready: Settings) -> None:
    config = CellsConfig(
        dataset="three",
        preprocessing=Preprocessing(balance_key="group", max_per_group=10),
        save_as="three-small",
        **FAST,
    )
    result = do(config, ready)
    assert result.saved_as == "three-small"
    made = load_cells("three-small", ready)
    assert made.shape == (30, 40)
    assert made.obsm["X_pca"].shape == (30, 5)
    assert "leiden" in made.obs
    assert get_dataset("three-small", ready).content_hash == cells_hash(made)
    assert attached("three", ready)["obsm"] == {}  # rows would not fit
    do(config, ready, "twice")  # its own result may be replaced
    with pytest.raises(ConfigError, match="There is a data set 'three' already"):
        do(config.model_copy(update={"save_as": "three"}), ready, "over")


def test_log_values_are_used_as_they_are(settings: Settings) -> None:
    cells = preprocess(three_groups()).cells
    del cells.layers["counts"]
    put("logged", cells, settings)
    result = do(CellsConfig(dataset="logged", **FAST), settings)
    assert "nothing was normalised again" in result.steps[0]
    np.testing.assert_allclose(
        embedded("logged", result.config, settings).X.toarray(), cells.X.toarray()
    )
    cut = CellsConfig(dataset="logged", preprocessing=Preprocessing(min_counts=5), **FAST)
    with pytest.raises(ConfigError, match=r"'Min\. reads' needs raw counts"):
        do(cut, settings, "cut")


def test_too_few_cells_and_too_much_perplexity_are_said(ready: Settings) -> None:
    config = CellsConfig(dataset="three", tsne=True, tsne_perplexity=30, **FAST)
    with pytest.raises(ConfigError, match="must be below a third of the 60 cells"):
        do(config, ready)
    few = Preprocessing(balance_key="group", max_per_group=1)
    with pytest.raises(DataError, match="3 cells × 40 genes are left: too few"):
        do(config.model_copy(update={"preprocessing": few}), ready, "few")


def test_above_the_threshold_dask_gives_the_same(ready: Settings) -> None:
    config = CellsConfig(dataset="three", preprocessing=Preprocessing(n_hvg=20), **FAST)
    whole = do(config, ready)
    chunked = load_settings(workspace=ready.workspace, chunked_above_mb=0)
    StageCache(ready).path(
        stage_keys(get_dataset("three", ready).content_hash, config)["pca"]
    ).unlink()
    lazy = do(config.model_copy(update={"save_as": "lazy"}), chunked, "lazy")
    assert lazy.steps == whole.steps
    np.testing.assert_allclose(lazy.pca["ratio"], whole.pca["ratio"], rtol=1e-3)
    stored = load_cells("lazy", ready)
    assert stored.shape == (60, 40)
    np.testing.assert_allclose(
        stored.X.toarray(), preprocess(three_groups()).cells.X.toarray(), rtol=1e-6
    )
    assert get_dataset("lazy", ready).content_hash == cells_hash(stored)


def test_attachments_belong_to_their_content(ready: Settings) -> None:
    content = get_dataset("three", ready).content_hash
    ones = {"X_mine": np.ones((60, 2))}
    with pytest.raises(DataError, match="has changed meanwhile"):
        attach("three", "other", ones, {}, about={}, settings=ready)
    with pytest.raises(DataError, match="'X_mine' has 3 rows, 'three' 60 cells"):
        attach("three", content, {"X_mine": np.ones((3, 2))}, {}, about={}, settings=ready)
    attach("three", content, ones, {}, about={"by": "hand"}, settings=ready)
    assert load_cells("three", ready).obsm["X_mine"].dtype == np.float32
    assert attached("three", ready)["obsm"]["X_mine"] == {"by": "hand"}
