"""Calls that may never return, run in a process of their own that can be killed.

RDKit's substructure search, embedding and ring perception can take for ever on a hostile query
or molecule, and a thread cannot be stopped. A helper process imports one module of this room,
answers calls as lines of JSON (nothing is unpickled), and is killed when its time is up; it is
kept for the next call otherwise.
"""

from __future__ import annotations

import atexit
import importlib
import json
import selectors
import subprocess
import sys
import threading
import time
import traceback
from typing import Any

from core.errors import CancelledError, PerturbScopeError
from core.molecules.parse import MoleculeError
from core.settings import PROJECT_ROOT

ROOM = "core.molecules."
#: Seconds that a fresh process may take to import RDKit, on top of the call's own limit.
START_UP = 30.0
#: Largest address space of the helper, in bytes (Linux only).
MEMORY = 4 * 1024**3


class TimeLimitError(CancelledError):
    """A calculation was stopped because its time was up."""


class _Helper:
    """One helper process and the pipe to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.molecules.isolated"],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._started = False
        self._unread = b""

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        if not self._started:
            self._line(START_UP)  # says that the imports are done: the call's own clock starts now
            self._started = True
        return json.loads(self._line(timeout))

    def _line(self, timeout: float) -> bytes:
        """Next line of the helper, within ``timeout`` seconds."""
        pipe: Any = self.process.stdout
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise TimeoutError
                chunk = pipe.read1(1 << 20)
                if not chunk:
                    raise BrokenPipeError
                self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


_idle: list[_Helper] = []
_lock = threading.Lock()


def call(function: str, arguments: dict[str, Any], *, timeout: float, what: str) -> Any:
    """Run ``core.molecules.<module>:<function>`` in a helper, at most ``timeout`` seconds.

    Parameters
    ----------
    function
        ``"module:function"`` inside this room.
    arguments
        Keyword arguments; only what JSON can hold.
    timeout
        Seconds of calculation.
    what
        The calculation in words, for messages: ``"The SMARTS search"``.

    Returns
    -------
    Any
        What the function returned, through JSON (tuples become lists).

    Raises
    ------
    TimeLimitError
        When the time was up.
    MoleculeError
        When the function raised a :class:`PerturbScopeError`, or its process died.
    """
    with _lock:
        helper = _idle.pop() if _idle else None
    if helper is None or helper.process.poll() is not None:
        helper = _Helper()
    try:
        answer = helper.ask({"function": function, "arguments": arguments}, timeout)
    except TimeoutError:
        helper.stop()
        raise TimeLimitError(f"{what} was stopped after {timeout:g} seconds.") from None
    except (BrokenPipeError, json.JSONDecodeError):
        helper.stop()
        raise MoleculeError(f"{what} ran out of memory or crashed on this molecule.") from None
    except BaseException:
        helper.stop()  # an answer that nobody read would be taken for the next call's
        raise
    with _lock:
        _idle.append(helper)
    if "fault" in answer:
        raise RuntimeError(f"{what} failed in its helper process:\n{answer['fault']}")
    if "error" in answer:
        raise MoleculeError(answer["error"])
    return answer["result"]


@atexit.register
def stop_all() -> None:
    """Stop the idle helpers."""
    with _lock:
        while _idle:
            _idle.pop().stop()


def _serve() -> None:
    """Answer calls from standard input until it closes."""
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not come between the answers
    _limit_memory()
    for number, line in enumerate(sys.stdin.buffer):
        request = json.loads(line)
        module, _, name = request["function"].partition(":")
        function = getattr(importlib.import_module(ROOM + module), name)
        if number == 0:
            out.write(b"{}\n")
            out.flush()
        try:
            answer = {"result": function(**request["arguments"])}
        except PerturbScopeError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "The calculation needs more memory than it may take."}
        except Exception:  # a fault of ours: told to the caller, who logs it
            answer = {"fault": traceback.format_exc()}
        out.write(json.dumps(answer).encode() + b"\n")
        out.flush()


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    _serve()
