"""Runs on a real cluster in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core import runs
from core.runs import cluster
from core.runs.files import read_json
from core.runs.store import RunRecord, RunState
from core.settings import PROJECT_ROOT, Settings, load_settings
from tests.runs.toy import ToyConfig, ToyTraining


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose cluster knows the toy study; the cluster is stopped at the end."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DASK_DISTRIBUTED__WORKER__PRELOAD", "tests.runs.toy")
    patch.setenv("PYTHONPATH", str(PROJECT_ROOT))
    workspace = tmp_path_factory.mktemp("cluster")
    settings = load_settings(workspace=workspace, device="cpu", memory_limit_gb=2)
    yield settings
    runs.stop_cluster(settings)
    patch.undo()


def wait_until(
    settings: Settings, run_id: str, holds: Callable[[RunRecord], bool], seconds: float = 90
) -> RunRecord:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        record = runs.get_run(run_id, settings=settings)
        if holds(record):
            return record
        time.sleep(0.05)
    raise AssertionError(f"still {record.state}: {record.error} {record.warnings}")


def toy(epochs: int, seconds: float, name: str = "") -> ToyConfig:
    return ToyConfig(name=name, training=ToyTraining(epochs=epochs, seconds=seconds))


def test_killed_worker_leaves_an_interrupted_run_that_resumes(workplace: Settings) -> None:
    started = time.monotonic()
    run_id = runs.submit("toy", toy(200, 0.15), settings=workplace)
    assert time.monotonic() - started < 1.0, "submitting must not wait for the cluster"
    waiting = runs.submit("toy", toy(1, 0.0, "behind it"), settings=workplace)
    assert runs.get_run(run_id, settings=workplace).active

    wait_until(workplace, run_id, lambda run: run.progress.done >= 3)
    wait_until(workplace, run_id, lambda run: run.mlflow_run_id is not None)
    assert {run.id for run in runs.running(workplace)} == {run_id, waiting}
    pid = read_json(workplace.runs_folder / run_id / "status.json")["pid"]
    assert pid != os.getpid()
    os.kill(pid, signal.SIGKILL)

    dead = wait_until(workplace, run_id, lambda run: run.state == RunState.INTERRUPTED, 10)
    assert dead.error is not None
    assert "resume" in dead.error
    reached = len(runs.history(run_id, settings=workplace))
    assert 3 <= reached < 200

    # the run behind it never began, so it is not lost with the worker
    wait_until(workplace, waiting, lambda run: run.state == RunState.FINISHED)
    # … and the dead one was not begun again by the scheduler
    lines = (dead.folder / "pids.txt").read_text().splitlines()
    assert len(lines) == 1

    runs.resume(run_id, settings=workplace)
    done = wait_until(workplace, run_id, lambda run: run.state == RunState.FINISHED)
    assert done.attempt == 2
    assert done.error is None
    assert done.mlflow_run_id == dead.mlflow_run_id
    second_pid, first_epoch = (dead.folder / "pids.txt").read_text().splitlines()[1].split()
    assert int(second_pid) != pid
    assert int(first_epoch) >= 3, "it went on from the checkpoint"
    assert runs.history(run_id, settings=workplace)["epoch"].tolist() == list(range(200))


def test_cancel_running_and_queued(workplace: Settings) -> None:
    first = runs.submit("toy", toy(1000, 0.05), settings=workplace)
    second = runs.submit("toy", toy(1, 0.0), settings=workplace)
    wait_until(workplace, first, lambda run: run.progress.done >= 1)
    assert runs.cancel(second, settings=workplace) == RunState.CANCELLED
    assert runs.cancel(first, settings=workplace) == RunState.RUNNING
    assert runs.get_run(first, settings=workplace).cancelling
    record = wait_until(workplace, first, lambda run: run.state == RunState.CANCELLED, 10)
    assert "cancelled" in (record.error or "")
    assert not (workplace.runs_folder / second / "pids.txt").exists()


def test_one_cluster_for_all_who_ask_and_its_files_are_private(workplace: Settings) -> None:
    address = runs.ensure_cluster(workplace)
    assert runs.ensure_cluster(workplace) == address
    assert address.startswith("tls://127.0.0.1:")
    assert (workplace.workspace / "cluster.pem").stat().st_mode & 0o077 == 0
    info = cluster.cluster_info(workplace)
    assert info is not None
    process = psutil.Process(info["pid"])
    listening = {
        connection.laddr.ip
        for member in (process, *process.children(recursive=True))
        for connection in member.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_stopping_the_cluster_orphans_its_queue(workplace: Settings) -> None:
    running = runs.submit("toy", toy(1000, 0.05), settings=workplace)
    queued = runs.submit("toy", toy(1, 0.0), settings=workplace)
    wait_until(workplace, running, lambda run: run.progress.done >= 1)
    runs.wait_handed_over(queued, 10)
    assert runs.stop_cluster(workplace)
    assert cluster.cluster_info(workplace) is None
    assert not runs.stop_cluster(workplace)
    for run_id in (running, queued):
        record = runs.get_run(run_id, settings=workplace)
        assert record.state == RunState.INTERRUPTED, run_id
    assert "queue" in (runs.get_run(queued, settings=workplace).error or "")


def test_idle_cluster_leaves_by_itself(tmp_path: Path) -> None:
    import multiprocessing

    settings = load_settings(workspace=tmp_path / "w", device="cpu", memory_limit_gb=1)
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=cluster.serve, args=(settings,), kwargs={"idle_minutes": 1 / 60}
    )
    process.start()
    process.join(30)
    process.kill()
    assert process.exitcode == 0
    assert not (settings.workspace / "cluster.json").exists()


def test_cluster_of_a_team_is_used_where_it_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as team:
        settings = load_settings(
            workspace=tmp_path / "w",
            device="cpu",
            scheduler_address=team.scheduler_address,
            tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}",
        )
        run_id = runs.submit("toy", toy(2, 0.0), settings=settings)
        wait_until(settings, run_id, lambda run: run.state == RunState.FINISHED)
        assert not (settings.workspace / "cluster.json").exists()
        # another process of the same user, without that setting, does not take it for an orphan
        slow = runs.submit("toy", toy(100, 0.05), settings=settings)
        waiting = runs.submit("toy", toy(1, 0.0), settings=settings)
        runs.wait_handed_over(waiting, 10)
        plain = settings.model_copy(update={"scheduler_address": None})
        assert runs.get_run(waiting, settings=plain).state == RunState.QUEUED
        runs.cancel(slow, settings=settings)
        wait_until(settings, waiting, lambda run: run.state == RunState.FINISHED)

        def blind(answers: object, folder: Path, address: str) -> None:
            real({"tcp://worker:1": False}, folder, address)

        from core.runs import jobs

        real = jobs._check_workers
        monkeypatch.setattr(jobs, "_check_workers", blind)
        lost = runs.submit("toy", toy(1, 0.0), settings=settings)
        record = wait_until(settings, lost, lambda run: run.state == RunState.FAILED)
        assert "do not see" in (record.error or "")
