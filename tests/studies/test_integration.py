"""The integration study: scores on all cells and draws, resume, cancel, failures, export."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.errors import CancelledError, DataError, RunError
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.integration import files, topics
from core.studies.integration.columns import concerns, guess_batch_key, guess_label_key
from core.studies.integration.config import IntegrationConfig, method_keys
from core.studies.integration.evaluate import draw_rows
from core.studies.integration.export import h5ad_bytes, script, to_anndata
from core.studies.integration.paired import paired_differences
from core.studies.integration.result import IntegrationResult
from core.studies.integration.run import run
from tests.studies.integration_small import (
    quick_layout,
    small_cells,
    small_config,
    small_run,
    store_small,
)


@pytest.fixture(autouse=True)
def _layout(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_layout(monkeypatch)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A workspace with the small cells."""
    store_small(settings)
    return settings


def test_methods_are_scored_alike_and_correction_mixes_the_batches(
    settings: Settings, tmp_path: Path
) -> None:
    result = small_run(tmp_path / "run", settings, n_draws=2)
    table = result.all_cells()
    assert list(result.methods) == ["none", "combat"] and result.labelled
    assert table.loc["combat", "best_ari"] == 1
    assert table.loc["combat", "ilisi"] > table.loc["none", "ilisi"] + 0.1
    assert table.loc["combat", "total_batch"] > table.loc["none", "total_batch"]
    assert abs(result.floor) < 0.02  # types are spread evenly over the donors
    draws = result.scores[result.scores["draw"] >= 0]
    assert sorted(draws["draw"].unique()) == [0, 1] and len(draws) == 4
    gaps = result.paired("combat").set_index(["peer", "score"])
    assert gaps.loc[("none", "total_batch"), "ahead"] == 2
    assert gaps.loc[("none", "total_batch"), "n_draws"] == 2
    assert result.summary()["best_ari/combat"] == table.loc["combat", "best_ari"]
    assert result.data_hash() == "hash-small-batches"


def test_same_seed_same_result(settings: Settings, tmp_path: Path) -> None:
    first = small_run(tmp_path / "a", settings, n_draws=1).scores.drop(columns="seconds")
    second = small_run(tmp_path / "b", settings, n_draws=1).scores.drop(columns="seconds")
    pd.testing.assert_frame_equal(first, second)


def test_resume_does_not_repeat_finished_methods(settings: Settings, tmp_path: Path) -> None:
    config = small_config(n_draws=1)
    (tmp_path / "run").mkdir()
    stopping = StudyContext(
        folder=tmp_path / "run",
        settings=settings,
        should_cancel=lambda: (tmp_path / "run" / files.METHODS / "none" / files.DONE).exists(),
    )
    with pytest.raises(CancelledError):
        run(config, stopping)
    done = tmp_path / "run" / files.METHODS / "none" / files.DONE
    written = done.stat().st_mtime_ns
    context = StudyContext(folder=tmp_path / "run", settings=settings, resume=True)
    result = run(config, context)
    assert done.stat().st_mtime_ns == written and list(result.methods) == ["none", "combat"]
    with pytest.raises(RunError, match="changed"):
        (tmp_path / "run" / files.SUMMARY).unlink()
        run(small_config(seed=5), context)


def test_progress_grows_to_its_end(settings: Settings, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    (tmp_path / "run").mkdir()
    context = StudyContext(
        folder=tmp_path / "run",
        settings=settings,
        on_progress=lambda done, total, _: seen.append((done, total)),
    )
    run(small_config(n_draws=1), context)
    shares = [done / total for done, total in seen if total]
    assert shares == sorted(shares) and shares[-1] == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"batch_key": "nowhere"}, "no column 'nowhere' that names their batch; columns: "),
        ({"batch_key": ""}, "Say which column"),
        ({"label_key": "nowhere"}, "cell types"),
        ({"preparation": {"n_hvg": 60, "min_genes": 5000}}, "No cell is left"),
    ],
)
def test_what_a_user_can_do_wrong_is_said(
    change: dict[str, object], says: str, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=says):
        small_run(tmp_path / "run", settings, **change)


