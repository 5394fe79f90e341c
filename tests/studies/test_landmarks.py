"""The landmark study: data, splits, runs, resume, results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from core import runs
from core.errors import CancelledError, ConfigError, DataError, RunError
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.landmarks import explore, files
from core.studies.landmarks.config import LandmarkDataConfig, LandmarksConfig
from core.studies.landmarks.data import landmark_data, load_landmark_data
from core.studies.landmarks.plan import measured, specs, stack_folds
from core.studies.landmarks.result import LandmarksResult
from core.studies.landmarks.run import run
from tests.studies.landmarks_small import (
    ID,
    N_CELLS,
    N_LANDMARKS,
    N_OTHERS,
    small_cells,
    small_config,
    store_small,
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from core.settings import load_settings

    found = load_settings(workspace=tmp_path_factory.mktemp("landmarks"), device="cpu")
    store_small(found)
    return found


@pytest.fixture(scope="module")
def finished(workspace: Settings) -> tuple[str, LandmarksResult]:
    run_id = runs.run_here("landmarks", small_config(), settings=workspace)
    record = runs.get_run(run_id, settings=workspace)
    assert record.state == "finished", record.error
    return run_id, LandmarksResult.load(workspace.runs_folder / run_id)


# -- data -------------------------------------------------------------------------------------


def test_cells_are_scaled_and_logged_and_the_input_is_left_alone() -> None:
    cells = small_cells()
    before = cells.X.copy()
    data = landmark_data(cells, LandmarkDataConfig(gene_min_reads=1, gene_min_cells=1))
    assert (before != cells.X).nnz == 0
    np.testing.assert_allclose(np.expm1(data.X).sum(axis=1), 1e4, rtol=1e-4)
    np.testing.assert_allclose(data.library_size, np.asarray(before.sum(axis=1)).ravel(), rtol=1e-6)
    assert not data.X.flags.writeable and data.label_key == "cell_type"


def test_filters_are_those_of_the_paper() -> None:
    cells = small_cells()
    dense = cells.X.toarray()
    dense[0] = 0
    dense[0, :5] = 100  # 500 reads: a cell below the cut-off
    dense[:, 30] = 2  # never three reads
    dense[:, 31] = 0
    dense[1:5, 31] = 3  # three reads in four cells only
    cells.X = dense
    data = landmark_data(cells)
    assert data.n_cells == N_CELLS - 1 and "c0" not in data.obs.index
    assert not {"G10", "G11"} & set(data.genes)
    assert any("1,000" in step or "1000" in step for step in data.steps)


def test_landmarks_are_found_by_new_symbols_ensembl_ids_and_in_mouse() -> None:
    cells = small_cells()
    names = list(cells.var_names)
    names[0], names[1] = "CEMIP2", "MPC2"  # TMEM2 and BRP44 in 2017
    cells.var_names = names
    data = landmark_data(cells)
    assert data.l1000.matched["TMEM2"] == "CEMIP2" and data.l1000.renamed["TMEM2"] == "CEMIP2"
    mouse = small_cells()
    mouse.var_names = [name.title() for name in mouse.var_names]
    found = landmark_data(mouse)
    assert found.is_landmark.sum() == N_LANDMARKS and not found.l1000.renamed
    ensembl = small_cells()
    ensembl.var["symbol"] = list(ensembl.var_names)
    ensembl.var_names = [f"ENSG{i:011d}" for i in range(ensembl.n_vars)]
    named = landmark_data(ensembl)
    assert named.is_landmark.sum() == N_LANDMARKS and named.gene_ids[3] == "ENSG00000000003"
    del ensembl.var["symbol"]
    with pytest.raises(DataError, match="Ensembl ids"):
        landmark_data(ensembl)


def test_splits_share_no_cell_and_keep_the_types_shares() -> None:
    data = landmark_data(small_cells(n_cells=400))
    split, other = data.splits(2, seed=5)
    assert split.seed == 5 and other.seed == 6 and not np.array_equal(split.test, other.test)
    assert not set(split.train) & set(split.test)
    assert sorted([*split.fit, *split.validation]) == list(split.train)
    assert len(split.test) == 80
    for name in ("alpha", "beta", "delta"):
        share = (data.cell_types[split.test] == name).mean()
        assert share == pytest.approx((data.cell_types == name).mean(), abs=0.01)
    again = data.split(5)
    np.testing.assert_array_equal(again.test, split.test)


def test_a_type_of_one_cell_does_not_stop_the_split() -> None:
    cells = small_cells()
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str)
    cells.obs.iloc[0, 0] = "lonely"
    split = landmark_data(cells).split(0)
    assert len(split.train) + len(split.test) == N_CELLS


def test_types_can_be_balanced_and_cells_capped() -> None:
    data = landmark_data(small_cells(n_cells=400), LandmarkDataConfig(max_per_type=40))
    assert max(pd.Series(data.cell_types).value_counts()) == 40
    capped = landmark_data(small_cells(n_cells=400), LandmarkDataConfig(max_cells=100))
    assert capped.n_cells == 100


def test_what_cannot_be_used_is_said_in_one_sentence() -> None:
    normalised = small_cells()
    normalised.X = normalised.X * 0.37
    with pytest.raises(DataError):
        landmark_data(normalised)
    with pytest.raises(ConfigError, match="no column 'nope'"):
        landmark_data(small_cells(), LandmarkDataConfig(label_key="nope"))
    with pytest.raises(DataError, match="at least"):
        landmark_data(small_cells(n_cells=40))
    with pytest.raises(DataError, match="not among"):
        landmark_data(small_cells()).positions(["NOPE"])


# -- plan -------------------------------------------------------------------------------------


def test_measured_and_predicted_genes_are_apart() -> None:
    data = landmark_data(small_cells(), LandmarkDataConfig(gene_min_reads=1, gene_min_cells=1))
    found = measured(small_config(), data)
    assert len(found.inputs) == N_LANDMARKS and len(found.targets) == N_OTHERS
    own = measured(small_config(genes="G1, G2 NOPE"), data)
    assert list(data.genes[own.inputs]) == ["G1", "G2"]
    assert own.report.set_index("given").loc["NOPE", "status"] == "unknown"
    with pytest.raises(ConfigError, match="Only 1 of the 2"):
        measured(small_config(genes="G1 NOPE"), data)
    with pytest.raises(ConfigError, match="none is left"):
        measured(small_config(genes=tuple(data.genes)), data)


def test_models_have_keys_of_their_own() -> None:
    keys = [spec.key for spec in specs(small_config())]
    assert keys == ["mean", "ridge", "knn", "dnn", "dnn_weighted"]
    twice = small_config(models=[{"name": "knn"}, {"name": "knn", "params": {"n_neighbors": 9}}])
    assert [spec.key for spec in specs(twice)] == ["knn", "knn-2"]
    with pytest.raises(ValueError, match="same name"):
        small_config(models=[{"name": "knn"}, {"name": "knn"}])


def test_the_ensembles_folds_hold_no_test_cell() -> None:
    data = landmark_data(small_cells())
    split = data.split(0)
    for fit, held in stack_folds(split, small_config(ensemble_folds=5)):
        assert not set(fit) & set(held)
        assert set(fit) | set(held) == set(split.train)


# -- run --------------------------------------------------------------------------------------


def test_a_run_scores_every_model_by_both_metrics(
    finished: tuple[str, LandmarksResult], workspace: Settings
) -> None:
    _, result = finished
    table = result.table().set_index("model")
    expected = {"mean", "ridge", "knn", "dnn", "dnn_weighted", "ensemble", "ensemble_weighted"}
    assert set(table.index) == expected
    assert table.loc["ridge", "mse"] < table.loc["mean", "mse"]
    assert table["mse_low"].notna().all() and (table["mse_low"] <= table["mse"]).all()
    data = load_landmark_data(ID, None, workspace)
    found = measured(small_config(), data)
    errors = []
    for split in data.splits(2):
        train, test = data.X[split.train], data.X[split.test]
        squared = (test[:, found.targets] - train[:, found.targets].mean(axis=0)) ** 2
        errors.append(squared.mean())
    assert table.loc["mean", "mse"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert table.loc["ridge", "mse_gain"] == pytest.approx(0.0)


def test_the_tables_of_a_result_agree_with_each_other(
    finished: tuple[str, LandmarksResult],
) -> None:
    _, result = finished
    table = result.table().set_index("model")
    genes = result.genes("ridge")
    assert genes["mse"].mean() == pytest.approx(table.loc["ridge", "mse"], rel=1e-4)
    types = result.types("ridge")
    weighted = (types["mse"] * types["n_cells"]).sum() / types["n_cells"].sum()
    assert weighted == pytest.approx(table.loc["ridge", "mse"], rel=0.02)
    gene = str(genes["gene"].iloc[0])
    cells = result.predicted(gene, "ridge")
    first = result.scores()["models"]["ridge"]["mse"]["splits"][0]
    every = [
        np.mean((c["measured"] - c["predicted"]) ** 2)
        for c in (result.predicted(g, "ridge") for g in genes["gene"])
    ]
    assert np.mean(every) == pytest.approx(first, rel=0.01)
    assert set(cells) == {"cell", "cell_type", "measured", "predicted"}
    weights = result.weights().groupby(["ensemble", "split"])["weight"].sum()
    assert weights.to_numpy() == pytest.approx(1.0)
    assert set(result.weights()["model"]) == {"ridge", "knn"}
    assert set(result.history()["model"]) == {"dnn", "dnn_weighted"}
    with pytest.raises(RunError, match="no model 'nope'"):
        result.predicted(gene, "nope")
    with pytest.raises(RunError, match="not among the predicted"):
        result.predicted("NOPE", "ridge")


def test_the_record_of_the_run_holds_its_numbers(
    finished: tuple[str, LandmarksResult], workspace: Settings
) -> None:
    run_id, result = finished
    record = runs.get_run(run_id, settings=workspace)
    assert record.metrics["mse"] == pytest.approx(result.summary()["mse"])
    assert {"weighted_mse", "ridge/mse", "ensemble_weighted/weighted_mse"} <= set(record.metrics)
    assert not (workspace.runs_folder / run_id / files.WORK).exists()
    curves = runs.history(run_id, settings=workspace)
    assert set(curves["model"]) == {"dnn", "dnn_weighted"} and set(curves["fold"]) == {"0", "1"}
    assert STUDIES.get("landmarks").value.load(workspace.runs_folder / run_id).summary()


def test_no_model_sees_a_test_cell(workspace: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test cells turned into noise change the scores and nothing that was fitted."""
    import core.studies.landmarks.run as module

    fitted: list[float] = []
    original = module.LandmarkRun._fit

    def spy(self: Any, *args: Any) -> Any:
        model = original(self, *args)
        rows = self.inputs.take(self.splits[0].train[:5])
        fitted.append(float(model.predict(rows).sum()))
        return model

    monkeypatch.setattr(module.LandmarkRun, "_fit", spy)
    config = small_config(n_splits=1, models=[{"name": "ridge"}, {"name": "knn"}])
    data = load_landmark_data(ID, None, workspace)
    for scramble in (False, True):
        job = module.LandmarkRun(
            config, StudyContext(workspace.workspace / f"leak-{scramble}", workspace), data
        )
        if scramble:
            test = job.splits[0].test
            job.targets[test] = np.random.default_rng(0).random(job.targets[test].shape)
            job.inputs.X[test] = 0.0
        job.execute()
    half = len(fitted) // 2
    assert half >= 4
    assert fitted[:half] == pytest.approx(fitted[half:])


