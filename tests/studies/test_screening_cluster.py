"""A screen on the local cluster: chunks on its workers, workers and runs that die."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from core import runs
from core.data import save_perturbation
from core.runs.cluster import cluster_info
from core.settings import Settings, load_settings
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.result import ScreeningResult
from tests.studies.screening_small import WIDTH, library, screen, train
from tests.studies.test_perturbation import make_table

OBJECTIVE = {"kind": "genes", "genes": ["G1", "G2"], "direction": "lower"}
#: Enough chunks that a worker can be killed among them.
N_ROWS, CHUNK = 6000, 100


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = load_settings(
        workspace=tmp_path_factory.mktemp("workspace"), device="cpu", workers=2
    )
    save_perturbation(make_table(), settings)
    yield settings
    runs.stop_cluster(settings)


def many(folder: Path) -> Path:
    """Different molecules, with some that cannot be read."""
    texts = [
        "C" * (1 + i % 40) + "N" * (i % 3) + "c1ccc(" + "C" * (1 + i // 40 % 50) + ")cc1O"
        for i in range(N_ROWS)
    ]
    texts[7::500] = ["C1CC"] * len(texts[7::500])
    return library(folder, texts)


def wait(run_id: str, settings: Settings, ready: object, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < until, runs.get_run(run_id, settings=settings)
        time.sleep(0.05)


def chunks(settings: Settings, run_id: str) -> dict[str, int]:
    """Finished chunks and when they were written."""
    folder = settings.runs_folder / run_id / "chunks"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*[0-9].parquet")}


def worker_processes(settings: Settings) -> list[psutil.Process]:
    """Workers of our cluster, by the process that started them."""
    info = cluster_info(settings)
    assert info is not None
    family = psutil.Process(info["pid"]).children(recursive=True)
    return [process for process in family if "spawn_main" in " ".join(process.cmdline())]


@pytest.mark.slow
def test_killed_workers_lose_nothing(workspace: Settings, tmp_path: Path) -> None:
    """One worker dies, then the one that leads the run; the resumed run equals an undisturbed one."""
    model = train(workspace, models=[{"name": "mlp", "params": WIDTH}])
    path = many(tmp_path)
    values = {
        "input": str(path),
        "run_id": model,
        "objective": OBJECTIVE,
        "n_permutations": 50,
        "top_n": 3,
    }
    config = ScreeningConfig.model_validate(values | {"chunk_size": CHUNK})
    run_id = runs.submit("screening", config, settings=workspace)
    wait(run_id, workspace, lambda: len(chunks(workspace, run_id)) >= 5)

    leader = _leader(workspace, run_id)
    other = [process for process in worker_processes(workspace) if process.pid != leader]
    other[0].kill()
    before = len(chunks(workspace, run_id))
    wait(run_id, workspace, lambda: len(chunks(workspace, run_id)) >= before + 5)
    assert runs.get_run(run_id, settings=workspace).active, "a chunk's worker is not the run"

    psutil.Process(leader).kill()
    wait(run_id, workspace, lambda: not runs.get_run(run_id, settings=workspace).active)
    assert runs.get_run(run_id, settings=workspace).state == "interrupted"
    time.sleep(1)  # chunks that were on their way
    kept = chunks(workspace, run_id)
    assert 10 <= len(kept) < N_ROWS / CHUNK

    runs.resume(run_id, settings=workspace, here=True)
    assert runs.get_run(run_id, settings=workspace).state == "finished"
    after = chunks(workspace, run_id)
    assert len(after) == N_ROWS / CHUNK
    assert {name: after[name] for name in kept} == kept, "a finished chunk was done again"
    resumed = ScreeningResult.load(workspace.runs_folder / run_id)
    rest = {k: values[k] for k in values if k not in ("run_id", "input")}
    whole = screen(workspace, model, path, chunk_size=CHUNK, **rest)
    pd.testing.assert_frame_equal(resumed.hits(), whole.hits())
    pd.testing.assert_frame_equal(resumed.rejected(), whole.rejected())


def _leader(settings: Settings, run_id: str) -> int:
    """The process that does the run's own task."""
    from core.runs.files import read_json

    return int(read_json(settings.runs_folder / run_id / "status.json")["pid"])


@pytest.mark.slow
def test_cancel_on_the_cluster_keeps_chunks(workspace: Settings, tmp_path: Path) -> None:
    model = train(workspace, models=[{"name": "mlp", "params": WIDTH}])
    config = ScreeningConfig.model_validate(
        {
            "input": str(many(tmp_path)),
            "run_id": model,
            "objective": OBJECTIVE,
            "chunk_size": CHUNK,
        }
    )
    run_id = runs.submit("screening", config, settings=workspace)
    wait(run_id, workspace, lambda: len(chunks(workspace, run_id)) >= 2)
    runs.cancel(run_id, settings=workspace)
    wait(run_id, workspace, lambda: not runs.get_run(run_id, settings=workspace).active)
    assert runs.get_run(run_id, settings=workspace).state == "cancelled"
    assert 0 < len(chunks(workspace, run_id)) < N_ROWS / CHUNK
    progress = runs.progress(run_id, settings=workspace)
    assert 0 < progress.done < progress.total
    assert progress.total == pytest.approx(N_ROWS, rel=0.01)
