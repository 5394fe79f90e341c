"""Data sets: what there is, what is ready, and the way in for your own."""

from __future__ import annotations

import streamlit as st

from core.data import DataSetStatus, list_datasets, prepare, remove
from core.settings import get_settings
from pages import _datasets_import
from pages.components import badge, dataset, frame
from pages.components.guard import guard
from pages.components.progress import reporting
from pages.components.text import plain

KINDS = {
    "perturbation": (
        "Perturbation tables",
        "One row a (cell type, compound) pair, one column a gene.",
    ),
    "cells": ("Cells", "Single cells with their counts or log expression."),
}


def size(status: DataSetStatus) -> str:
    """What the set takes: on disk where it is ready, else of the download."""
    if status.ready and status.disk_mb is not None:
        return f"{status.disk_mb:,.0f} MB on disk"
    return f"{status.size_mb:,.0f} MB to download" if status.size_mb else "nothing to download"


def removal(id: str) -> None:
    """A button that asks once more: an imported set cannot be fetched again."""
    with st.popover("Remove", icon=":material/delete:", type="tertiary", key=f"removal-{id}"):
        st.markdown(
            f"Remove **{plain(id)}** from the workspace? Downloaded files stay; a data set that "
            "you imported must be imported again. Runs that used it are kept."
        )
        if st.button("Remove it", type="primary", key=f"remove-{id}"):
            with guard():
                remove(id, get_settings())
                st.toast(f"Removed {plain(id)}.")
                st.rerun()


def actions(status: DataSetStatus) -> None:
    """Buttons of one set."""
    if not status.ready:
        pressed = st.button(
            "Prepare", key=f"prepare-{status.id}", icon=":material/download:", width="stretch"
        )
        if pressed:
            with guard():
                with reporting(f"Preparing {status.id}") as on_progress:
                    prepare(status.id, settings=get_settings(), on_progress=on_progress)
                st.toast(f"{plain(status.id)} is ready.", icon=":material/check:")
                st.rerun()
        return
    if status.kind == "perturbation":
        explore = st.button(
            "Explore", key=f"explore-{status.id}", icon=":material/biotech:", width="stretch"
        )
        if explore:
            dataset.use(status.id)
            st.switch_page("pages/explore.py", query_params={"dataset": status.id})
    elif st.button(
        "Explore", key=f"explore-{status.id}", icon=":material/bubble_chart:", width="stretch"
    ):
        dataset.use(status.id, "cells")
        st.switch_page("pages/cells.py", query_params={dataset.KEYS["cells"]: status.id})
    removal(status.id)


def details(status: DataSetStatus) -> None:
    """Where it comes from and what must be cited."""
    rows = {
        "Licence": status.licence,
        "Citation": status.citation,
        "Source": status.source,
        "Values": status.target,
        "Prepared": status.created,
        "Content hash": status.content_hash,
        "Note": status.note,
    }
    lines = [f"- **{name}**: {plain(value)}" for name, value in rows.items() if value]
    lines += [f"- **Mind**: {plain(warning)}" for warning in status.warnings]
    st.markdown("\n".join(lines))
    if status.homepage.startswith(("https://", "http://")):
        st.link_button("Home page", status.homepage, icon=":material/open_in_new:")


def card(status: DataSetStatus) -> None:
    """One data set: what it is on the left, what can be done on the right."""
    with st.container(border=True, key=f"card-{status.id}"):
        words, buttons = st.columns([6, 1.3], vertical_alignment="top")
        with words:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{plain(status.label)}** · `{status.id}`", width="content")
                if status.ready:
                    st.badge("ready", icon=":material/check:", color="green")
                else:
                    st.badge("not prepared", color="gray")
                if status.imported:
                    st.badge("yours", color="violet")
                badge.simulated(status.simulated)
            if status.help:
                st.markdown(plain(status.help))
            facts = (status.organism, status.shape, size(status), status.licence)
            st.caption(" · ".join(plain(fact) for fact in facts if fact))
            with st.expander("Details, citation and source", key=f"details-{status.id}"):
                details(status)
        with buttons:
            actions(status)


frame.enter()
st.title("Data sets")
with guard():
    sets = list_datasets(get_settings())
    tabs = st.tabs(
        [title for title, _ in KINDS.values()] + ["Import your own"],
        key="kind",
        bind="query-params",
    )
    for tab, (kind, (_, words)) in zip(tabs, KINDS.items(), strict=False):
        if tab.open:
            with tab:
                st.markdown(words)
                for status in sorted(
                    (s for s in sets if s.kind == kind), key=lambda s: not s.ready
                ):
                    with guard():
                        card(status)
    if tabs[-1].open:
        with tabs[-1], guard():
            _datasets_import.panel()
