"""The work of one run, in whichever process it is done."""

from __future__ import annotations

import logging
import math
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CancelledError, PerturbScopeError
from core.progress import OnProgress, silent
from core.runs import store
from core.runs.code import code_version
from core.runs.files import read_json, write_json, write_text
from core.runs.mapping import MapTasks, map_here, map_on_cluster
from core.runs.process import hostname, this_process
from core.runs.report import Reporter
from core.runs.store import RunState
from core.settings import Settings

if TYPE_CHECKING:
    from core.runs.tracking import Tracker
    from core.studies.base import Study, StudyConfig

_MLFLOW_STATUS = {
    RunState.FINISHED: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.CANCELLED: "KILLED",
    RunState.INTERRUPTED: "KILLED",
}
STOPPED_BY_HAND = "It was stopped by hand; resume it to go on from its last checkpoint."


def run_task(run_id: str, attempt: int, settings: dict[str, Any]) -> str:
    """Do one attempt of a run: the task that Dask carries.

    The scheduler may hand a task to a second worker when the first has died under it. The run is
    then no longer queued, and nothing is done a second time: resuming is the user's decision.
    """
    installed = settings_from_dict(settings)
    folder = store.run_folder(run_id, installed)
    return execute(folder, attempt, installed, map_tasks=map_on_cluster).value


def settings_as_dict(settings: Settings) -> dict[str, Any]:
    """Settings in plain types, as they travel to a worker."""
    return settings.model_dump(mode="json")


def settings_from_dict(values: dict[str, Any]) -> Settings:
    """The very settings of the submitting process; the worker's environment has no say."""
    return Settings.model_construct(**values | {"workspace": Path(values["workspace"])})


def execute(
    folder: Path,
    attempt: int,
    settings: Settings,
    *,
    on_progress: OnProgress = silent,
    map_tasks: MapTasks = map_here,
) -> RunState:
    """Run the study of a queued run to its end, and write down how it ended.

    Errors of the study end up in the run (state ``failed``, one sentence; the traceback of an
    unexpected one in ``error.log``). Only an interrupt from the keyboard is raised again.

    Returns
    -------
    RunState
        The state it ended in; the present one where the run was not ours to start.
    """
    claimed = store.update(
        folder,
        expect={RunState.QUEUED},
        expect_attempt=attempt,
        state=RunState.RUNNING,
        started=store.now(),
        code_version=code_version(),
        **this_process().as_dict(),
    )
    if not claimed:
        return RunState(read_json(folder / store.STATUS)["state"])
    (folder / store.PROGRESS).unlink(missing_ok=True)
    with Reporter(folder, attempt, on_progress) as reporter:
        return _Attempt(folder, attempt, settings, reporter, map_tasks).run()


