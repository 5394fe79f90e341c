"""Long work on a page: a bar that follows ``on_progress(done, total, message)``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import streamlit as st

from core.progress import OnProgress
from pages.components.text import plain

#: Seconds between two updates: a bar that is drawn for each chunk slows the work.
_EVERY = 0.1


@contextmanager
def reporting(title: str) -> Iterator[OnProgress]:
    """Give the work inside a callback that draws a bar; the bar goes when the work ends."""
    place = st.empty()
    bar = place.progress(0.0, text=f"{plain(title)} …")
    last = 0.0

    def on_progress(done: int, total: int, message: str) -> None:
        nonlocal last
        now = monotonic()
        if now - last < _EVERY and done < total:
            return
        last = now
        fraction = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        bar.progress(fraction, text=f"{plain(title)}: {plain(message)}")

    try:
        yield on_progress
    finally:
        place.empty()
