"""The selection study on small simulated cells: result, no leakage, resume, transfer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data.gene_lists import save_gene_list
from core.errors import CancelledError, ConfigError, RunError
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.landmark_selection.config import LandmarkSelectionConfig
from core.studies.landmarks.judging import hold_out_genes
from tests.studies.landmark_cells import cells_dataset

SMALL = {
    "dataset": "small-cells",
    "n_genes": 15,
    "selectors": [
        {"name": "random"},
        {"name": "group_lasso", "params": {"n_components": 5}},
        {"name": "design", "params": {"n_factors": 5}},
        {"name": "guided", "params": {"n_factors": 5}},
    ],
    "data": {"min_counts": 10, "gene_min_cells": 3, "gene_min_reads": 1},
}


@pytest.fixture
def ready(settings: Settings) -> Settings:
    cells_dataset(settings, "small-cells")
    return settings


def run(folder: Path, settings: Settings, **changes):
    config = LandmarkSelectionConfig.model_validate(SMALL | changes)
    folder.mkdir(parents=True, exist_ok=True)
    context = StudyContext(folder=folder, settings=settings)
    return STUDIES.get("landmark-selection").value.run(config, context)


def test_a_whole_run(ready: Settings, tmp_path: Path) -> None:
    for name in ("mine", "Random"):
        save_gene_list(name, ["CD69", "PSME1", "ATF1"], settings=ready)
    result = run(tmp_path / "run", ready, n_bootstraps=3, lists=["L1000", "mine", "Random"])
    scores = result.scores()
    assert set(scores["set"]) == {
        "Random",
        "Group lasso",
        "Optimal design",
        "Guided from L1000",
        "L1000",
        "mine",
        "Random (list)",
    }
    assert (scores.loc[scores["kind"] == "selected", "n_genes"] == 15).all()
    assert scores.groupby("set")["split"].nunique().eq(3).all()
    chosen = scores[scores["kind"] == "selected"]
    assert (chosen["panel_left"] < 1).all() and (chosen["held_mse"] > 0).all()
    table = result.table().set_index("set")
    assert table.loc["Optimal design", "panel_left"] < table.loc["Random", "panel_left"]
    assert (table["held_mse_low"] < table["held_mse"]).all()
    sets = result.sets()
    assert sets.groupby("set").size().eq(15).all()
    assert sets["frequency"].between(0, 1).all()
    assert not sets.duplicated(["set", "gene"]).any()
    stable = result.stability().set_index("set")
    assert stable.loc["Optimal design", "nogueira"] > stable.loc["Random", "nogueira"] + 0.2
    assert set(result.paths()["set"]) >= {"Group lasso", "Optimal design"}
    assert set(result.by_type()["cell_type"]) == {"a", "b"}
    again = STUDIES.get("landmark-selection").value.load(tmp_path / "run")
    assert again.summary() == result.summary()
    assert again.summary()["held_mse"] == pytest.approx(table["held_mse"].min())
    assert result.genes_of("Group lasso")[0] == sets[sets["set"] == "Group lasso"]["gene"].iloc[0]
    with pytest.raises(RunError, match="no set called"):
        result.genes_of("nobody")


def test_selectors_see_training_cells_and_allowed_genes_only(
    ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.models.selectors.random import RandomGenes
    from core.studies.landmarks.data import load_landmark_data

    config = LandmarkSelectionConfig.model_validate(SMALL)
    data = load_landmark_data("small-cells", config.data, ready)
    seen: list[np.ndarray] = []
    before = RandomGenes.select

    def spy(self, X, k, **kwargs):
        seen.append(np.array(X))
        return before(self, X, k, **kwargs)

    monkeypatch.setattr(RandomGenes, "select", spy)
    run(tmp_path / "run", ready, selectors=[{"name": "random"}], n_splits=2)
    for s in range(2):
        allowed = np.setdiff1d(np.arange(data.n_genes), hold_out_genes(data.n_genes, s))
        expected = data.X[np.ix_(data.split(s).train, allowed)]
        np.testing.assert_array_equal(seen[s], expected)
    np.testing.assert_array_equal(seen[2], data.X[data.split(0).train])


def test_cancelled_and_resumed(ready: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    config = LandmarkSelectionConfig.model_validate(SMALL)
    study = STUDIES.get("landmark-selection").value
    asked = [0]

    def cancel() -> bool:
        asked[0] += 1
        return asked[0] > 12

    with pytest.raises(CancelledError):
        study.run(config, StudyContext(folder=folder, settings=ready, should_cancel=cancel))
    kept = {path: path.stat().st_mtime_ns for path in (folder / "work").glob("*.json")}
    assert kept
    result = study.run(config, StudyContext(folder=folder, settings=ready, resume=True))
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())
    whole = run(tmp_path / "other", ready)
    a, b = result.scores().drop(columns="seconds"), whole.scores().drop(columns="seconds")
    assert a.equals(b)


def test_another_tissue(ready: Settings, tmp_path: Path) -> None:
    cells_dataset(ready, "other-cells", seed=5, n_genes=70)
    result = run(
        tmp_path / "run",
        ready,
        n_splits=1,
        n_genes=12,
        transfer_dataset="other-cells",
        selectors=[{"name": "random"}, {"name": "design", "params": {"n_factors": 5}}],
    )
    table = result.transfer()
    assert len(table) == 4 and set(table["learned_on"]) == {"small-cells", "other-cells"}
    assert (table["judged_on"] == "other-cells").all()
    assert (table["n_shared"] <= 70).all() and (table["n_genes"] == 12).all()


def test_too_many_genes_are_refused_before_any_work(ready: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="may be chosen"):
        run(tmp_path / "run", ready, n_genes=90)


def test_config_names_its_faults() -> None:
    with pytest.raises(ConfigError, match="no gene selector called 'nobody'"):
        LandmarkSelectionConfig.model_validate(SMALL | {"selectors": [{"name": "nobody"}]})
    names = LandmarkSelectionConfig.model_validate(
        SMALL | {"selectors": [{"name": "random"}, {"name": "random"}]}
    ).set_names
    assert names == ["Random", "Random #2"]