class _Attempt:
    """One attempt of one run, from claim to end."""

    def __init__(
        self,
        folder: Path,
        attempt: int,
        settings: Settings,
        reporter: Reporter,
        map_tasks: MapTasks,
    ) -> None:
        self.map_tasks = map_tasks
        self.folder = folder
        self.attempt = attempt
        self.settings = settings
        self.reporter = reporter
        self.tracker: Tracker | None = None
        self.data_hash: str | None = None

    def run(self) -> RunState:
        try:
            summary = self._study()
        except CancelledError as error:
            return self._end(RunState.CANCELLED, error=str(error))
        except PerturbScopeError as error:
            return self._end(RunState.FAILED, error=str(error))
        except KeyboardInterrupt:
            self._end(RunState.INTERRUPTED, error=STOPPED_BY_HAND)
            raise
        except Exception as error:
            write_text(self.folder / store.LOG, traceback.format_exc())
            logging.getLogger(__name__).exception("run %s failed", self.folder.name)
            return self._end(RunState.FAILED, error=_sentence(error))
        write_json(self.folder / store.METRICS, summary)
        return self._end(RunState.FINISHED, metrics=summary)

    def _study(self) -> dict[str, float]:
        from core.studies.base import STUDIES, StudyContext

        status = read_json(self.folder / store.STATUS)
        study: Study = STUDIES.get(status["study"]).value
        config = study.Config.model_validate(read_json(self.folder / store.CONFIG))
        self._describe(status, config)
        context = StudyContext(
            folder=self.folder,
            settings=self.settings,
            on_progress=self.reporter.on_progress,
            on_epoch=self._epoch,
            should_cancel=self.reporter.should_cancel,
            resume=self.attempt > 1,
            map_tasks=self.map_tasks,
        )
        context.check_cancelled()
        result = study.run(config, context)
        self.data_hash = result.data_hash()
        return {key: value for key, value in result.summary().items() if _is_finite(value)}

    def _describe(self, status: dict[str, Any], config: StudyConfig) -> None:
        """Write down what the run works on and with, here and in MLflow."""
        from core.runs.tracking import TrackedRun, Tracker

        data = _data_facts(self.settings, status.get("dataset"))
        device = _device(self.settings, config)
        store.update(self.folder, expect_attempt=self.attempt, device=device, **data)
        tags = {
            "perturbscope.run_id": self.folder.name,
            "perturbscope.folder": str(self.folder),
            "perturbscope.tags": ", ".join(status.get("tags", [])),
            "dataset": status.get("dataset") or "",
            "data_hash": data["data_hash"] or "",
            "simulated": str(data["simulated"]),
            "code_version": code_version(),
            "host": hostname(),
            "device": device,
        }
        run = TrackedRun(
            status["study"],
            status["name"],
            config.model_dump(mode="json"),
            tags,
            status.get("mlflow_run_id"),
        )
        self.tracker = Tracker(
            run,
            self.settings,
            on_opened=lambda opened: store.update(
                self.folder, expect_attempt=self.attempt, mlflow_run_id=opened
            ),
            on_warning=lambda sentence: store.warn(self.folder, sentence),
        )

    def _epoch(self, record: dict[str, Any]) -> None:
        plain = self.reporter.on_epoch(record)
        if self.tracker is not None:
            self.tracker.log_epoch(plain)

    def _end(
        self,
        state: RunState,
        *,
        error: str | None = None,
        metrics: dict[str, float] | None = None,
    ) -> RunState:
        if self.reporter.lost:  # another attempt owns the run and its MLflow run now
            return RunState(read_json(self.folder / store.STATUS).get("state", state))
        self.reporter.close()
        known: dict[str, Any] = {"data_hash": self.data_hash} if self.data_hash else {}
        store.update(
            self.folder,
            expect={RunState.RUNNING},
            expect_attempt=self.attempt,
            state=state,
            ended=store.now(),
            error=error,
            **known,
        )
        if self.tracker is not None:  # last: nobody waits for MLflow to see how the run ended
            self.tracker.finish(
                _MLFLOW_STATUS[state],
                metrics=metrics,
                files=(self.folder / store.CONFIG, self.folder / store.METRICS),
                tags=known,
            )
        return state


def _is_finite(value: object) -> bool:
    """Whether a metric was measured: what is not defined for this data is left out."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def _data_facts(settings: Settings, dataset: str | None) -> dict[str, Any]:
    """Content hash of the data set, and whether it is a simulation; None where not known."""
    meta = read_json(settings.datasets_folder / dataset / "meta.json") if dataset else {}
    return {"data_hash": meta.get("content_hash"), "simulated": meta.get("simulated")}


def _device(settings: Settings, config: StudyConfig) -> str:
    """The device a network of this run trains on, by name."""
    wanted = getattr(getattr(config, "training", None), "device", None)
    if wanted is None:  # a study that trains no network
        return "cpu"
    from core.training import resolve_device

    return str(resolve_device(wanted, settings.device))


def _sentence(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0][:300].rstrip(".")
    detail = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"An unexpected error ended the run ({detail}); error.log in its folder has the details."
