"""``python -m core demo``: prepare the demo workspace, once."""

from __future__ import annotations

import sys
import time

from core.cli._watch import RunBar
from core.runs.demo import DemoOutcome, prepare_demo
from core.runs.tracking import wait_for_tracking
from core.settings import get_settings

NAME = "demo"


def app() -> None:
    """Prepare example data sets and small finished runs; what is there already is kept."""
    started = time.monotonic()
    settings = get_settings()
    bar: list[RunBar] = []

    def progress(done: int, total: int, message: str) -> None:
        bar[-1](done, total, message)

    def begin(label: str) -> None:
        if not bar:
            print(f"Preparing the demo workspace {settings.workspace}", flush=True)
        print(f"- {label} …", flush=True)
        bar.append(RunBar())

    def end(outcome: DemoOutcome) -> None:
        if outcome.fresh:
            bar[-1].__exit__(None, None, None)
        if outcome.fault is not None:
            print(f"  skipped: {outcome.fault}", file=sys.stderr, flush=True)
        elif outcome.fresh:
            print(f"  done in {outcome.seconds:.1f} s", flush=True)

    outcomes = prepare_demo(settings, progress, on_step=begin, on_outcome=end)
    wait_for_tracking()
    faults = sum(outcome.fault is not None for outcome in outcomes)
    took = time.monotonic() - started
    if faults:
        print(f"{len(outcomes) - faults} of {len(outcomes)} are ready ({took:.1f} s)")
    elif bar:
        print(f"The demo workspace is ready ({took:.1f} s)")
    else:
        print(f"The demo workspace {settings.workspace} is ready")
