"""Runs: watch them, lay them over each other, and read what they learned."""

from __future__ import annotations

import streamlit as st

from core.runs import RunRecord
from pages.components import (
    badge,
    frame,
    run_actions,
    run_agreement,
    run_cells,
    run_curves,
    run_errors,
    run_others,
    run_parameters,
    run_published,
    run_scores,
    run_table,
)
from pages.components.guard import guard
from pages.components.text import plain

STUDY = "perturbation"

#: Tab → what draws it; only the open one runs.
SECTIONS = {
    "Curves": run_curves.curves,
    "Scores": run_scores.scores,
    "Cell types": run_cells.cells,
    "Predictions": run_agreement.agreement,
    "Errors": run_errors.errors,
    "Parameters": run_parameters.parameters,
    "Published": run_published.published,
}
#: More runs than this make unreadable figures.
MOST = 8


def chosen(records: list[RunRecord]) -> list[RunRecord]:
    """The runs of the URL, in its order; the newest one where it names none."""
    by_id = {record.id: record for record in records}
    ids = run_table.selected_ids()
    missing = [id for id in ids if id not in by_id]
    if missing:
        st.warning(
            f"This workspace has no run {plain(', '.join(missing))}: it was deleted, or the link "
            "comes from another workspace.",
            icon=":material/link_off:",
        )
    found = [by_id[id] for id in ids if id in by_id]
    if len(found) > MOST:
        st.info(f"{len(found)} runs are selected; the figures show the first {MOST}.")
    return found[:MOST]


def page() -> None:
    """The table, what can be done with the selected runs, and what they show."""
    records = run_table.runs_of(STUDY)
    if not records:
        st.info("There are no runs yet.", icon=":material/monitoring:")
        st.page_link("pages/train.py", label="Train a model", icon=":material/model_training:")
        return
    run_table.select_newest(records)
    run_table.table(STUDY)
    selection = chosen(records)
    if not selection:
        st.info("Tick runs in the table to see and compare them.", icon=":material/checklist:")
        return
    run_actions.actions(selection)
    run_actions.troubles(selection)
    badge.simulated(any(record.simulated for record in selection))
    tabs = st.tabs(list(SECTIONS), key="panel", bind="query-params")
    for tab, draw in zip(tabs, SECTIONS.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(selection)


frame.enter()
st.title("Runs")
st.caption(
    "Every training run of this workspace. Select one or more: the figures below lay them over "
    "each other, and the address bar keeps the view."
)
with guard():
    page()
with guard():
    run_others.table(STUDY)
