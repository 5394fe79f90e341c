"""A run on a terminal: one bar from its start to its end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from core import runs
from core.errors import RunError
from core.runs import RunRecord, RunState

_LINE_SECONDS = 10.0
_POLL_SECONDS = 0.5


class RunBar:
    """The ``on_progress`` of a run as one tqdm bar; where stderr is no terminal, a line at times."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._written = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int, message: str) -> None:
        if not sys.stderr.isatty():
            moment = time.monotonic()
            if moment - self._written >= _LINE_SECONDS:
                self._written = moment
                print(f"[{done}/{total}] {message}", file=sys.stderr)
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total or None, dynamic_ncols=True)
        self._bar.total = total or None
        self._bar.set_description_str(message, refresh=False)
        self._bar.update(done - self._bar.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextmanager
def cancel_on_interrupt(current: Callable[[], str | None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a cancel of the current run, the second into an interrupt."""
    asked = False

    def handle(signum: int, frame: object) -> None:
        nonlocal asked
        run_id = current()
        if asked or run_id is None:
            raise KeyboardInterrupt
        asked = True
        print("\nStopping after this epoch; Ctrl-C once more stops at once.", file=sys.stderr)
        with suppress(RunError):  # it ended in this very moment
            runs.cancel(run_id)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def follow(run_id: str) -> RunRecord:
    """Show a run's progress until it ends, whoever does it."""
    with RunBar() as bar:
        while True:
            record = runs.get_run(run_id)
            if not record.active:
                return record
            if record.state == RunState.QUEUED:
                bar(0, 0, "queued")
            else:
                bar(record.progress.done, record.progress.total, record.progress.message)
            time.sleep(_POLL_SECONDS)


def report(record: RunRecord) -> int:
    """Print how a run ended; return the exit code."""
    for warning in record.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    if record.state == RunState.FINISHED:
        took = f" in {record.seconds:.1f} s" if record.seconds is not None else ""
        print(f"{record.id} finished{took}; results in {record.folder}")
        print_metrics(record)
        return 0
    print(f"{record.id} is {record.state}: {record.error or 'it has not ended'}", file=sys.stderr)
    if record.resumable:
        print(f"Go on with: python -m core runs resume {record.id}", file=sys.stderr)
    return 130 if record.state == RunState.CANCELLED else 2


def print_metrics(record: RunRecord) -> None:
    """Print a run's summary metrics, one a line."""
    width = max((len(key) for key in record.metrics), default=0)
    for key, value in record.metrics.items():
        print(f"  {key.ljust(width)}  {value:.4f}")
