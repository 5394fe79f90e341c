"""What can be done with the selected runs: cancel, resume, delete, train from."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.runs import RunRecord, cancel, remove, resume
from core.settings import get_settings
from pages.components.guard import guard
from pages.components.run_labels import names, state_badge
from pages.components.run_table import select
from pages.components.text import plain


def actions(records: Sequence[RunRecord]) -> None:
    """Buttons for the selected runs; only those that can do something are there."""
    settings = get_settings()
    active = [r for r in records if r.active and not r.cancelling]
    resumable = [r for r in records if r.resumable]
    ended = [r for r in records if not r.active]
    with st.container(horizontal=True, vertical_alignment="center"):
        if active and st.button(
            _label("Cancel", active), icon=":material/stop:", key="runs-cancel"
        ):
            with guard():
                for record in active:
                    cancel(record.id, settings=settings)
                st.rerun()
        if resumable and st.button(
            _label("Resume", resumable), icon=":material/resume:", key="runs-resume", type="primary"
        ):
            with guard():
                for record in resumable:
                    resume(record.id, settings=settings)
                st.rerun()
        if len(records) == 1:
            st.page_link(
                "pages/train.py",
                label="Train from this one",
                icon=":material/edit:",
                query_params={"from": records[0].id},
            )
        if ended and st.button(
            _label("Delete", ended), icon=":material/delete:", key="runs-delete"
        ):
            _confirm(ended)


def _label(verb: str, records: Sequence[RunRecord]) -> str:
    return verb if len(records) == 1 else f"{verb} {len(records)} runs"


@st.dialog("Delete for good?", icon=":material/delete:")
def _confirm(records: Sequence[RunRecord]) -> None:
    st.write("Results, checkpoints and curves are removed from the workspace:")
    st.markdown("\n".join(f"- {plain(r.name)} ({plain(r.id)})" for r in records))
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="runs-delete-yes"):
            with guard():
                for record in records:
                    remove(record.id, settings=get_settings())
                select([])
                st.rerun()
        if st.button("Keep", key="runs-delete-no"):
            st.rerun()


def troubles(records: Sequence[RunRecord]) -> None:
    """One line for each selected run that has not finished: its state and reason."""
    labels = names(records)
    for record in records:
        if not (record.error or record.warnings or record.state != "finished"):
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            state_badge(record)
            st.markdown(f"**{plain(labels[record.id])}**", width="content")
            words = record.error or (record.progress.message if record.active else "")
            st.caption(plain(" ".join([words, *record.warnings])), width="content")
