"""Progress on a terminal: ``on_progress(done, total, message)`` as a tqdm bar on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

#: Totals above this are shown with k, M and G; those of downloads are bytes.
LARGE = 10_000


class ProgressBar:
    """Context manager that is itself the callback; one bar for each message.

    Where stderr is no terminal each message is one plain line.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._message: str | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int, message: str) -> None:

        from tqdm import tqdm

        if message != self._message:
            self._close()
            self._message = message
            if not sys.stderr.isatty():
                print(f"{message} …", file=sys.stderr)
                return
            self._bar = tqdm(total=total or None, desc=message, unit="", unit_scale=total > LARGE)
        if self._bar is not None:
            self._bar.total = total or None
            self._bar.update(done - self._bar.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
