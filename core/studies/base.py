"""The contract of every study: a frozen config, a run function, a result on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from core.errors import CancelledError
from core.progress import OnProgress, silent
from core.registry import Registry
from core.settings import Settings, get_settings


class StudyConfig(BaseModel):
    """A study's configuration: the page's form, the CLI's options and the run's parameters.

    Every field has a ``title`` and a ``description``; bounds and choices are in its type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def ignore(*_: Any) -> None:
    """Listen to nothing."""


def never() -> bool:
    """Never cancel."""
    return False


def map_here(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """Results of ``function`` on each task, one after the other in this process."""
    return map(function, tasks)


@dataclass(frozen=True)
class StudyContext:
    """What a study may use of the outside while it runs.

    Attributes
    ----------
    folder
        The run's own folder: results, checkpoints, history.
    on_progress
        ``(done, total, message)`` over the whole run.
    on_epoch
        One record an epoch, a flat dictionary: ``model``, ``fold`` (int or "final"), ``epoch``,
        ``train_loss``, ``val_loss``, ``val_mrrmse``, ``learning_rate``, ``seconds``.
    should_cancel
        Asked between epochs and folds; when true the study raises :class:`CancelledError`
        after writing its checkpoint.
    resume
        True when ``folder`` may hold checkpoints and finished folds to go on from.
    map_tasks
        ``(function, tasks)`` to an iterator of results as they come, in any order: on the
        cluster's workers where there is one. Function and tasks must be picklable, and a task
        may be done twice when a worker dies.
    """

    folder: Path
    settings: Settings = field(default_factory=get_settings)
    on_progress: OnProgress = silent
    on_epoch: Callable[[dict[str, Any]], None] = ignore
    should_cancel: Callable[[], bool] = never
    resume: bool = False
    map_tasks: Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]] = map_here

    def check_cancelled(self) -> None:
        """Raise :class:`CancelledError` if the user asked for it."""
        if self.should_cancel():
            raise CancelledError("The run was cancelled; what was finished has been kept.")


class StudyResult(Protocol):
    """A finished study: numbers to track, and everything else in the run's folder."""

    def summary(self) -> dict[str, float]:
        """Flat metrics for the run store (``mrrmse``, ``mrrmse/B cells`` …)."""

    def data_hash(self) -> str:
        """Content hash of the data that was used."""


class Study(Protocol):
    """What is registered: the config class and the function that runs it."""

    Config: type[StudyConfig]

    def run(self, config: Any, context: StudyContext) -> StudyResult:
        """Run to the end, or raise :class:`core.errors.PerturbScopeError`."""

    def load(self, folder: Path) -> StudyResult:
        """Read back what :meth:`run` saved."""


STUDIES: Registry[Study] = Registry("study", package="core.studies")
