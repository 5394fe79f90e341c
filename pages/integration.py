"""Batch integration: correct batches by several methods, and see before and after."""

from __future__ import annotations

import streamlit as st

from core.runs import RunRecord
from pages import (
    _integration_correction,
    _integration_downloads,
    _integration_form,
    _integration_groups,
    _integration_job,
    _integration_maps,
    _integration_resolutions,
    _integration_scores,
    _integration_topics,
)
from pages._integration_view import FOLLOWED, OPEN, RUNS, finished, open_view
from pages.components import badge, figure, frame
from pages.components.guard import guard
from pages.components.run_labels import names
from pages.components.text import plain

#: Tab → what draws it; only the open one runs.
SECTIONS = {
    "Maps": _integration_maps.maps,
    "Scores": _integration_scores.scores,
    "Resolutions": _integration_resolutions.resolutions,
    "Cell types": _integration_groups.groups,
    "Correction": _integration_correction.correction,
    "Topics": _integration_topics.topics,
    "Files": _integration_downloads.downloads,
}
NEW = "New integration"


def choose_runs(records: list[RunRecord]) -> list[RunRecord]:
    """Finished runs to lay side by side; the newest one first."""
    titles = names(records)
    # The address holds ids: bound by Streamlit it would hold the names that are shown.
    wanted = st.session_state.pop(OPEN, None)
    if wanted is None and RUNS not in st.session_state:
        wanted = st.query_params.get_all(RUNS) or [records[0].id]
    if wanted is not None:
        st.session_state[RUNS] = wanted
    st.session_state[RUNS] = [run for run in st.session_state[RUNS] if run in titles]
    chosen = st.multiselect(
        "Runs",
        list(titles),
        format_func=titles.__getitem__,
        key=RUNS,
        max_selections=4,
        help="Methods of one run are laid side by side; so are the methods of two or more runs.",
    )
    st.query_params[RUNS] = chosen
    by_id = {r.id: r for r in records}
    return [by_id[run] for run in chosen]


def results(records: list[RunRecord]) -> None:
    """The open runs in tabs."""
    view = open_view(records, figure.colours())
    for result in view.results.values():
        badge.simulated(result.simulated)
    sets = {result.facts["dataset"] for result in view.results.values()}
    facts = view.first.facts
    st.caption(
        f"{plain(facts['label'])}: {facts['n_cells']:,} cells in {len(facts['batches'])} batches, "
        f"{facts['n_genes']:,} genes; the same cells, genes and neighbour search for every method."
        if len(view.results) == 1
        else f"{len(view.results)} runs, {len(view.entries)} methods."
    )
    if len(sets) > 1:
        st.warning("These runs are of different data sets: their scores are not comparable.")
    for sentence in facts["concerns"]:
        st.caption(f":material/info: {plain(sentence)}")
    tabs = st.tabs(list(SECTIONS), key="part", bind="query-params", on_change="rerun")
    for tab, draw in zip(tabs, SECTIONS.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(view)


frame.enter()
st.title("Batch integration")
st.caption(
    "Are clusters biology or batch? Every method gets the same cells; see them before and after, "
    "and which one mixes the batches without mixing the cell types."
)
with guard():
    followed = st.query_params.get(FOLLOWED)
    if followed:
        with guard():
            _integration_job.panel(followed)
    done = finished()
    if not done:
        _integration_form.form()
    else:
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        with right:
            new = st.toggle(NEW, key="new", bind="query-params")
        with left:
            opened = choose_runs(done) if not new else []
        if new:
            _integration_form.form()
        elif opened:
            results(opened)
        else:
            st.info("Choose a finished run, or start a new integration.")
