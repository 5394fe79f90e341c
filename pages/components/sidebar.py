"""What the sidebar says on every page: data set, workspace, runs in progress, version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core import __version__
from core import runs as core_runs
from core.settings import get_settings
from pages.components.dataset import KEYS, in_use
from pages.components.guard import guard
from pages.components.text import plain

#: Seconds between two looks at the runs in progress.
REFRESH = 5


def short_path(path: Path) -> str:
    """A folder as people write it: with ``~`` for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


@st.fragment(run_every=REFRESH)
def _runs_in_progress() -> None:
    with guard():
        runs = core_runs.running(get_settings())
        if not runs:
            st.caption(":material/bedtime: No run in progress")
            return
        st.caption(f":material/sync: {len(runs)} in progress")
        for run in runs[:4]:
            st.progress(run.progress.fraction, text=plain(run.name or run.id))


def sidebar() -> Callable[[], None]:
    """Draw the sidebar, before the page that may take a while.

    Returns
    -------
    callable
        Writes the data set in use again; call it once the page has let the user choose.
    """
    with st.sidebar:
        place = st.empty()
        _runs_in_progress()
        st.caption(f":material/folder: {plain(short_path(get_settings().workspace))}")
        st.caption(f"PerturbScope {__version__}")

    def name_dataset() -> None:
        kind = "cells" if KEYS["cells"] in st.query_params else "perturbation"
        chosen = in_use(kind) or st.query_params.get(KEYS[kind]) or "none chosen yet"
        place.caption(f":material/database: Data set: **{plain(chosen)}**")

    name_dataset()
    return name_dataset
