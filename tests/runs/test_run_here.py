"""Runs in this process: states, resume, what is written, what MLflow is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from core import runs
from core.errors import ConfigError, RunError
from core.runs import report, store, tracking, worker
from core.runs.files import read_json, write_json
from core.runs.process import hostname
from core.runs.store import RunState
from core.settings import PROJECT_ROOT, Settings, load_settings
from tests.runs.toy import ToyConfig, ToyPart, ToyTraining


def toy(epochs: int = 3, fault: str = "", **more: object) -> ToyConfig:
    return ToyConfig(training=ToyTraining(epochs=epochs), fault=fault, **more)


def mlflow_run(settings: Settings, run_id: str):
    record = runs.get_run(run_id, settings=settings)
    return tracking.open_client(settings), record.mlflow_run_id


def test_finished_run_is_whole_in_its_folder_and_in_mlflow(tracked: Settings) -> None:
    seen = []
    config = toy(3, models=(ToyPart(name="mlp", params={"hidden": [8, 4]}), ToyPart(name="ridge")))
    run_id = runs.run_here(
        "toy", config, settings=tracked, on_progress=lambda *call: seen.append(call)
    )
    record = runs.get_run(run_id, settings=tracked)
    assert record.state == RunState.FINISHED
    assert seen[-1] == (3, 3, "epoch 3")
    assert record.progress == runs.RunProgress(3, 3, "epoch 3")
    assert record.progress.fraction == 1.0
    assert record.metrics == pytest.approx({"mrrmse": 1 / 3, "mrrmse/B cells": 2 / 3})
    assert record.config == config.model_dump(mode="json")
    assert record.data_hash == "toy-hash"
    assert record.device == "cpu"
    assert record.name == "mlp + ridge"
    assert record.error is None
    assert record.warnings == ()
    assert record.started is not None
    assert record.ended is not None
    assert record.created <= record.started <= record.ended
    assert record.code_version

    client, mlflow_id = mlflow_run(tracked, run_id)
    tracked_run = client.get_run(mlflow_id)
    assert tracked_run.info.status == "FINISHED"
    assert client.get_experiment(tracked_run.info.experiment_id).name == "toy"
    params = tracked_run.data.params
    assert params["models"] == "mlp, ridge"
    assert params["models.mlp.hidden"] == "8, 4"
    assert params["training.epochs"] == "3"
    tags = tracked_run.data.tags
    assert tags["data_hash"] == "toy-hash"
    assert tags["perturbscope.run_id"] == run_id
    assert tags["host"] == hostname()
    assert tags["code_version"] == record.code_version
    curve = client.get_metric_history(mlflow_id, "fold0.mlp.val_mrrmse")
    assert [point.step for point in curve] == [0, 1, 2]
    assert [point.value for point in curve] == pytest.approx([1, 1 / 2, 1 / 3])
    assert tracked_run.data.metrics["mrrmse.B cells"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("named", [False, True])
def test_an_mlflow_database_keeps_its_artefacts_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """The default store, and a database that MLFLOW_TRACKING_URI names."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "work space"
    place.mkdir()
    uri = f"sqlite:///{place / 'team.db'}" if named else None
    settings = load_settings(workspace=place, device="cpu", tracking_uri=uri)
    run_id = runs.run_here("toy", toy(1), settings=settings)
    assert runs.get_run(run_id, settings=settings).warnings == ()
    client, mlflow_id = mlflow_run(settings, run_id)
    assert {item.path for item in client.list_artifacts(mlflow_id)} == {
        "config.json",
        "metrics.json",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["work space"], "nothing beside it"
    assert (settings.workspace / "mlartifacts" / "toy").is_dir()


def test_failures_are_one_sentence(tracked: Settings) -> None:
    record = runs.get_run(
        runs.run_here("toy", toy(fault="data"), settings=tracked), settings=tracked
    )
    assert record.state == RunState.FAILED
    assert record.error == "The toy table has no rows."
    assert not (record.folder / "error.log").exists()

    record = runs.get_run(
        runs.run_here("toy", toy(fault="bug"), settings=tracked), settings=tracked
    )
    assert record.state == RunState.FAILED
    assert record.error is not None
    assert "ValueError: a bug" in record.error
    assert "\n" not in record.error
    assert "Traceback" in (record.folder / "error.log").read_text()
    client, mlflow_id = mlflow_run(tracked, record.id)
    assert client.get_run(mlflow_id).info.status == "FAILED"


def test_cancelled_run_resumes_in_the_same_mlflow_run(tracked: Settings) -> None:
    created: list[str] = []

    def stop_after_two(done: int, total: int, message: str) -> None:
        if done == 2:
            assert runs.cancel(created[0], settings=tracked) == RunState.RUNNING
            assert runs.get_run(created[0], settings=tracked).cancelling

    run_id = runs.run_here(
        "toy", toy(5), settings=tracked, on_progress=stop_after_two, on_created=created.append
    )
    first = runs.get_run(run_id, settings=tracked)
    assert first.state == RunState.CANCELLED
    assert first.resumable
    assert len(runs.history(run_id, settings=tracked)) == 2
    client, mlflow_id = mlflow_run(tracked, run_id)
    assert client.get_run(mlflow_id).info.status == "KILLED"

    runs.resume(run_id, settings=tracked, here=True)
    second = runs.get_run(run_id, settings=tracked)
    assert second.state == RunState.FINISHED
    assert second.attempt == 2
    assert second.error is None
    assert second.mlflow_run_id == first.mlflow_run_id
    starts = [line.split()[1] for line in (second.folder / "pids.txt").read_text().splitlines()]
    assert starts == ["0", "2"]
    assert client.get_run(mlflow_id).info.status == "FINISHED"
    curve = client.get_metric_history(mlflow_id, "fold0.mlp.train_loss")
    assert [point.step for point in curve] == [0, 1, 2, 3, 4]


def test_keyboard_interrupt_leaves_a_resumable_run(tracked: Settings) -> None:
    def interrupt(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.run_here("toy", toy(5), settings=tracked, on_progress=interrupt)
    (record,) = runs.list_runs(settings=tracked)
    assert record.state == RunState.INTERRUPTED
    assert record.resumable


def test_what_cannot_be_done_says_why(tracked: Settings) -> None:
    run_id = runs.run_here("toy", toy(1), settings=tracked)
    with pytest.raises(RunError, match=f"'{run_id}' is finished"):
        runs.resume(run_id, settings=tracked)
    with pytest.raises(RunError, match="is finished already"):
        runs.cancel(run_id, settings=tracked)
    assert not (tracked.runs_folder / run_id / "cancel").exists()
    for unknown in ("nothing", "../datasets", "", "a/b"):
        with pytest.raises(RunError, match="There is no run"):
            runs.get_run(unknown, settings=tracked)
    with pytest.raises(ConfigError, match="no study called 'toys'"):
        runs.run_here("toys", toy(), settings=tracked)


def test_remove_deletes_the_folder_and_the_mlflow_run(tracked: Settings) -> None:
    run_id = runs.run_here("toy", toy(1), settings=tracked)
    client, mlflow_id = mlflow_run(tracked, run_id)
    runs.remove(run_id, settings=tracked)
    assert runs.list_runs(settings=tracked) == []
    assert list(tracked.runs_folder.iterdir()) == []
    tracking.wait_for_tracking()
    assert client.get_run(mlflow_id).info.lifecycle_stage == "deleted"


def test_tracking_server_that_is_away_costs_a_warning_and_no_time(tmp_path: Path) -> None:
    settings = load_settings(
        workspace=tmp_path / "w", device="cpu", tracking_uri="http://user:secret@127.0.0.1:9"
    )
    started = time.monotonic()
    record = runs.get_run(runs.run_here("toy", toy(2), settings=settings), settings=settings)
    assert time.monotonic() - started < 20
    assert record.state == RunState.FINISHED
    assert len(record.warnings) == 1
    assert "MLflow at http://127.0.0.1:9" in record.warnings[0]
    assert "secret" not in (record.folder / "status.json").read_text()
    assert record.mlflow_run_id is None


def dead_run(settings: Settings, **status: object) -> str:
    """A run that says it is running in a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = store.create("toy", toy(), settings)
    fields = {"state": "running", "started": store.now(), "pid": ended.pid, "pid_started": 0.0}
    store.update(folder, **fields | {"host": hostname()} | status)
    return folder.name


def test_dead_process_and_stale_heartbeat_are_interruptions(settings: Settings) -> None:
    dead = runs.get_run(dead_run(settings), settings=settings)
    assert dead.state == RunState.INTERRUPTED
    assert dead.error is not None
    assert "stopped without a word" in dead.error
    assert dead.ended is not None

    elsewhere = dead_run(settings, host="another-machine")
    beat = settings.runs_folder / elsewhere / store.HEARTBEAT
    beat.touch()
    assert runs.get_run(elsewhere, settings=settings).state == RunState.RUNNING
    old = time.time() - 2 * report.STALE_SECONDS
    os.utime(beat, (old, old))
    assert runs.running(settings) == []
    assert runs.get_run(elsewhere, settings=settings).state == RunState.INTERRUPTED


def test_reused_process_number_is_not_taken_for_the_run(settings: Settings) -> None:
    run_id = dead_run(settings, pid=os.getpid(), pid_started=1.0)
    assert runs.get_run(run_id, settings=settings).state == RunState.INTERRUPTED


def test_attempt_that_lost_the_run_keeps_its_hands_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "HEARTBEAT_SECONDS", 0.02)
    folder = store.create("toy", toy(), settings)
    with report.Reporter(folder, attempt=1) as reporter:
        store.update(folder, state=RunState.RUNNING)
        assert not reporter.should_cancel()
        store.update(folder, state=RunState.QUEUED, attempt=2)
        until = time.monotonic() + 30
        while not reporter.should_cancel() and time.monotonic() < until:
            time.sleep(0.01)
        assert reporter.lost
        reporter.on_epoch({"model": "mlp", "fold": 0, "epoch": 0})
        reporter.on_progress(1, 2, "mine")
    assert not (folder / store.HISTORY).exists()
    assert not (folder / store.PROGRESS).exists()


def test_task_handed_out_twice_does_nothing(settings: Settings) -> None:
    run_id = dead_run(settings)
    values = worker.settings_as_dict(settings)
    assert json.loads(json.dumps(values)) == values
    assert worker.settings_from_dict(values) == settings
    assert worker.run_task(run_id, 1, values) == "running"
    assert not (settings.runs_folder / run_id / "pids.txt").exists()
    runs.get_run(run_id, settings=settings)
    store.update(settings.runs_folder / run_id, state=RunState.QUEUED, attempt=2)
    assert worker.run_task(run_id, 1, values) == "queued", "a task of an attempt that is over"


def test_scheduler_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    settings = load_settings(
        workspace=tmp_path / "w", device="cpu", scheduler_address="tcp://127.0.0.1:9"
    )
    with pytest.raises(RunError, match=r"tcp://127\.0\.0\.1:9 does not answer"):
        runs.submit("toy", toy(), settings=settings)
    assert runs.list_runs(settings=settings) == []


def test_list_is_newest_first_and_running_is_quick(settings: Settings) -> None:
    for index in range(200):
        folder = settings.runs_folder / f"20260101-000000-{index:04x}"
        folder.mkdir(parents=True)
        status = {"id": folder.name, "study": "toy" if index % 2 else "other"}
        status |= {"state": "finished", "created": "2026-01-01T00:00:00+00:00", "attempt": 1}
        write_json(folder / store.STATUS, status)
    assert [run.id[-4:] for run in runs.list_runs(settings=settings)][:2] == ["00c7", "00c6"]
    assert len(runs.list_runs(study="toy", settings=settings)) == 100
    started = time.perf_counter()
    assert runs.running(settings) == []
    assert time.perf_counter() - started < 0.05


def test_damaged_status_does_not_hide_the_other_runs(settings: Settings) -> None:
    good = store.create("toy", toy(), settings)
    bad = store.create("toy", toy(), settings)
    (bad / store.STATUS).write_text('{"state": "runn')
    assert [run.id for run in runs.list_runs(settings=settings)] == [good.name]
    with pytest.raises(RunError, match="cannot be read"):
        runs.get_run(bad.name, settings=settings)


def test_times_are_aware_of_their_zone(settings: Settings) -> None:
    record = store.load(store.create("toy", toy(), settings))
    assert record is not None
    assert record.created.tzinfo is not None
    assert abs((datetime.now(record.created.tzinfo) - record.created).total_seconds()) < 60


def test_importing_the_room_is_cheap() -> None:
    code = (
        "import sys, core.runs; "
        "print([m for m in ('mlflow', 'distributed', 'dask', 'torch', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    )
    assert done.stdout.strip() == "[]"


def test_config_file_is_the_config_and_nothing_else(settings: Settings) -> None:
    folder = store.create("toy", toy(7), settings)
    assert ToyConfig.model_validate(read_json(folder / store.CONFIG)) == toy(7)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"name": "mine", "dataset": "pbmc"}, "mine"),
        (
            {"models": [{"name": "mlp"}, {"name": "ridge"}], "dataset": "pbmc"},
            "mlp + ridge on pbmc",
        ),
        ({"models": ["a", "b", "c", "d", "e"], "dataset": "pbmc"}, "toy, 5 models on pbmc"),
        # a model that is described, not named, is no name
        ({"model": {"source": "demonstration", "seed": 0}, "dataset": "pbmc"}, "toy on pbmc"),
        ({}, "toy"),
    ],
)
def test_a_run_without_a_name_gets_a_short_one(config: dict, name: str) -> None:
    assert store.display_name(config, "toy") == name
