"""Files that survive a kill, and tables of runs beside each other."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as no_deadline
from hypothesis import strategies as st

from core import runs
from core.runs import store, tracking
from core.runs.files import append_line, read_json, read_lines, write_json
from core.runs.store import RunRecord, RunState
from core.settings import Settings
from tests.runs.toy import ToyConfig


def record(run_id: str, config: dict[str, Any], metrics: dict[str, float]) -> RunRecord:
    return RunRecord(
        id=run_id,
        study="toy",
        name=f"run {run_id}",
        state=RunState.FINISHED,
        folder=Path(run_id),
        created=datetime.now(UTC),
        config=config,
        metrics=metrics,
    )


def test_half_written_last_line_is_passed_over_and_then_written_past(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_line(path, {"epoch": 0})
    whole = path.read_bytes()
    append_line(path, {"epoch": 1, "text": "μ"})
    for cut in range(len(whole), path.stat().st_size):
        broken = tmp_path / "broken.jsonl"
        broken.write_bytes(path.read_bytes()[:cut])
        assert read_lines(broken) == [{"epoch": 0}] + (
            [{"epoch": 1, "text": "μ"}] if cut == path.stat().st_size - 1 else []
        )
        append_line(broken, {"epoch": 2})
        assert read_lines(broken)[-1] == {"epoch": 2}


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_json(path, {"n": 0, "pad": "x" * 20_000})
    stop = threading.Event()
    seen: list[dict[str, Any]] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(read_json(path))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(200):
        write_json(path, {"n": n, "pad": "x" * 20_000})
    stop.set()
    reader.join()
    assert all("n" in value for value in seen)
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_concurrent_updates_all_arrive(settings: Settings) -> None:
    folder = store.create("toy", ToyConfig(), settings)
    threads = [
        threading.Thread(target=store.warn, args=(folder, f"warning {i}")) for i in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loaded = store.load(folder)
    assert loaded is not None
    assert sorted(loaded.warnings) == sorted(f"warning {i}" for i in range(16))


def test_history_of_a_resumed_run_counts_each_epoch_once(settings: Settings) -> None:
    folder = store.create("toy", ToyConfig(), settings)
    empty = runs.history(folder.name, settings=settings)
    assert list(empty.columns) == list(store.HISTORY_COLUMNS)
    assert len(empty) == 0

    def line(fold: object, epoch: int, loss: float | None) -> None:
        append_line(
            folder / store.HISTORY,
            {"model": "mlp", "fold": fold, "epoch": epoch, "train_loss": loss, "extra": 1},
        )

    line(0, 0, 1.0)
    line(0, 1, 0.9)
    line(0, 1, 0.8)  # trained again after a kill
    line("final", 0, None)
    with (folder / store.HISTORY).open("a") as file:
        file.write('{"model": "mlp", "fo')
    frame = runs.history(folder.name, settings=settings)
    assert frame["fold"].tolist() == ["0", "0", "final"]
    assert frame["epoch"].tolist() == [0, 1, 0]
    assert frame["train_loss"].tolist()[:2] == [1.0, 0.8]
    assert frame["train_loss"].isna().tolist() == [False, False, True]
    assert frame["val_mrrmse"].isna().all()
    assert frame["val_mrrmse"].dtype == "float64"


def test_flatten_names_parts_by_their_name() -> None:
    config = {
        "models": [
            {"name": "mlp", "params": {"hidden": [8, 4], "head": {"rank": 3}}},
            {"name": "mlp", "params": {"hidden": 2}, "weight": 1},
        ],
        "training": {"epochs": 3, "clip": None},
        "empty": [],
    }
    assert runs.flatten(config) == {
        "models": "mlp, mlp",
        "models.mlp.hidden": "8, 4",
        "models.mlp.head.rank": 3,
        "models.mlp#2.hidden": 2,
        "models.mlp#2.weight": 1,
        "training.epochs": 3,
        "training.clip": None,
        "empty": "",
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@no_deadline(deadline=None)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_flatten_takes_any_config_and_leaves_only_scalars(config: dict[str, Any]) -> None:
    for key, value in runs.flatten(config).items():
        assert isinstance(key, str)
        assert value is None or isinstance(value, (bool, int, float, str))


def test_only_differing_parameters_are_shown() -> None:
    records = [
        record("a", {"name": "x", "training": {"epochs": 3, "loss": "mae"}}, {}),
        record("b", {"name": "y", "training": {"epochs": 5, "loss": "mae"}, "new": 1}, {}),
    ]
    frame = runs.differing_parameters(records)
    assert frame.index.tolist() == ["a", "b"]
    assert frame.columns.tolist() == ["training.epochs", "new"]
    assert frame["training.epochs"].tolist() == [3, 5]
    assert frame["new"].tolist() == [None, 1]
    assert runs.differing_parameters(records[:1]).shape == (1, 0)
    assert runs.differing_parameters([]).shape == (0, 0)


def test_metric_table_has_nan_where_a_run_has_no_such_metric() -> None:
    frame = runs.metric_table([record("a", {}, {"mrrmse": 1.5}), record("b", {}, {"ari": 0.5})])
    assert frame.loc["a", "mrrmse"] == 1.5
    assert pd.isna(frame.loc["b", "mrrmse"])
    assert frame.loc["b", "ari"] == 0.5


def test_cell_type_metrics_are_tidy() -> None:
    metrics = {
        "mrrmse": 1.0,
        "mrrmse_low": 0.9,
        "zero/mrrmse": 1.0,
        "test/public_test/mrrmse": 1.0,
        "mrrmse/B cells": 2.0,
        "mlp/mrrmse/T cells CD8+": 3.0,
        "test/mrrmse/CD14/CD16 monocytes": 4.0,
        "mlp/test/private_test/pearson/B cells": 5.0,
    }
    frame = runs.cell_type_metrics([record("a", {}, metrics)])
    assert frame[["run", "name"]].drop_duplicates().to_numpy().tolist() == [["a", "run a"]]
    assert frame.drop(columns=["run", "name"]).to_numpy().tolist() == [
        ["", "validation", "mrrmse", "B cells", 2.0],
        ["mlp", "validation", "mrrmse", "T cells CD8+", 3.0],
        ["", "test", "mrrmse", "CD14/CD16 monocytes", 4.0],
        ["mlp", "private_test", "pearson", "B cells", 5.0],
    ]


def test_curve_summary_known_answer() -> None:
    history = pd.DataFrame(
        {
            "model": ["mlp"] * 4 + ["mlp"] * 2,
            "fold": ["0"] * 4 + ["final"] * 2,
            "epoch": [3, 0, 1, 2, 0, 1],
            "train_loss": [0.1, 1.0, 0.6, 0.3, 1.0, 0.5],
            "val_loss": [1.2, 1.5, 1.0, 0.9, None, None],
            "val_mrrmse": [2.5, 3.0, 2.0, 2.2, None, None],
            "learning_rate": 0.001,
            "seconds": 0.5,
        }
    )
    fold, final = runs.curve_summary(history).to_dict("records")
    assert (fold["best_epoch"], fold["epochs"]) == (1, 4)
    assert fold["best_val_mrrmse"] == 2.0
    assert fold["gap"] == pytest.approx(1.0 - 0.6)
    assert fold["rise"] == pytest.approx(2.5 - 2.0)
    assert fold["seconds"] == 2.0
    assert final["best_epoch"] == 1
    assert pd.isna(final["gap"])
    assert pd.isna(final["rise"])
    assert runs.curve_summary(history.iloc[:0]).empty


@no_deadline(deadline=None)
@given(st.text(min_size=1))
def test_metric_keys_are_taken_by_mlflow(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    key = tracking.metric_key(name)
    if key:
        _validate_metric_name(key)
    assert "/" not in key
    assert len(key) <= 250


def test_epoch_prefix_and_addresses() -> None:
    assert tracking.epoch_prefix({"fold": 0, "model": "mlp"}) == "fold0.mlp"
    assert tracking.epoch_prefix({"fold": "final", "model": "mlp"}) == "final.mlp"
    assert tracking.without_password("https://me:pw@host:5000/x") == "https://host:5000/x"
    assert tracking.without_password("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_update_is_compare_and_set(settings: Settings) -> None:
    folder = store.create("toy", ToyConfig(), settings)
    assert not store.update(folder, expect={RunState.RUNNING}, error="no")
    assert not store.update(folder, expect_attempt=2, error="no")
    assert store.update(folder, expect={RunState.QUEUED}, expect_attempt=1, error="yes")
    assert json.loads((folder / store.STATUS).read_text())["error"] == "yes"
    assert not store.update(folder.with_name("gone"), error="no")
