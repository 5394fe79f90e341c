"""The one way in which long work reports: ``on_progress(done, total, message)``."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int, str], None]


def silent(done: int, total: int, message: str) -> None:
    """Report nothing; the default where nobody listens."""
