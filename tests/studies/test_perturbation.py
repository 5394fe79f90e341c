"""The perturbation study end to end, on a small table made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.data import save_perturbation
from core.data.table import PerturbationTable, content_hash
from core.errors import CancelledError, ConfigError, DataError, RunError
from core.metrics.regression import mrrmse, row_rmse
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.perturbation import files
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.plan import (
    BASELINES,
    FoldFeatures,
    specs,
    stopping_rows,
    targets_of,
)
from core.studies.perturbation.predictor import Predictor
from core.studies.perturbation.result import PerturbationResult

CELLS = ("NK cells", "T cells CD4+", "B cells")
N_COMPOUNDS, N_GENES = 16, 30


def smiles(i: int) -> str:
    return "c1ccccc1" + "C" * i + ("O" if i % 2 else "N")


def make_table(truth: bool = True, test: bool = True) -> PerturbationTable:
    """Every compound in two cell types; four also in the third, the others there are the test."""
    rng = np.random.default_rng(0)
    pairs = [(cell, i, "train") for cell in CELLS[:2] for i in range(N_COMPOUNDS)]
    pairs += [(CELLS[2], i, "train") for i in range(4)]
    if test:
        pairs += [(CELLS[2], i, "public_test" if i % 2 else "private_test") for i in range(4, 16)]
    obs = pd.DataFrame(
        {
            "cell_type": [cell for cell, _, _ in pairs],
            "sm_name": [f"compound {i}" for _, i, _ in pairs],
            "sm_lincs_id": [f"LSM-{i}" for _, i, _ in pairs],
            "SMILES": [smiles(i) for _, i, _ in pairs],
            "control": False,
            "split": [split for _, _, split in pairs],
        }
    )
    of_cell = dict(zip(CELLS, rng.normal(size=(3, N_GENES)), strict=True))
    of_compound = 2.0 * rng.normal(size=(N_COMPOUNDS, N_GENES))
    clean = np.stack([of_cell[cell] + of_compound[i] for cell, i, _ in pairs]).astype(np.float32)
    values = clean + 0.3 * rng.normal(size=clean.shape).astype(np.float32)
    genes = pd.Index([f"G{i}" for i in range(N_GENES)])
    return PerturbationTable(
        id="tiny",
        obs=obs,
        genes=genes,
        values=values,
        target="signed −log10 p",
        simulated=True,
        content_hash=content_hash(obs, genes, values),
        truth=clean if truth else None,
    )


def make_config(**changes: object) -> PerturbationConfig:
    width = {"cell_width": 16, "molecule_width": 16, "head_width": 16, "dropout": 0.0}
    values: dict = {
        "dataset": "tiny",
        "features": [{"name": "onehot"}, {"name": "morgan", "params": {"length": 64}}],
        "models": [{"name": "mlp", "params": width}, {"name": "knn"}],
        "training": {
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 1e-2,
            "device": "cpu",
            "stopping_share": 0.2,
        },
        "validation": {"scheme": "competition", "n_folds": 2},
    }
    return PerturbationConfig(**(values | changes))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from core.settings import load_settings

    settings = load_settings(workspace=tmp_path_factory.mktemp("workspace"), device="cpu")
    save_perturbation(make_table(), settings)
    return settings


def run(
    folder: Path, settings: Settings, config: PerturbationConfig | None = None, **context: object
) -> PerturbationResult:
    study = STUDIES.get("perturbation").value
    made = StudyContext(folder=folder, settings=settings, **context)
    return study.run(config or make_config(), made)


@pytest.fixture(scope="module")
def finished(
    workspace: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PerturbationResult, list, list]:
    progress, epochs = [], []
    result = run(
        tmp_path_factory.mktemp("run"),
        workspace,
        on_progress=lambda *step: progress.append(step),
        on_epoch=epochs.append,
    )
    return result, progress, epochs


def test_scores_are_those_of_the_stored_predictions(finished):
    result, _, _ = finished
    table, rows, summary = make_table(), result.rows(), result.summary()
    for model in result.models():
        predicted = np.asarray(result.predictions(model), dtype=np.float32)
        mine = rows[rows["model"] == model]
        recomputed = row_rmse(table.values[mine["row"]], predicted[mine["row"]])
        assert mine["rmse"].to_numpy() == pytest.approx(recomputed, abs=2e-3)  # float16
        held = mine[mine["fold"] >= 0]
        assert summary[f"{model}/mrrmse"] == pytest.approx(held["rmse"].mean())
        public = mine[mine["split"] == "public_test"]
        assert summary[f"{model}/test/public_test/mrrmse"] == pytest.approx(public["rmse"].mean())


def test_summary_names(finished):
    result, _, _ = finished
    summary = result.summary()
    assert result.primary == "ensemble"
    assert summary["mrrmse"] == summary["ensemble/mrrmse"]
    assert {f"mrrmse/{cell}" for cell in CELLS} <= summary.keys()
    assert {f"{name}/test/mrrmse" for name in BASELINES} <= summary.keys()
    assert summary["mrrmse_low"] < summary["mrrmse"] < summary["mrrmse_high"]
    assert summary["gain_over_mean"] == pytest.approx(
        1 - summary["mrrmse"] / summary["mean/mrrmse"]
    )
    assert all(np.isfinite(value) for value in summary.values())
    assert json.loads((result.folder / "metrics.json").read_text()) == pytest.approx(summary)


def test_the_oracle_is_the_floor(finished):
    result, _, _ = finished
    table, summary = make_table(), result.summary()
    test = (table.obs["split"] != "train").to_numpy()
    floor = mrrmse(table.values[test], table.truth[test])
    assert summary["oracle/test/mrrmse"] == pytest.approx(floor)
    models = [*BASELINES, "mlp", "knn", "ensemble"]
    assert all(summary[f"{name}/test/mrrmse"] > floor for name in models)


def test_ensemble_weights_of_a_fold_come_from_the_other_folds(finished):
    result, _, _ = finished
    ensemble = result.scores()["ensemble"]
    table, rows = make_table(), result.rows()
    assert ensemble["members"] == ["mlp", "knn", "geometric_median"]
    assert sum(ensemble["weights"]) == pytest.approx(1.0)
    held = rows[(rows["model"] == "ensemble") & (rows["fold"] == 0)]["row"].to_numpy()
    known = {key: np.asarray(result.predictions(key)[held], np.float32) for key in ("mlp", "knn")}
    weights = ensemble["fold_weights"][0]
    blended = weights[0] * known["mlp"] + weights[1] * known["knn"]
    rest = np.asarray(result.predictions("ensemble")[held], np.float32) - blended
    # what is left is the fold's constant, the geometric median, by its weight
    assert rest == pytest.approx(np.broadcast_to(rest[0], rest.shape), abs=0.02)
    assert len(table.obs) == len(result.predictions())


def test_rows_and_history_have_the_contracts_columns(finished):
    result, _, epochs = finished
    columns = ["row", "cell_type", "sm_name", "split", "fold", "model", "rmse", "pearson", "cosine"]
    assert list(result.rows())[:9] == columns
    history = result.history()
    assert set(history["fold"]) == {"0", "1", "final"}
    assert len(history) == len(epochs)
    assert {"model", "fold", "epoch", "train_loss", "val_loss", "val_mrrmse"} <= set(epochs[0])


def test_progress_never_goes_back_and_ends(finished):
    _, progress, _ = finished
    done = [step[0] for step in progress]
    assert done == sorted(done)
    assert progress[-1][0] == progress[-1][1]
    assert any("Two-branch MLP, fold 1 of 2, epoch 3" in message for _, _, message in progress)


def test_nothing_is_left_of_the_work_and_no_pickle(finished):
    result, _, _ = finished
    assert not (result.folder / files.WORK).exists()
    kinds = {path.suffix for path in result.folder.rglob("*") if path.is_file()}
    assert kinds == {".json", ".parquet", ".npy", ".safetensors"}


def test_observed_vs_predicted(finished, workspace: Settings):
    result, _, _ = finished
    table = make_table()
    frame = result.observed_vs_predicted(2, "knn", table=table)
    assert frame["gene"].tolist() == list(table.genes)
    assert frame["observed"].to_numpy() == pytest.approx(table.values[2])
    with pytest.raises(RunError, match="no row 999"):
        result.observed_vs_predicted(999, table=table)
    with pytest.raises(RunError, match="has changed"):
        result.observed_vs_predicted(0, table=replace(table, content_hash="other"))
    with pytest.raises(RunError, match="stored for 'mean'"):
        result.predictions("mean")


def test_predictor_repeats_the_runs_own_test_predictions(finished, workspace: Settings):
    result, _, _ = finished
    predictor = Predictor.load(result.folder, workspace)
    table = make_table()
    test = np.flatnonzero(table.obs["split"] != "train")
    known = table.obs.loc[test, ["cell_type", "SMILES", "sm_name"]]
    predicted = predictor.predict(known)
    stored = np.asarray(result.predictions()[test], dtype=np.float32)
    assert predicted["mean"] == pytest.approx(stored, abs=5e-3)
    assert predicted["known_compound"].all()
    assert set(predicted["members"]) == {"mlp", "knn", "geometric_median"}
    # without names, the compounds are recognised by their structure
    nameless = predictor.predict(known.drop(columns="sm_name"))
    assert nameless["mean"] == pytest.approx(predicted["mean"])


def test_predictor_on_new_molecules_and_faults(finished, workspace: Settings):
    predictor = Predictor.load(finished[0].folder, workspace)
    new = pd.DataFrame({"cell_type": ["B cells"], "SMILES": ["CC(=O)Oc1ccccc1C(=O)O"]})
    predicted = predictor.predict(new)
    assert predicted["mean"].shape == (1, N_GENES)
    assert not predicted["known_compound"][0]
    with pytest.raises(DataError, match="cell type 'neurons' was not in training"):
        predictor.predict(new.assign(cell_type="neurons"))
    with pytest.raises(DataError, match="no column 'SMILES'"):
        predictor.predict(new[["cell_type"]])
    with pytest.raises(DataError, match="SMILES"):
        predictor.predict(new.assign(SMILES="C1CC"))


def test_same_seed_same_numbers(finished, workspace: Settings, tmp_path: Path):
    again = run(tmp_path, workspace)
    assert again.summary() == finished[0].summary()


@pytest.mark.parametrize("stop_after", [2, 5, 8])
def test_a_cancelled_run_resumes_to_the_same_numbers(
    finished, workspace: Settings, tmp_path: Path, stop_after: int
):
    seen: list[dict] = []
    with pytest.raises(CancelledError):
        run(
            tmp_path,
            workspace,
            on_epoch=seen.append,
            should_cancel=lambda: len(seen) + 1 >= stop_after,
        )
    before = len(seen)
    resumed = run(tmp_path, workspace, on_epoch=seen.append, resume=True)
    assert resumed.summary() == finished[0].summary()
    assert len(seen) == len(finished[2])  # no epoch was trained twice
    assert 0 < before < len(seen)


def test_finished_pairs_are_not_fitted_again(workspace: Settings, tmp_path: Path):
    seen: list[dict] = []
    with pytest.raises(KeyboardInterrupt):

        def die(record: dict) -> None:
            seen.append(record)
            if record["fold"] == 1:
                raise KeyboardInterrupt

        run(tmp_path, workspace, on_epoch=die)
    run(tmp_path, workspace, on_epoch=seen.append, resume=True)
    assert sum(record["fold"] == 0 and record["epoch"] == 1 for record in seen) == 1


def test_a_finished_run_is_not_run_again(finished, workspace: Settings):
    seen: list[dict] = []
    result = run(finished[0].folder, workspace, on_epoch=seen.append, resume=True)
    assert not seen
    assert result.summary() == finished[0].summary()


def test_resume_refuses_other_data_and_other_configurations(workspace: Settings, tmp_path: Path):
    with pytest.raises(CancelledError):
        run(tmp_path, workspace, should_cancel=lambda: True)
    other = make_config(validation={"scheme": "random", "n_folds": 2})
    with pytest.raises(RunError, match="another configuration"):
        run(tmp_path, workspace, other, resume=True)
    about = json.loads((tmp_path / "work" / "config.json").read_text())
    (tmp_path / "work" / "config.json").write_text(json.dumps(about | {"data_hash": "x"}))
    with pytest.raises(RunError, match="'tiny' has changed"):
        run(tmp_path, workspace, resume=True)


def test_one_model_without_test_rows_and_without_final_fit(workspace: Settings, tmp_path: Path):
    table = make_table(truth=False, test=False)
    unmeasured = pd.DataFrame(
        {"cell_type": ["B cells"], "sm_name": ["compound 9"], "split": ["private_test"]}
    )
    save_perturbation(replace(table, id="plain", unmeasured=unmeasured), workspace)
    config = make_config(dataset="plain", models=[{"name": "cell_type_mean"}])
    result = run(tmp_path / "a", workspace, config)
    assert result.primary == "cell_type_mean"
    assert result.scores()["ensemble"] is None
    assert result.scores()["oracle"] is None
    assert not any(key.startswith("test/") for key in result.summary())
    assert [spec.key for spec in specs(config)].count("cell_type_mean") == 1
    expected = table.values[table.rows(cell_type="B cells")].mean(axis=0)
    assert result.unmeasured_predictions()[0] == pytest.approx(expected, abs=2e-3)
    assert result.unmeasured()["SMILES"].tolist() == [smiles(9)]

    without = run(tmp_path / "b", workspace, config.model_copy(update={"final_fit": False}))
    assert np.isnan(without.predictions()).any()
    with pytest.raises(RunError, match="made no final fit"):
        Predictor.load(without.folder, workspace)


def test_two_models_of_one_name_have_keys_of_their_own():
    config = make_config(models=[{"name": "knn"}, {"name": "knn", "params": {"n_neighbors": 3}}])
    assert [spec.key for spec in specs(config) if spec.chosen] == ["knn", "knn-2"]


def test_a_second_clip_fits_each_chosen_model_to_other_responses():
    config = make_config(
        models=[{"name": "knn"}, {"name": "cell_type_mean"}],
        target={"clip": 1.0, "second_clip": 3.0},
    )
    chosen = [spec for spec in specs(config) if spec.chosen]
    assert [(spec.key, spec.second_clip) for spec in chosen] == [
        ("knn", None),
        ("cell_type_mean", None),  # a baseline is there to compare with: once is enough
        ("knn-2", 3.0),
    ]
    assert chosen[2].label == "Nearest neighbours 2, clip ±3"
    values = np.array([[-5.0, 0.5], [2.0, 4.0]], dtype=np.float32)
    assert targets_of(config, values)[0].tolist() == [[-1.0, 0.5], [1.0, 1.0]]
    assert targets_of(config, values, 3.0)[0].tolist() == [[-3.0, 0.5], [2.0, 3.0]]
    with pytest.raises(ValidationError, match="second clip must differ"):
        make_config(target={"clip": 2.0, "second_clip": 2.0})


def test_a_run_with_a_second_clip_joins_both_fits(workspace: Settings, tmp_path: Path):
    """Its two members are those of two runs with the one and the other clip."""
    models = [{"name": "knn"}]
    both = make_config(models=models, target={"clip": 0.5, "second_clip": 2.0})
    joined = run(tmp_path / "both", workspace, both)
    assert joined.scores()["ensemble"]["members"] == ["knn", "knn-2", "geometric_median"]
    for key, clip in (("knn", 0.5), ("knn-2", 2.0)):
        alone = run(tmp_path / key, workspace, make_config(models=models, target={"clip": clip}))
        assert np.array_equal(joined.predictions(key), alone.predictions("knn"), equal_nan=True)
    predictor = Predictor.load(joined.folder, workspace)
    assert set(predictor.members) == {"knn", "knn-2", "geometric_median"}


def test_held_out_responses_reach_no_fit():
    """Predictions of a fold stay the same whatever its held-out responses are."""
    table = make_table()
    train = np.flatnonzero(table.obs["split"] == "train")
    obs, values = table.obs.iloc[train].reset_index(drop=True), table.values[train]
    config = make_config(features=[{"name": "target_statistics"}, {"name": "onehot"}])
    held = np.arange(5)
    changed = values.copy()
    changed[held] = 1e3
    rest = np.arange(5, len(obs))
    for of in ("whole", "for_network"):
        one, other = (
            getattr(FoldFeatures(config, obs, v, rest, held), of)() for v in (values, changed)
        )
        assert np.array_equal(one.targets, other.targets)
        for name, view in one.inputs.views.items():
            assert np.array_equal(view, other.inputs.views[name])
            assert np.array_equal(one.held.views[name], other.held.views[name])
    assert other.select  # the stopping rows decide, not the held-out ones
    assert len(other.targets) < len(rest)


def test_stopping_rows_are_asked_for():
    obs = make_table().obs.iloc[:36].reset_index(drop=True)
    assert 0 < len(stopping_rows(make_config(), obs)) <= 12
    for training in ({"patience": 0}, {"stopping_share": 0.0}):
        assert len(stopping_rows(make_config(training=training), obs)) == 0


def test_too_few_rows(workspace: Settings, tmp_path: Path):
    small = make_table(truth=False).take(np.arange(3))
    save_perturbation(replace(small, id="three"), workspace)
    with pytest.raises(ConfigError, match="has 3 training rows"):
        run(tmp_path, workspace, make_config(dataset="three"))


def test_a_folder_without_a_result(tmp_path: Path):
    with pytest.raises(RunError, match=r"scores\.json is missing"):
        PerturbationResult.load(tmp_path)
