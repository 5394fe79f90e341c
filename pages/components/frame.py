"""The app's frame around a page, also for the first visit after the server started.

Until ``st.navigation`` has run once, Streamlit takes every file of a folder ``pages/`` for a page
of its own and runs it without ``app.py``: a bookmark of ``/explore`` would then open without
theme, menu and sidebar. :func:`enter`, first in every page, goes through ``app.py`` instead.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import streamlit as st

from core.settings import PROJECT_ROOT

_drawn: ContextVar[bool] = ContextVar("frame_drawn", default=False)


@contextmanager
def drawn() -> Iterator[None]:
    """Say that the page inside runs within the frame; for ``app.py``."""
    token = _drawn.set(True)
    try:
        yield
    finally:
        _drawn.reset(token)


def enter() -> None:
    """Run ``app.py`` around this page where it was opened without it."""
    if not _drawn.get():
        runpy.run_path(str(PROJECT_ROOT / "app.py"), run_name="__main__")
        st.stop()
