"""Which process does the work, and whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

#: Start times are kept by the system in clock ticks; two readings differ by less than this.
_START_TOLERANCE = 2.0


@dataclass(frozen=True)
class ProcessId:
    """A process, told apart from a later one with the same number by its start time."""

    host: str
    pid: int
    pid_started: float

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for JSON."""
        return asdict(self)


def this_process() -> ProcessId:
    """The process we are in."""
    import psutil

    pid = os.getpid()
    return ProcessId(hostname(), pid, psutil.Process(pid).create_time())


@lru_cache(maxsize=1)
def hostname() -> str:
    """Name of this machine."""
    return socket.gethostname()


def is_alive(record: dict[str, Any]) -> bool | None:
    """Whether the process named by ``host``, ``pid`` and ``pid_started`` lives.

    Returns
    -------
    bool or None
        None where it cannot be known from here: another machine, or nothing recorded.
    """
    pid, started = record.get("pid"), record.get("pid_started")
    if not isinstance(pid, int) or record.get("host") != hostname():
        return None
    import psutil

    try:
        process = psutil.Process(pid)
        if isinstance(started, (int, float)) and (
            abs(process.create_time() - started) > _START_TOLERANCE
        ):
            return False
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
