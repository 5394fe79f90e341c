"""Every run in MLflow: parameters, metrics an epoch, artefacts; never in the way of the run.

The tracker works in a thread of its own. A tracking server that is slow, or away, costs the run
nothing but a warning: the run's own folder holds the same numbers.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from core.runs.compare import flatten
from core.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

FLUSH_SECONDS = 2.0
#: How long a run waits at its end for the tracker to catch up.
FINISH_SECONDS = 45.0
_TRIES = 3
_MAX_BATCH_METRICS, _MAX_BATCH_PARAMS = 1000, 100
_MAX_KEY, _MAX_PARAM, _MAX_TAG = 250, 6000, 5000
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
_enders: list[threading.Thread] = []
_UNTRACKED_KEYS = frozenset({"model", "fold", "epoch"})


@dataclass(frozen=True)
class TrackedRun:
    """What MLflow is told when a run starts."""

    study: str
    name: str
    config: Mapping[str, Any]
    tags: Mapping[str, str]
    mlflow_run_id: str | None = None


@dataclass
class _End:
    status: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class Tracker:
    """Mirrors one run into MLflow from a background thread.

    Parameters
    ----------
    on_opened
        Called with the MLflow run id once it exists.
    on_warning
        Called at most once, with one sentence, when tracking is given up.
    """

    def __init__(
        self,
        run: TrackedRun,
        settings: Settings,
        *,
        on_opened: Callable[[str], object],
        on_warning: Callable[[str], object],
    ) -> None:
        self._run = run
        self._settings = settings
        self._on_opened = on_opened
        self._on_warning = on_warning
        self._items: queue.SimpleQueue[tuple[str, float, int, int] | _End] = queue.SimpleQueue()
        self._client: MlflowClient | None = None
        self._run_id = run.mlflow_run_id
        self._opened = False
        self._given_up = False
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def log_epoch(self, record: Mapping[str, Any]) -> None:
        """Queue the numbers of one epoch; returns at once."""
        moment = int(time.time() * 1000)
        prefix = epoch_prefix(record)
        for key, value in record.items():
            if key not in _UNTRACKED_KEYS and _is_number(value):
                name = metric_key(f"{prefix}.{key}")
                self._items.put((name, float(value), moment, int(record.get("epoch", 0))))

    def finish(
        self,
        status: str,
        *,
        metrics: Mapping[str, float] | None = None,
        files: Iterable[Path] = (),
        tags: Mapping[str, str] | None = None,
        timeout: float = FINISH_SECONDS,
    ) -> None:
        """End the MLflow run as FINISHED, FAILED or KILLED, with its last numbers and files."""
        self._items.put(_End(status, metrics or {}, tuple(files), tags or {}))
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._give_up("did not answer in time")

    def _work(self) -> None:
        pending: list[tuple[str, float, int, int]] = []
        end: _End | None = None
        failures = 0
        while not self._given_up:
            try:
                self._flush(pending)
                pending.clear()
                failures = 0
                if end is not None:
                    self._end(end)
                    return
            except Exception as error:  # whatever MLflow or its database raises: the run goes on
                failures += 1
                if failures >= _TRIES:
                    self._give_up(_reason(error))
                    return
                time.sleep(0.2 * failures)
            end = self._take(pending) if end is None else end

    def _take(self, pending: list[tuple[str, float, int, int]]) -> _End | None:
        """Collect what has come, for a while; the end, if it came, is returned at once."""
        until = time.monotonic() + FLUSH_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                item = self._items.get(timeout=left)
            except queue.Empty:
                return None
            if isinstance(item, _End):
                return item
            pending.append(item)
        return None

    def _flush(self, pending: list[tuple[str, float, int, int]]) -> None:
        client = self._open()
        if not pending or self._run_id is None:
            return
        from mlflow.entities import Metric

        metrics = [Metric(*item) for item in pending]
        for start in range(0, len(metrics), _MAX_BATCH_METRICS):
            client.log_batch(self._run_id, metrics=metrics[start : start + _MAX_BATCH_METRICS])

    def _open(self) -> MlflowClient:
        if self._client is None:
            self._client = open_client(self._settings)
        client = self._client
        if not self._opened:
            if self._run_id is None:
                self._run_id = self._create(client)
            else:
                client.update_run(self._run_id, status="RUNNING")
            self._opened = True
            self._on_opened(self._run_id)
        return client

    def _create(self, client: MlflowClient) -> str:
        from mlflow.entities import Param

        experiment = experiment_id(client, self._run.study, self._settings)
        tags = {key: value[:_MAX_TAG] for key, value in self._run.tags.items()}
        created = client.create_run(experiment, run_name=self._run.name, tags=tags)
        params = [
            Param(metric_key(key)[:_MAX_KEY], _clip(value))
            for key, value in flatten(self._run.config).items()
        ]
        for start in range(0, len(params), _MAX_BATCH_PARAMS):
            client.log_batch(created.info.run_id, params=params[start : start + _MAX_BATCH_PARAMS])
        return str(created.info.run_id)

    def _end(self, end: _End) -> None:
        client, run_id = self._client, self._run_id
        if client is None or run_id is None:
            return
        from mlflow.entities import Metric, RunTag

        moment = int(time.time() * 1000)
        metrics = [
            Metric(metric_key(key), float(value), moment, 0)
            for key, value in end.metrics.items()
            if _is_number(value)
        ]
        tags = [RunTag(key, value[:_MAX_TAG]) for key, value in end.tags.items()]
        for start in range(0, len(metrics), _MAX_BATCH_METRICS):
            client.log_batch(run_id, metrics=metrics[start : start + _MAX_BATCH_METRICS])
        client.log_batch(run_id, tags=tags)
        for path in end.files:
            if path.is_file():
                client.log_artifact(run_id, str(path))
        client.set_terminated(run_id, status=end.status)

    def _give_up(self, reason: str) -> None:
        if not self._given_up:
            self._given_up = True
            where = without_password(self._settings.mlflow_uri)
            self._on_warning(f"This run is not, or not wholly, in MLflow at {where}: {reason}.")


def open_client(settings: Settings) -> MlflowClient:
    """An MLflow client of the tracking store in force; its database is made where missing."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    from filelock import FileLock
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = settings.mlflow_uri
    if settings.tracking_uri is not None:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    settings.workspace.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.workspace / ".mlflow.lock", timeout=120):  # one creates the tables
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def experiment_id(client: MlflowClient, study: str, settings: Settings) -> str:
    """The experiment of a study, made where missing; its artefacts lie in the workspace."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found is None:
        # A server knows where artefacts go; a bare database would leave them in the folder that
        # the process happened to start in.
        served = settings.mlflow_uri.startswith(("http:", "https:", "file:"))
        place = None if served else (settings.workspace / "mlartifacts" / study).as_uri()
        try:
            return str(client.create_experiment(study, artifact_location=place))
        except MlflowException:  # another run made it a moment ago
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    return str(found.experiment_id)


def end_later(settings: Settings, mlflow_run_id: str | None, *, delete: bool = False) -> None:
    """Mark an MLflow run as KILLED (or deleted) from a thread, since its import takes a second."""
    if mlflow_run_id is None:
        return

    def end() -> None:
        try:
            client = open_client(settings)
            info = client.get_run(mlflow_run_id).info
            if info.lifecycle_stage != "active":
                return
            if delete:
                client.delete_run(mlflow_run_id)
            elif info.status == "RUNNING":
                client.set_terminated(mlflow_run_id, status="KILLED")
        except Exception as error:
            logging.getLogger(__name__).warning(
                "MLflow run %s could not be ended: %s", mlflow_run_id, _reason(error)
            )

    _enders[:] = [thread for thread in _enders if thread.is_alive()]
    thread = threading.Thread(target=end, name="mlflow-end")
    _enders.append(thread)
    thread.start()


def wait_for_tracking(timeout: float = FINISH_SECONDS) -> None:
    """Wait until MLflow has heard of all that :func:`end_later` was asked for.

    A program that is about to end must: MLflow cannot be imported while Python shuts down.
    """
    for thread in list(_enders):
        thread.join(timeout)


def epoch_prefix(record: Mapping[str, Any]) -> str:
    """Prefix of an epoch's metrics, as ``fold0.mlp`` or ``final.mlp``."""
    fold = record.get("fold", 0)
    word = f"fold{fold}" if str(fold).lstrip("-").isdigit() else str(fold)
    return f"{word}.{record.get('model', 'model')}"


def metric_key(name: str) -> str:
    """A name in characters that every MLflow store takes; ``/`` would be a folder in some."""
    return re.sub(r"[^\w.\- ]", "_", name.replace("/", "."), flags=re.ASCII)[:_MAX_KEY]


def without_password(uri: str) -> str:
    """The address without user name and password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _clip(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _MAX_PARAM else text[: _MAX_PARAM - 1] + "…"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _reason(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"//[^/@\s]+@", "//", first)[:200].rstrip(".")
