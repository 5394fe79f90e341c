"""One run while it runs: progress, live curve, cancel; what came out when it has ended."""

from __future__ import annotations

import streamlit as st

from core.plots.training import loss_curves
from core.runs import RunRecord, RunState, cancel, get_run, history, resume
from core.settings import get_settings
from pages.components import figure
from pages.components.guard import guard
from pages.components.run_labels import duration, state_badge
from pages.components.text import plain

#: Seconds between two looks at a run in progress.
REFRESH = 1.5


def panel(run_id: str) -> None:
    """Follow the run ``run_id``; refreshes by itself until it ends."""
    record = get_run(run_id, settings=get_settings())
    st.fragment(_panel, run_every=REFRESH if record.active else None)(run_id, record.active)


def _panel(run_id: str, was_active: bool) -> None:
    with guard():
        record = get_run(run_id, settings=get_settings())
        if record.active != was_active:
            st.rerun()  # the whole page: the refreshing starts or stops, the form comes back
        with st.container(border=True):
            _head(record)
            _state(record)
            _curve(record)


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
            "Cancel", icon=":material/stop:", key="progress-cancel", disabled=record.cancelling
        ):
            cancel(record.id, settings=get_settings())
            st.rerun(scope="fragment")
        if record.resumable and st.button(
            "Resume", icon=":material/resume:", key="progress-resume", type="primary"
        ):
            resume(record.id, settings=get_settings())
            st.rerun()
        st.page_link(
            "pages/runs.py",
            label="Open in Runs",
            icon=":material/monitoring:",
            query_params={"runs": record.id},
        )
        if not record.active and st.button("Close", icon=":material/close:", key="progress-close"):
            st.query_params.pop("run", None)
            st.rerun()


def _state(record: RunRecord) -> None:
    if record.active:
        words = record.progress.message or "waiting for a worker"
        if record.cancelling:
            words = "stops after the epoch in progress"
        st.progress(record.progress.fraction, text=plain(words))
    elif record.state == RunState.FINISHED:
        mrrmse = record.metrics.get("mrrmse")
        if mrrmse is not None:
            st.success(f"Finished: validation MRRMSE {mrrmse:.4f}.", icon=":material/check_circle:")
    elif record.error:
        st.warning(plain(record.error), icon=":material/info:")
    for sentence in record.warnings:
        st.caption(f":material/warning: {plain(sentence)}")


def _curve(record: RunRecord) -> None:
    epochs = history(record.id, settings=get_settings())
    if epochs.empty:
        if record.active:
            st.caption("The training curves appear with the first finished epoch.")
        return
    chart = loss_curves(epochs.assign(run=record.name), figure.colours())
    chart.update_layout(uirevision=record.id)
    figure.show(chart, key="progress-curves", data=epochs, height=300, name=f"{record.id}-curves")
