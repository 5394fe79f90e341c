"""Runs as folders of the workspace: what they are, what state they are in, what they gave."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import RunError
from core.runs.files import read_json, read_lines, write_json, write_text
from core.runs.process import this_process
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    import pandas as pd

    from core.studies.base import StudyConfig

CONFIG, STATUS, PROGRESS, METRICS = "config.json", "status.json", "progress.json", "metrics.json"
HEARTBEAT, HISTORY, CANCEL, LOG, LOCK = "heartbeat", "history.jsonl", "cancel", "error.log", ".lock"
HISTORY_COLUMNS = (
    "model",
    "fold",
    "epoch",
    "train_loss",
    "val_loss",
    "val_mrrmse",
    "learning_rate",
    "seconds",
)
#: More models than that are counted in a run's name, not listed.
_MOST_NAMED = 4
_LOCK_SECONDS = 10
_ID = re.compile(r"[0-9a-z][0-9a-z-]*")


class RunState(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


ACTIVE = frozenset({RunState.QUEUED, RunState.RUNNING})
RESUMABLE = frozenset({RunState.CANCELLED, RunState.FAILED, RunState.INTERRUPTED})


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: ``done`` of ``total`` steps, and what it does now."""

    done: int = 0
    total: int = 0
    message: str = ""

    @property
    def fraction(self) -> float:
        """Share done, 0 to 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total > 0 else 0.0


@dataclass(frozen=True)
class RunRecord:
    """One run as its folder tells it; times are UTC.

    ``error`` is one sentence (why it failed or stopped); ``warnings`` are such that did not stop
    it. ``metrics`` is empty until the run has finished. ``attempt`` counts how often it was
    queued: 1, then one more with each resume.
    """

    id: str
    study: str
    name: str
    state: RunState
    folder: Path
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    dataset: str | None = None
    data_hash: str | None = None
    simulated: bool | None = None
    code_version: str | None = None
    device: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    progress: RunProgress = RunProgress()
    attempt: int = 1
    tags: tuple[str, ...] = ()
    cancelling: bool = False
    mlflow_run_id: str | None = None

    @property
    def active(self) -> bool:
        """Queued or running."""
        return self.state in ACTIVE

    @property
    def resumable(self) -> bool:
        """Whether :func:`core.runs.resume` can take it up again."""
        return self.state in RESUMABLE

    @property
    def seconds(self) -> float | None:
        """Wall time of the last attempt, until now where it still runs."""
        if self.started is None:
            return None
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds()


def now() -> str:
    """The time, UTC, as status files hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def run_folder(run_id: str, settings: Settings | None = None) -> Path:
    """The folder of an existing run.

    Raises
    ------
    RunError
        Where the workspace has no such run.
    """
    settings = settings or get_settings()
    folder = settings.runs_folder / run_id
    if not _ID.fullmatch(run_id) or not (folder / STATUS).is_file():
        raise RunError(f"There is no run '{run_id}' in {settings.runs_folder}.")
    return folder


def create(
    study: str,
    config: StudyConfig,
    settings: Settings,
    *,
    tags: Iterable[str] = (),
    code_version: str | None = None,
) -> Path:
    """Make the folder of a new run, queued; its name is the run's id."""
    settings.runs_folder.mkdir(parents=True, exist_ok=True)
    while True:
        moment = datetime.now(UTC)  # the milliseconds come first in the suffix: ids sort by age
        suffix = f"{moment.microsecond // 1000:03x}{secrets.randbelow(16):x}"
        run_id = f"{moment:%Y%m%d-%H%M%S}-{suffix}"
        folder = settings.runs_folder / run_id
        try:
            folder.mkdir()
            break
        except FileExistsError:
            continue
    values = config.model_dump(mode="json")
    write_text(folder / CONFIG, config.model_dump_json(indent=1))
    status = {
        "id": run_id,
        "study": study,
        "name": display_name(values, study),
        "created": now(),
        **queued(1),
        "dataset": values.get("dataset"),
        "code_version": code_version,
        "tags": list(tags),
    }
    write_json(folder / STATUS, status)  # last: a folder without it is not a run
    return folder


def queued(attempt: int) -> dict[str, Any]:
    """Status of a run that this process is about to hand over."""
    return {
        "state": RunState.QUEUED,
        "attempt": attempt,
        "started": None,
        "ended": None,
        "error": None,
        "warnings": [],
        "scheduler": None,
        **this_process().as_dict(),
    }


def display_name(config: dict[str, Any], study: str) -> str:
    """The user's name of a run, else one made of its models and data set."""
    if config.get("name"):
        return str(config["name"])
    models = config.get("models") or [config.get("model")]
    names = [str(m["name"] if isinstance(m, dict) else m) for m in models if _named(m)]
    words = " + ".join(names) if len(names) <= _MOST_NAMED else f"{study}, {len(names)} models"
    words = words or study
    return f"{words} on {config['dataset']}" if config.get("dataset") else words


