"""Calls that may never return, run in a process of their own that can be killed.

RDKit can take for ever on a hostile molecule, HDF5 on a damaged file, and a thread cannot be
stopped. A helper process imports one module of one room, answers calls as lines of JSON (nothing
is unpickled), and is killed when its time is up; it is kept for the next call otherwise.
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
from core.settings import PROJECT_ROOT

#: Seconds that a fresh process may take to import its libraries, on top of the call's own limit.
START_UP = 60.0


class TimeLimitError(CancelledError):
    """A calculation was stopped because its time was up."""


class _Helper:
    """One helper process and the pipe to it."""

    def __init__(self, room: str, memory: int) -> None:
        self.memory = memory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.isolated", room, str(memory)],
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


class Pool:
    """Helpers that answer calls to the functions of one room.

    Parameters
    ----------
    room
        Package, as ``"core.molecules"``; no function outside it can be called.
    error
        What is raised where the function raised a :class:`PerturbScopeError` or its process died.
    crashed
        What is said after ``what`` where the process died.
    """

    def __init__(self, room: str, error: type[PerturbScopeError], crashed: str) -> None:
        self.room, self.error, self.crashed = room, error, crashed
        self.idle: list[_Helper] = []
        self._lock = threading.Lock()
        atexit.register(self.stop_all)

    def call(
        self,
        function: str,
        arguments: dict[str, Any],
        *,
        timeout: float,
        what: str,
        memory: int,
    ) -> Any:
        """Run ``<room>.<module>:<function>`` in a helper, at most ``timeout`` seconds.

        Parameters
        ----------
        function
            ``"module:function"`` inside the room.
        arguments
            Keyword arguments; only what JSON can hold.
        timeout
            Seconds of calculation.
        what
            The calculation in words, for messages: ``"The SMARTS search"``.
        memory
            Largest address space of the helper, in bytes (Linux only).

        Returns
        -------
        Any
            What the function returned, through JSON (tuples become lists).

        Raises
        ------
        TimeLimitError
            When the time was up.
        PerturbScopeError
            The pool's own class, when the function raised one, or its process died.
        """
        helper = self._helper(memory)
        try:
            answer = helper.ask({"function": function, "arguments": arguments}, timeout)
        except TimeoutError:
            helper.stop()
            raise TimeLimitError(f"{what} was stopped after {timeout:g} seconds.") from None
        except (BrokenPipeError, json.JSONDecodeError):
            helper.stop()
            raise self.error(f"{what} {self.crashed}.") from None
        except BaseException:
            helper.stop()  # an answer that nobody read would be taken for the next call's
            raise
        with self._lock:
            self.idle.append(helper)
        if "fault" in answer:
            raise RuntimeError(f"{what} failed in its helper process:\n{answer['fault']}")
        if "error" in answer:
            raise self.error(answer["error"])
        return answer["result"]

    def _helper(self, memory: int) -> _Helper:
        with self._lock:
            helper = self.idle.pop() if self.idle else None
        if helper is not None and helper.memory == memory and helper.process.poll() is None:
            return helper
        if helper is not None:
            helper.stop()
        return _Helper(self.room, memory)

    def stop_all(self) -> None:
        """Stop the idle helpers."""
        with self._lock:
            while self.idle:
                self.idle.pop().stop()


def _serve() -> None:
    """Answer calls from standard input until it closes."""
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not come between the answers
    room, memory = sys.argv[1], int(sys.argv[2])
    _limit_memory(memory)
    for number, line in enumerate(sys.stdin.buffer):
        request = json.loads(line)
        module, _, name = request["function"].partition(":")
        function = getattr(importlib.import_module(f"{room}.{module}"), name)
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


def _limit_memory(memory: int) -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


if __name__ == "__main__":
    _serve()
