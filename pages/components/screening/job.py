"""A screen while it runs: progress with rate and time left, cancel, resume."""

from __future__ import annotations

import streamlit as st

from core.runs import RunRecord, cancel, get_run, resume
from core.settings import get_settings
from pages.components.guard import guard
from pages.components.run_labels import duration, state_badge
from pages.components.screening.launch import SCREEN
from pages.components.text import plain

#: Seconds between two looks at a screen in progress.
REFRESH = 1.5


def panel(run_id: str) -> RunRecord:
    """Head of the screen ``run_id``; refreshes by itself until it ends."""
    record = get_run(run_id, settings=get_settings())
    st.fragment(_panel, run_every=REFRESH if record.active else None)(run_id, record.active)
    return record


def _panel(run_id: str, was_active: bool) -> None:
    with guard():
        record = get_run(run_id, settings=get_settings())
        if record.active != was_active:
            st.rerun()  # the whole page: results come, or the refreshing starts
        with st.container(border=True):
            _head(record)
            if record.active:
                _bar(record)
            elif record.error:
                st.warning(plain(record.error), icon=":material/info:")
            for sentence in record.warnings:
                st.caption(f":material/warning: {plain(sentence)}")


def _head(record: RunRecord) -> None:
    words, actions = st.columns([3, 2], vertical_alignment="center")
    with words, st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(record.name)}**", width="content")
        state_badge(record)
        if record.seconds is not None:
            st.caption(duration(record.seconds), width="content")
    with (
        actions,
        st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"),
    ):
        if record.active and st.button(
            "Cancel", icon=":material/stop:", key="screen-cancel", disabled=record.cancelling
        ):
            cancel(record.id, settings=get_settings())
            st.rerun(scope="fragment")
        if record.resumable and st.button(
            "Resume", icon=":material/resume:", key="screen-resume", type="primary"
        ):
            resume(record.id, settings=get_settings())
            st.rerun()
        if st.button("New screen", icon=":material/add:", key="screen-new"):
            for name in (SCREEN, "hit", "part"):
                st.query_params.pop(name, None)
            st.rerun()


def _bar(record: RunRecord) -> None:
    words = record.progress.message or "waiting for a worker"
    if record.cancelling:
        words = "stops after the chunk in progress; finished chunks are kept"
    left = time_left(record)
    if left and "left" not in words:
        words = f"{words}; {left}"
    st.progress(record.progress.fraction, text=plain(words))


def time_left(record: RunRecord) -> str:
    """Words on how long a screen may still take, by the pace so far; empty while unknown."""
    done, seconds = record.progress.fraction, record.seconds
    if seconds is None or not 0.02 < done < 1 or seconds < 2:
        return ""
    return f"about {duration(seconds * (1 - done) / done)} left"