def _named(model: Any) -> bool:
    """Whether a field ``model`` names one, rather than describing it (a shape, a source)."""
    return bool(model.get("name") if isinstance(model, dict) else model)


def locked(folder: Path) -> AbstractContextManager[Any]:
    """Hold a run's lock: whoever changes ``status.json`` does."""
    from filelock import FileLock

    return FileLock(folder / LOCK, timeout=_LOCK_SECONDS)


def update(
    folder: Path,
    *,
    expect: Iterable[RunState] | None = None,
    expect_attempt: int | None = None,
    **changes: Any,
) -> bool:
    """Change a run's status, only if it is still in one of the expected states and attempt.

    Returns
    -------
    bool
        False where it was not, and nothing was changed.
    """
    with locked(folder):
        status = read_json(folder / STATUS)
        if not status:
            return False
        if expect is not None and status.get("state") not in set(expect):
            return False
        if expect_attempt is not None and status.get("attempt") != expect_attempt:
            return False
        write_json(folder / STATUS, status | changes)
        return True


def warn(folder: Path, sentence: str) -> None:
    """Add a warning that did not stop the run."""
    with locked(folder):
        status = read_json(folder / STATUS)
        if status and sentence not in status.get("warnings", []):
            status["warnings"] = [*status.get("warnings", []), sentence]
            write_json(folder / STATUS, status)


def load(folder: Path) -> RunRecord | None:
    """Read one run; None where the folder holds none."""
    status = read_json(folder / STATUS)
    try:
        state = RunState(status["state"])
        created = datetime.fromisoformat(status["created"])
    except (KeyError, ValueError):
        return None
    finished = state == RunState.FINISHED
    return RunRecord(
        id=folder.name,
        study=str(status.get("study", "")),
        name=str(status.get("name") or folder.name),
        state=state,
        folder=folder,
        created=created,
        started=_time(status.get("started")),
        ended=_time(status.get("ended")),
        config=read_json(folder / CONFIG),
        metrics=_metrics(folder) if finished else {},
        dataset=status.get("dataset"),
        data_hash=status.get("data_hash"),
        simulated=status.get("simulated"),
        code_version=status.get("code_version"),
        device=status.get("device"),
        error=status.get("error"),
        warnings=tuple(status.get("warnings", ())),
        progress=read_progress(folder),
        attempt=int(status.get("attempt", 1)),
        tags=tuple(status.get("tags", ())),
        cancelling=state == RunState.RUNNING and (folder / CANCEL).exists(),
        mlflow_run_id=status.get("mlflow_run_id"),
    )


def _metrics(folder: Path) -> dict[str, float]:
    values = read_json(folder / METRICS).items()
    return {key: float(value) for key, value in values if isinstance(value, (int, float))}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def read_progress(folder: Path) -> RunProgress:
    """How far the run in ``folder`` is."""
    value = read_json(folder / PROGRESS)
    return RunProgress(
        int(value.get("done", 0)), int(value.get("total", 0)), str(value.get("message", ""))
    )


def run_folders(settings: Settings) -> list[Path]:
    """Folders of all runs, newest first."""
    if not settings.runs_folder.is_dir():
        return []
    folders = [
        path
        for path in settings.runs_folder.iterdir()
        if not path.name.startswith(".") and (path / STATUS).is_file()
    ]
    return sorted(folders, key=lambda path: path.name, reverse=True)


def history_of(folder: Path) -> pd.DataFrame:
    """Epoch records of the run in ``folder``; see :func:`core.runs.history`."""
    import pandas as pd

    records = read_lines(folder / HISTORY)
    if not records:
        return pd.DataFrame(
            {
                name: pd.Series(dtype="object" if name in {"model", "fold"} else "float64")
                for name in HISTORY_COLUMNS
            }
        ).astype({"epoch": "int64"})
    frame = pd.DataFrame.from_records(records)
    missing = {name: None for name in HISTORY_COLUMNS if name not in frame}
    frame = frame.assign(**missing)
    frame = frame[pd.to_numeric(frame["epoch"], errors="coerce").notna()]
    extra = [name for name in frame if name not in HISTORY_COLUMNS]
    frame = frame[[*HISTORY_COLUMNS, *extra]]
    frame["epoch"] = frame["epoch"].astype("int64")
    frame["fold"] = frame["fold"].astype(str)
    for name in HISTORY_COLUMNS[3:]:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    # an epoch after the last checkpoint is trained again on resume: the later record counts
    frame = frame.drop_duplicates(["model", "fold", "epoch"], keep="last")
    return frame.reset_index(drop=True)


def delete(folder: Path) -> None:
    """Remove a run's folder; first out of sight, then file by file."""
    doomed = folder.with_name(f".removed-{folder.name}-{time.time_ns()}")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
