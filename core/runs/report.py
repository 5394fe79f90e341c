"""What a running run tells the outside: progress, epochs, and that it is still alive."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.progress import OnProgress, silent
from core.runs import store
from core.runs.files import append_line, read_json, write_json

HEARTBEAT_SECONDS = 2.0
#: A heartbeat older than this, from a process that cannot be looked at, counts as a death.
STALE_SECONDS = 15.0
_PROGRESS_SECONDS = 0.25


class Reporter:
    """Writes a run's progress, history and heartbeat, and hears a cancel, while it is entered.

    Parameters
    ----------
    folder
        The run's folder.
    attempt
        The attempt that does the work. Where another attempt has taken the run over (ours was
        taken for dead, on a machine that slept), :attr:`lost` turns true and we stop.
    """

    def __init__(self, folder: Path, attempt: int, on_progress: OnProgress = silent) -> None:
        self.folder = folder
        self.attempt = attempt
        self.lost = False
        self._listener = on_progress
        self._written = 0.0
        self._last: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        (self.folder / store.HEARTBEAT).touch()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the heartbeat and write the last progress; done once, a second call does nothing."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            if self._last and not self.lost:
                write_json(self.folder / store.PROGRESS, self._last)

    def on_progress(self, done: int, total: int, message: str) -> None:
        """Keep ``done`` of ``total`` and what is being done; written four times a second."""
        with self._lock:
            self._last = {"done": int(done), "total": int(total), "message": message}
            moment = time.monotonic()
            if moment - self._written >= _PROGRESS_SECONDS and not self.lost:
                write_json(self.folder / store.PROGRESS, self._last)
                self._written = moment
        self._listener(done, total, message)

    def on_epoch(self, record: dict[str, Any]) -> dict[str, Any]:
        """Append one epoch to the history; returns it in plain types."""
        plain = {key: _plain(value) for key, value in record.items()}
        if not self.lost:
            append_line(self.folder / store.HISTORY, plain)
        return plain

    def should_cancel(self) -> bool:
        """Whether the user asked to stop, or the run is no longer ours."""
        return self.lost or (self.folder / store.CANCEL).exists()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            status = read_json(self.folder / store.STATUS)
            if status.get("attempt") != self.attempt or status.get("state") != "running":
                self.lost = True
                return
            (self.folder / store.HEARTBEAT).touch()


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def heartbeat_age(folder: Path) -> float:
    """Seconds since the last heartbeat, by the clock of the file system that holds both files."""
    try:
        beat = (folder / store.HEARTBEAT).stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    clock = folder / ".clock"
    clock.touch()
    return clock.stat().st_mtime - beat