def test_a_cancelled_run_goes_on_where_it_stopped(workspace: Settings, tmp_path: Path) -> None:
    config = small_config()
    whole = run(config, StudyContext(tmp_path / "whole", workspace)).summary()
    asked = 0

    def cancel() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    folder = tmp_path / "broken"
    with pytest.raises(CancelledError):
        run(config, StudyContext(folder, workspace, should_cancel=cancel))
    assert (folder / files.WORK).exists() and not (folder / files.SCORES).exists()
    messages: list[str] = []
    context = StudyContext(
        folder, workspace, resume=True, on_progress=lambda done, total, text: messages.append(text)
    )
    resumed = run(config, context).summary()
    assert resumed == pytest.approx(whole, rel=1e-6)
    assert not any("Ridge regression, split 1 of 2, ensemble fold 1" in m for m in messages)
    about = json.loads((folder / files.CONFIG).read_text())
    assert about["n_splits"] == 2


def test_another_configuration_is_not_resumed(workspace: Settings, tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        run(small_config(), StudyContext(tmp_path, workspace, should_cancel=lambda: True))
    with pytest.raises(RunError, match="another configuration"):
        run(small_config(seed=4), StudyContext(tmp_path, workspace, resume=True))


def test_progress_never_goes_beyond_its_total(workspace: Settings, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    context = StudyContext(
        tmp_path, workspace, on_progress=lambda done, total, _: seen.append((done, total))
    )
    run(small_config(n_splits=1, save_predictions=False), context)
    counted = [pair for pair in seen if pair[1]]
    assert all(done <= total for done, total in counted)
    assert [d for d, _ in counted] == sorted(d for d, _ in counted)
    assert not LandmarksResult.load(tmp_path).has_predictions


def test_the_configuration_survives_json() -> None:
    config = small_config(genes="A B")
    assert LandmarksConfig(**json.loads(config.model_dump_json())) == config
    assert LandmarksConfig().set_label == "L1000" and config.set_label == "2 genes"


# -- exploration ------------------------------------------------------------------------------


def test_exploration_of_cells() -> None:
    data = landmark_data(small_cells())
    found = explore.principal_components(data, n=10)
    full = np.linalg.svd(data.X - data.X.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(found.variance[:3], (full / full.sum())[:3], rtol=1e-3)
    assert explore.experiment_columns(data) == ["donor"]
    table = explore.balance(data)
    assert table["n_cells"].sum() == data.n_cells and table["n_cells"].is_monotonic_decreasing
    rows = np.flatnonzero(data.obs["donor"].astype(str) == "d1")
    placed = explore.tsne(found.scores, rows)
    assert placed.coordinates.shape == (len(rows), 2)
    with pytest.raises(DataError, match="at least 10"):
        explore.tsne(found.scores, rows[:4])


@pytest.mark.parametrize(("name", "mean"), [("pbmc_facs", 0.631), ("baron_human_subset", 0.305)])
def test_published_filters_give_the_published_mean(
    shared_data: Path, name: str, mean: float
) -> None:
    data = landmark_data(anndata.read_h5ad(shared_data / f"{name}.h5ad"))
    split = data.split(0)
    targets = data.X[:, ~data.is_landmark]
    error = float(np.square(targets[split.test] - targets[split.train].mean(axis=0)).mean())
    assert error == pytest.approx(mean, abs=0.002)