def test_one_batch_is_refused(settings: Settings, tmp_path: Path) -> None:
    cells = small_cells()
    cells.obs["donor"] = pd.Categorical(["d1"] * cells.n_obs)
    store_small(settings, cells)
    with pytest.raises(DataError, match="there is nothing to integrate"):
        small_run(tmp_path / "run", settings)


def test_normalised_cells_are_refused(settings: Settings, tmp_path: Path) -> None:
    cells = small_cells()
    cells.X = cells.X.log1p()
    store_small(settings, cells)
    with pytest.raises(DataError, match="raw counts are needed"):
        small_run(tmp_path / "run", settings)


def test_a_method_that_cannot_work_leaves_the_others_alone(
    settings: Settings, tmp_path: Path
) -> None:
    cells = small_cells()
    donors = cells.obs["donor"].astype(str).to_numpy()
    donors[:3] = "tiny"  # fewer than the neighbours that MNN asks for
    cells.obs["donor"] = pd.Categorical(donors)
    store_small(settings, cells)
    methods = [{"name": "none"}, {"name": "combat"}, {"name": "corrector"}]
    result = small_run(tmp_path / "run", settings, methods=methods)
    assert "tiny" in result.failed["corrector"]
    assert list(result.methods) == ["none", "combat"]
    assert any("differ much in size" in sentence for sentence in result.facts["concerns"])


def test_without_labels_scores_that_need_none(settings: Settings, tmp_path: Path) -> None:
    result = small_run(tmp_path / "run", settings, label_key=None, n_draws=1)
    table = result.all_cells()
    assert not result.labelled and np.isnan(result.floor)
    assert np.isfinite(table["ilisi"]).all() and table["best_ari"].isna().all()
    assert any("no cell types" in sentence for sentence in result.facts["concerns"])
    assert result.methods["none"].cell_types.empty


def test_concerns_name_missing_labels_lonely_types_and_batches_apart() -> None:
    batches = pd.Series(["a"] * 30 + ["b"] * 30)
    labels = pd.Series(["x"] * 30 + ["y"] * 29 + [None], dtype=object)
    said = " ".join(concerns(batches, labels))
    assert "1 of 60 cells have no cell type" in said
    assert "2 cell types occur in one batch only" in said
    assert "'a' and 'b' have no cell type in common" in said
    assert concerns(batches, pd.Series(["x", "y"] * 30)) == []


def test_columns_are_guessed_by_name() -> None:
    obs = pd.DataFrame(
        {
            "size": np.arange(40.0),
            "donor": ["d1", "d2"] * 20,
            "assigned_cluster": ["u", "v"] * 20,
            "cell_type": ["x", "x", "y", "y"] * 10,
        }
    )
    assert guess_batch_key(obs) == "donor"
    assert guess_label_key(obs, "donor") == "cell_type"
    assert guess_batch_key(obs[["size"]]) is None and guess_label_key(obs[["size"]]) is None


def test_draws_are_seeded_subsets() -> None:
    rows = draw_rows(100, 0.9, 3)
    assert len(rows) == 90 == len(set(rows)) and (np.diff(rows) > 0).all()
    assert (rows == draw_rows(100, 0.9, 3)).all() and (rows != draw_rows(100, 0.9, 4)).any()


def test_paired_differences_by_hand() -> None:
    scores = pd.DataFrame(
        {
            "method": ["a", "a", "b", "b"],
            "draw": [0, 1, 0, 1],
            "x": [0.5, 0.7, 0.4, 0.8],
            "y": [1.0, 1.0, np.nan, np.nan],
        }
    )
    found = paired_differences(scores, "a", ("x", "y")).set_index("score")
    assert found.loc["x", "difference"] == pytest.approx(0)
    assert found.loc["x", "sd"] == pytest.approx(np.sqrt(0.02))
    assert found.loc["x", "ahead"] == 1 and "y" not in found.index


def test_config_refuses_nonsense_and_counts_methods() -> None:
    with pytest.raises(ValidationError, match="same column"):
        small_config(label_key="donor")
    with pytest.raises(ValidationError, match="twice"):
        small_config(methods=[{"name": "none"}, {"name": "none"}])
    with pytest.raises(ValidationError, match="resolution"):
        small_config(resolutions=[0])
    config = small_config(
        methods=[{"name": "combat"}, {"name": "combat", "params": {"n_pcs": 5}}],
        resolutions="0.3, 0.1",
    )
    assert list(method_keys(config.every_method)) == ["none", "combat", "combat-2"]
    assert config.resolutions == (0.1, 0.3)
    again = IntegrationConfig.model_validate(json.loads(config.model_dump_json()))
    assert again == config


