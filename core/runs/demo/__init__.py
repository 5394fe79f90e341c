"""The demo workspace: data sets and small finished runs, so that every page has something to show.

A step is one entry of :data:`DEMO_STEPS`, made by a module of this package; a later study adds
its own file. Steps that are done are passed over, so a second call takes no time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import PerturbScopeError
from core.progress import OnProgress, silent
from core.registry import Registry
from core.settings import Settings, get_settings


@dataclass(frozen=True)
class DemoStep:
    """One thing to prepare.

    Attributes
    ----------
    done
        Whether it is there already; asked at every start, so it must be quick.
    prepare
        Make it; raises :class:`core.errors.PerturbScopeError` where it cannot.
    """

    done: Callable[[Settings], bool]
    prepare: Callable[[Settings, OnProgress], None]


@dataclass(frozen=True)
class DemoOutcome:
    """How one step went: ``seconds`` is 0 for one that was done before, ``fault`` one sentence."""

    name: str
    label: str
    seconds: float = 0.0
    fresh: bool = False
    fault: str | None = None


#: In this order, by name: data sets first, then the runs on them.
DEMO_STEPS: Registry[DemoStep] = Registry("demo step", package="core.runs.demo")


def prepare_demo(
    settings: Settings | None = None,
    on_progress: OnProgress = silent,
    *,
    on_step: Callable[[str], object] = lambda label: None,
    on_outcome: Callable[[DemoOutcome], object] = lambda outcome: None,
) -> list[DemoOutcome]:
    """Prepare whatever of the demo workspace is missing.

    A step that fails (no network, say) is told in its outcome, and the others go on.

    Parameters
    ----------
    on_progress
        ``(done, total, message)`` of the step at work.
    on_step, on_outcome
        Called before a step that is not done yet (with its label), and after every step.
    """
    from filelock import FileLock

    settings = settings or get_settings()
    settings.workspace.mkdir(parents=True, exist_ok=True)
    outcomes = []
    with FileLock(settings.workspace / ".demo.lock"):
        for entry in DEMO_STEPS:
            started = time.monotonic()
            fresh, fault = False, None
            try:
                if not entry.value.done(settings):
                    on_step(entry.label)
                    fresh = True
                    entry.value.prepare(settings, on_progress)
            except PerturbScopeError as error:
                fault = str(error)
            seconds = time.monotonic() - started if fresh else 0.0
            outcome = DemoOutcome(entry.name, entry.label, seconds, fresh, fault)
            on_outcome(outcome)
            outcomes.append(outcome)
    return outcomes
