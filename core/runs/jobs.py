"""Start, stop, resume and remove runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from core.errors import RunError
from core.progress import OnProgress, silent
from core.runs import store
from core.runs.cluster import cluster_info, connect, ensure_cluster, reachable
from core.runs.code import code_version
from core.runs.files import read_json
from core.runs.process import is_alive
from core.runs.report import STALE_SECONDS, heartbeat_age
from core.runs.store import ACTIVE, RESUMABLE, RunRecord, RunState
from core.runs.worker import execute, run_task, settings_as_dict
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from pathlib import Path

    from core.studies.base import StudyConfig

DIED = (
    "Its process stopped without a word (killed, out of memory, or the machine went down); "
    "resume it to go on from its last checkpoint."
)
ORPHANED = "The cluster that it was queued on is gone; resume it to queue it again."
NOT_HANDED_OVER = "The process that submitted it ended too early; resume it to queue it again."
CANCELLED_IN_QUEUE = "It was cancelled before it began."
_PROBE_EVERY = 15.0


def ignore(_: str) -> None:
    """Listen to nothing."""


_handovers: dict[str, threading.Thread] = {}
_probed: dict[str, tuple[float, bool]] = {}


def submit(
    study: str,
    config: StudyConfig,
    *,
    settings: Settings | None = None,
    tags: Iterable[str] = (),
) -> str:
    """Queue a run on the cluster and return its id at once.

    The first call starts the local cluster, which takes some seconds; a thread waits for it. A
    program that ends right after should call :func:`wait_handed_over` first.

    Raises
    ------
    ConfigError
        Where there is no such study.
    RunError
        Where a scheduler is configured that does not answer.
    """
    settings = settings or get_settings()
    _check_study(study)
    if settings.scheduler_address:
        ensure_cluster(settings)
    folder = store.create(study, config, settings, tags=tags, code_version=code_version())
    _hand_over(folder, 1, settings)
    return folder.name


def run_here(
    study: str,
    config: StudyConfig,
    *,
    settings: Settings | None = None,
    on_progress: OnProgress = silent,
    on_created: Callable[[str], object] = ignore,
    tags: Iterable[str] = (),
) -> str:
    """Do a run in this process, to its end, and return its id; its record says how it ended.

    Parameters
    ----------
    on_created
        Called with the id before the work begins, so that it can be watched and cancelled.
    """
    settings = settings or get_settings()
    _check_study(study)
    folder = store.create(study, config, settings, tags=tags, code_version=code_version())
    on_created(folder.name)
    execute(folder, 1, settings, on_progress=on_progress)
    return folder.name


def resume(
    run_id: str,
    *,
    settings: Settings | None = None,
    here: bool = False,
    on_progress: OnProgress = silent,
) -> None:
    """Take up a cancelled, failed or interrupted run from its last checkpoint.

    Parameters
    ----------
    here
        Do it in this process, to its end, instead of on the cluster.

    Raises
    ------
    RunError
        Where there is no such run, or it is active or finished.
    """
    settings = settings or get_settings()
    folder = store.run_folder(run_id, settings)
    reconcile(folder, settings)
    if settings.scheduler_address and not here:
        ensure_cluster(settings)
    status = read_json(folder / store.STATUS)
    attempt = int(status.get("attempt", 1)) + 1
    (folder / store.CANCEL).unlink(missing_ok=True)
    queued = store.update(
        folder,
        expect=RESUMABLE,
        expect_attempt=attempt - 1,
        **store.queued(attempt),
    )
    if not queued:
        state = read_json(folder / store.STATUS).get("state")
        raise RunError(f"The run '{run_id}' is {state}; only a stopped run can be resumed.")
    (folder / store.LOG).unlink(missing_ok=True)
    if here:
        execute(folder, attempt, settings, on_progress=on_progress)
    else:
        _hand_over(folder, attempt, settings)


def cancel(run_id: str, *, settings: Settings | None = None) -> RunState:
    """Ask a run to stop: a queued one at once, a running one at the end of its epoch or fold.

    Returns
    -------
    RunState
        ``cancelled``, or ``running`` while the worker has yet to hear of it.

    Raises
    ------
    RunError
        Where there is no such run, or it has already ended.
    """
    folder = store.run_folder(run_id, settings)
    (folder / store.CANCEL).touch()
    if store.update(
        folder,
        expect={RunState.QUEUED},
        state=RunState.CANCELLED,
        ended=store.now(),
        error=CANCELLED_IN_QUEUE,
    ):
        return RunState.CANCELLED
    reconcile(folder, settings or get_settings())
    state = RunState(read_json(folder / store.STATUS)["state"])
    if state != RunState.RUNNING:
        (folder / store.CANCEL).unlink(missing_ok=True)
        raise RunError(f"The run '{run_id}' is {state} already; there is nothing to cancel.")
    return state


def remove(run_id: str, *, settings: Settings | None = None) -> None:
    """Delete a run that has ended: its folder, and its entry in MLflow.

    Raises
    ------
    RunError
        Where there is no such run, or it is still active.
    """
    from core.runs.tracking import end_later

    settings = settings or get_settings()
    folder = store.run_folder(run_id, settings)
    reconcile(folder, settings)
    status = read_json(folder / store.STATUS)
    if status.get("state") in ACTIVE:
        raise RunError(f"The run '{run_id}' is {status['state']}; cancel it before removing it.")
    store.delete(folder)
    end_later(settings, status.get("mlflow_run_id"), delete=True)


def get_run(run_id: str, *, settings: Settings | None = None) -> RunRecord:
    """One run, as it stands now.

    Raises
    ------
    RunError
        Where the workspace has no such run.
    """
    settings = settings or get_settings()
    folder = store.run_folder(run_id, settings)
    reconcile(folder, settings)
    record = store.load(folder)
    if record is None:
        raise RunError(f"The status of the run '{run_id}' in {folder} cannot be read.")
    return record


def list_runs(*, study: str | None = None, settings: Settings | None = None) -> list[RunRecord]:
    """All runs, or those of one study, newest first."""
    settings = settings or get_settings()
    records = []
    for folder in store.run_folders(settings):
        reconcile(folder, settings)
        record = store.load(folder)
        if record is not None and study in {None, record.study}:
            records.append(record)
    return records


def running(settings: Settings | None = None) -> list[RunRecord]:
    """Queued and running runs, newest first; cheap enough to ask on every page view."""
    settings = settings or get_settings()
    records = []
    for folder in store.run_folders(settings):
        if read_json(folder / store.STATUS).get("state") in ACTIVE:
            reconcile(folder, settings)
            record = store.load(folder)
            if record is not None and record.active:
                records.append(record)
    return records


def wait_handed_over(run_id: str, timeout: float | None = None) -> None:
    """Wait until a run submitted by this process has reached the cluster, or could not."""
    thread = _handovers.get(run_id)
    if thread is not None:
        thread.join(timeout)


def reconcile(folder: Path, settings: Settings) -> None:
    """Mark a run as interrupted where nobody works on it, or will."""
    status = read_json(folder / store.STATUS)
    state = status.get("state")
    if state == RunState.RUNNING:
        alive = is_alive(status)
        if alive is None:  # on another machine: its heartbeat is all we have
            alive = heartbeat_age(folder) < STALE_SECONDS
        reason = None if alive else DIED
    elif state == RunState.QUEUED:
        reason = _why_never(status, settings)
    else:
        return
    if reason is None:
        return
    stopped = store.update(
        folder,
        expect={RunState(state)},
        expect_attempt=status.get("attempt"),
        state=RunState.INTERRUPTED,
        ended=store.now(),
        error=reason,
    )
    if stopped and state == RunState.RUNNING:
        from core.runs.tracking import end_later

        end_later(settings, status.get("mlflow_run_id"))


def _why_never(status: dict[str, object], settings: Settings) -> str | None:
    """Why a queued run will never begin; None where it may."""
    address = status.get("scheduler")
    if not address:
        return NOT_HANDED_OVER if is_alive(status) is False else None
    if status.get("own_cluster"):
        info = cluster_info(settings)
        return ORPHANED if info is None or info["address"] != address else None
    return None if _answers(str(address)) else ORPHANED


def _answers(address: str) -> bool:
    moment, answer = _probed.get(address, (float("-inf"), True))
    if time.monotonic() - moment > _PROBE_EVERY:
        answer = reachable(address)
        _probed[address] = (time.monotonic(), answer)
    return answer


def _check_study(study: str) -> None:
    from core.studies.base import STUDIES

    STUDIES.get(study)


def _hand_over(folder: Path, attempt: int, settings: Settings) -> None:
    ahead = list(_handovers.values())

    def work() -> None:
        for thread in ahead:  # first come, first served
            thread.join()
        try:
            _send(folder, attempt, settings)
        except Exception as error:  # in a thread: the run is the only place where it can be said
            store.update(
                folder,
                expect={RunState.QUEUED},
                expect_attempt=attempt,
                state=RunState.FAILED,
                ended=store.now(),
                error=str(error) or type(error).__name__,
            )
        finally:
            _handovers.pop(folder.name, None)

    thread = threading.Thread(target=work, name=f"submit-{folder.name}")
    _handovers[folder.name] = thread
    thread.start()


def _send(folder: Path, attempt: int, settings: Settings) -> None:
    """Give the run to the scheduler, which keeps it when we leave."""
    from distributed import fire_and_forget

    address = ensure_cluster(settings)
    with connect(settings, address) as client:
        if settings.scheduler_address:
            _check_workers(client.run(_sees, str(folder)), folder, address)
        future = client.submit(
            run_task,
            folder.name,
            attempt,
            settings_as_dict(settings),
            key=f"run-{folder.name}-{attempt}",
            pure=False,
            retries=0,
        )
        fire_and_forget(future)
        store.update(
            folder,
            expect={RunState.QUEUED},
            expect_attempt=attempt,
            scheduler=address,
            own_cluster=not settings.scheduler_address,
        )


def _sees(folder: str) -> bool:
    from pathlib import Path

    return (Path(folder) / store.CONFIG).is_file()


def _check_workers(answers: dict[str, bool], folder: Path, address: str) -> None:
    blind = [worker for worker, sees in answers.items() if not sees]
    if blind:
        raise RunError(
            f"{len(blind)} of {len(answers)} workers of {address} do not see {folder.parent} "
            f"({blind[0]} first); the workspace must lie on storage that all of them share."
        )
