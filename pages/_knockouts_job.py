"""A knock-out run while it works: progress, cancel, resume."""

from __future__ import annotations

import streamlit as st

from core.runs import RunRecord, RunState, cancel, get_run, resume
from core.settings import get_settings
from pages._knockouts_view import FOLLOWED, OPEN, PRETRAINING
from pages.components.guard import guard
from pages.components.run_labels import duration, state_badge
from pages.components.text import plain

#: Seconds between two looks at a run in progress.
REFRESH = 1.5


def panel(run_id: str) -> None:
    """Head of the run ``run_id``; refreshes by itself until it ends."""
    record = get_run(run_id, settings=get_settings())
    if record.state == RunState.FINISHED:
        (trained if record.study == PRETRAINING else show)(run_id)
        st.rerun()
    st.fragment(_panel, run_every=REFRESH if record.active else None)(run_id, record.active)


def show(run_id: str) -> None:
    """Open a finished run in place of the one that is followed."""
    st.query_params.pop(FOLLOWED, None)
    st.session_state[OPEN] = st.query_params[OPEN] = run_id
    st.session_state["view"] = st.query_params["view"] = "runs"


def trained(run_id: str) -> None:
    """Show what a finished training was measured to know."""
    st.query_params.pop(FOLLOWED, None)
    st.session_state["trained"] = st.query_params["trained"] = run_id
    st.session_state["view"] = st.query_params["view"] = "pretrain"


def _panel(run_id: str, was_active: bool) -> None:
    with guard():
        record = get_run(run_id, settings=get_settings())
        if record.active != was_active:
            st.rerun()  # the whole page: results come, or the refreshing starts
        with st.container(border=True):
            _head(record)
            if record.active:
                words = record.progress.message or "waiting for a worker"
                if record.cancelling:
                    words = "stops after the step in progress; what is finished is kept"
                st.progress(record.progress.fraction, text=plain(words))
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
            "Cancel", icon=":material/stop:", key="knockouts-cancel", disabled=record.cancelling
        ):
            cancel(record.id, settings=get_settings())
            st.rerun(scope="fragment")
        if record.resumable and st.button(
            "Resume", icon=":material/resume:", key="knockouts-resume", type="primary"
        ):
            resume(record.id, settings=get_settings())
            st.rerun()
        if not record.active and st.button("Close", icon=":material/close:", key="knockouts-close"):
            st.query_params.pop(FOLLOWED, None)
            st.rerun()
