"""Choose landmark genes: begin a selection, follow it, open a finished one."""

from __future__ import annotations

import streamlit as st

from core.data.gene_lists import L1000, list_gene_lists
from core.models.selectors import SELECTORS
from core.runs import RunRecord, RunState, get_run, submit
from core.settings import get_settings
from core.studies.landmark_selection.config import LandmarkSelectionConfig
from pages import _landmarks_selected as selected
from pages._landmarks_view import LandmarkView
from pages.components import dataset, run_progress
from pages.components.command import command_line
from pages.components.config_form import check, study_form
from pages.components.guard import guard
from pages.components.run_table import runs_of
from pages.components.text import plain

STUDY = "landmark-selection"
#: URL parameters: the run that is followed, and the finished run that is shown.
RUN, OPEN = "run", "selection"
_ASKED = ("dataset", "data", "lists", "transfer_dataset")


def show(view: LandmarkView) -> None:
    """Draw the section."""
    records = [r for r in runs_of(STUDY) if r.config.get("dataset") == view.id]
    finished = [r for r in records if r.state == RunState.FINISHED]
    followed = st.query_params.get(RUN)
    if followed:
        with guard():
            if get_run(followed, settings=get_settings()).study == STUDY:
                run_progress.panel(followed)
    with st.expander("Begin a selection", icon=":material/add_circle:", expanded=not records):
        form(view)
    if not finished:
        st.info(
            "No finished selection on these cells yet: begin one above. It goes on in the "
            "background, and what is done is kept when you cancel.",
            icon=":material/info:",
        )
        return
    record = choose(finished, followed)
    if record is not None:
        with guard():
            selected.results(view, record)


def choose(finished: list[RunRecord], followed: str | None) -> RunRecord | None:
    """The finished selection to show: the one just followed, else the newest."""
    by_id = {record.id: record for record in finished}
    if st.session_state.get(OPEN) not in by_id:
        st.session_state.pop(OPEN, None)
        if st.query_params.get(OPEN) not in by_id:
            first = followed if followed in by_id else finished[0].id
            st.session_state[OPEN] = st.query_params[OPEN] = first

    def words(id: str) -> str:
        record = by_id[id]
        return f"{record.name} · {record.created:%Y-%m-%d %H:%M}"

    chosen = st.selectbox(
        "Finished selection",
        list(by_id),
        index=None,
        format_func=words,
        key=OPEN,
        bind="query-params",
        width=520,
    )
    return by_id.get(chosen or "")


def form(view: LandmarkView) -> None:
    """Selectors, size, splits; the button and the command line."""
    left, right = st.columns([5, 3], gap="large")
    allowed = view.data.n_genes - round(0.2 * view.data.n_genes)
    start = LandmarkSelectionConfig(n_genes=max(1, min(910, 6 * allowed // 10)))
    with left:
        draft = study_form(
            LandmarkSelectionConfig,
            start,
            f"landmark-selection.{view.id}",
            {"selectors": SELECTORS},
            skip=_ASKED,
        )
        lists, other = beside(view)
    draft |= {
        "dataset": view.id,
        "data": view.config.model_dump(),
        "lists": lists,
        "transfer_dataset": other,
    }
    config, faults = check(LandmarkSelectionConfig, draft)
    with right, st.container(border=True):
        st.subheader("This selection", anchor=False)
        for fault in faults:
            st.error(plain(fault), icon=":material/error:")
        if config is None:
            return
        held = round(config.held_share * view.data.n_genes)
        free = view.data.n_genes - held
        a, b, c = st.columns(3)
        a.metric("Allowed", f"{free:,}", help="Genes that selectors see.")
        b.metric("Held out", f"{held:,}", help="Genes that no selector sees: they judge all sets.")
        c.metric("Sets", len(config.selectors))
        too_many = config.n_genes >= free
        if too_many:
            st.error(
                f"{config.n_genes:,} genes are wanted, but only {free:,} may be chosen.",
                icon=":material/error:",
            )
        if st.button(
            "Start",
            type="primary",
            icon=":material/play_arrow:",
            key="selection-start",
            disabled=too_many,
            width="stretch",
        ):
            run_id = submit(STUDY, config, settings=get_settings())
            st.query_params[RUN] = run_id
            st.session_state.pop(OPEN, None)
            st.query_params.pop(OPEN, None)
            st.rerun()
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, config), language="bash", wrap_lines=True)


def beside(view: LandmarkView) -> tuple[tuple[str, ...], str | None]:
    """Lists judged beside the selected sets, and another tissue to try the sets on."""
    names = [found.name for found in list_gene_lists(get_settings())]
    tissues = {s.id: s.label for s in dataset.ready("cells") if s.id != view.id}
    left, right = st.columns(2, gap="medium")
    with left:
        lists = st.multiselect(
            "Lists judged beside them",
            names,
            default=[L1000],
            key="selection-lists",
            help="L1000 and the lists of this workspace; judged on the same held-out genes.",
        )
    with right:
        other = st.selectbox(
            "Try the sets on another tissue",
            list(tissues),
            index=None,
            format_func=lambda id: tissues[id],
            placeholder="none",
            key="selection-other",
            help="A second data set: sets learned here and there are judged on its test cells.",
        )
    return tuple(lists), other