def test_export_opens_in_scanpy(settings: Settings, tmp_path: Path) -> None:
    import scanpy as sc

    result = small_run(tmp_path / "run", settings)
    path = tmp_path / "out.h5ad"
    path.write_bytes(h5ad_bytes(result))
    cells = sc.read_h5ad(path)
    assert {"X_none", "X_combat", "X_umap_combat"} <= set(cells.obsm)
    assert {"counts", "corrected_combat"} <= set(cells.layers)
    assert cells.obs["leiden_combat"].dtype == "category"
    assert cells.obs["cell_type"].tolist() == small_cells().obs["cell_type"].tolist()
    counts = small_cells()[:, cells.var_names].X.toarray()
    assert (cells.layers["counts"].toarray() == counts).all()
    assert set(to_anndata(result, ["none"]).obsm) == {"X_none", "X_umap_none"}


def test_script_makes_the_same_embedding(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = small_run(tmp_path / "run", settings, name='with "quotes" and """three"""')
    source, target, file = tmp_path / "cells.h5ad", tmp_path / "out.h5ad", tmp_path / "again.py"
    small_cells().write_h5ad(source)
    file.write_text(script(result), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["again.py", str(source), str(target)])
    runpy.run_path(str(file))
    made = anndata.read_h5ad(target)
    assert np.allclose(made.obsm["X_combat"], result.methods["combat"].embedding, atol=1e-5)


def test_loading_an_unfinished_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no result"):
        IntegrationResult.load(tmp_path)
    assert STUDIES.get("integration").value.Config is IntegrationConfig


def test_extras_come_back_as_they_were(tmp_path: Path) -> None:
    frame = pd.DataFrame({"rms": [0.5]}, index=pd.Index(["G1"], name="gene"))
    kept = {"mnn_pairs": np.array([[0, 1]]), "gene_shift": frame, "recall": 0.9, "n": [1, 2]}
    names = files.write_extras(tmp_path, dict(kept))
    assert names == sorted(kept)
    assert (files.read_extra(tmp_path, "mnn_pairs") == kept["mnn_pairs"]).all()
    pd.testing.assert_frame_equal(files.read_extra(tmp_path, "gene_shift"), frame)
    assert files.read_extra(tmp_path, "recall") == 0.9
    assert files.read_extra(tmp_path, "missing") is None


def test_topics_by_hand() -> None:
    weights = np.array([[3.0, 1.0, 0.0], [0.0, 1.0, 5.0]])
    table = topics.top_genes(weights, ["A", "B", "C"], n=2)
    assert table["gene"].tolist() == ["A", "B", "C", "B"]
    assert table["specificity"].tolist() == [1.5, 0.0, 2.5, 0.0]
    theta = np.array([[0.9, 0.1], [0.7, 0.3], [0.0, 1.0]])
    by = topics.by_group(theta, np.array(["x", "x", "y"]))
    assert by.loc["x", "Topic 1"] == pytest.approx(0.8)
    assert topics.used(np.array([[0.999, 0.001]])).tolist() == [0]
    near = topics.gene_neighbours(np.array([[1, 0], [2, 0.1], [0, 1]]), ["A", "B", "C"], "A")
    assert near["gene"].tolist() == ["B", "C"]
    with pytest.raises(DataError, match="'Z' is not among"):
        topics.gene_neighbours(np.eye(2), ["A", "B"], "Z")


def test_processes_of_a_topic_are_found() -> None:
    from core.data.gene_sets import go_biological_process

    sets = go_biological_process()
    term = next(t for t in sets.terms if 40 <= len(sets.members(t)) <= 60)
    members = sets.members(term)
    genes = [*members, *(g for g in sets.genes[:3000] if g not in set(members))]
    weights = np.zeros((1, len(genes)))
    weights[0, : len(members)] = 1.0
    found = topics.enrichment(weights, [g.title() for g in genes], 0, organism="mouse", n=40)
    assert found.iloc[0]["q_value"] < 1e-20
    assert term in found.head(3)["term"].tolist()
