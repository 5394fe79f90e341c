"""Progress on a terminal: ``on_progress(done, total, message)`` as a tqdm bar on stderr."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import Any, Self

#: Totals above this are shown with k, M and G; those of downloads are bytes.
LARGE = 10_000


class ProgressBar:
    """Context manager that is itself the callback: one bar for each total.

    A step without a total, and every step where stderr is no terminal, is one plain line.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._message: str | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int, message: str) -> None:
        new, self._message = message != self._message, message
        if not total or not sys.stderr.isatty():
            self._close()
            if new:
                print(f"{message} …", file=sys.stderr)
            return
        if self._bar is None or self._bar.total != total:
            self._close()
            self._bar = self._open(total, message)
        if new:
            self._bar.set_description_str(message, refresh=False)
        self._bar.update(done - self._bar.n)

    def _open(self, total: int, message: str) -> Any:
        from tqdm import tqdm

        # tqdm shows nothing where the terminal reports no width; shutil then says 80.
        width = shutil.get_terminal_size().columns
        return tqdm(total=total, desc=message, ncols=width, unit="", unit_scale=total > LARGE)

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
