"""A preparation of cells in the background: started from a section, followed there."""

from __future__ import annotations

import streamlit as st

from core.errors import PerturbScopeError
from core.runs import RunRecord, RunState, cancel, get_run, submit
from core.settings import get_settings
from core.studies.cells import STUDY
from core.studies.cells.config import CellsConfig
from pages._cells_view import SECTION, choose_later
from pages.components import dataset
from pages.components.command import command_line
from pages.components.guard import guard
from pages.components.text import plain

#: URL parameter of the run that is followed.
JOB = "job"
REFRESH = 1.0


def start(config: CellsConfig) -> None:
    """Submit a preparation and follow it."""
    st.query_params[JOB] = submit(STUDY, config, settings=get_settings())
    st.rerun()


def command(config: CellsConfig) -> None:
    """The same on the command line."""
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(command_line(STUDY, config), language="bash", wrap_lines=True)


def follow() -> bool:
    """Show the run in the URL, if there is one; whether it is still at work."""
    run_id = st.query_params.get(JOB)
    if not run_id:
        return False
    try:
        record = get_run(run_id, settings=get_settings())
    except PerturbScopeError:
        st.query_params.pop(JOB, None)
        return False
    st.fragment(_panel, run_every=REFRESH if record.active else None)(run_id, record.active)
    return record.active


def _panel(run_id: str, was_active: bool) -> None:
    with guard():
        record = get_run(run_id, settings=get_settings())
        if record.active != was_active:
            st.rerun()  # the whole page: new coordinates come
        with st.container(border=True):
            _state(record)


def _open(id: str) -> None:
    """Go on with the data set that was made."""
    choose_later(**{dataset.KEYS["cells"]: id, SECTION: "Explore"})
    st.query_params.pop(JOB, None)
    st.rerun()


def _state(record: RunRecord) -> None:
    if record.active:
        message = record.progress.message or "waiting for a worker"
        st.progress(record.progress.fraction, text=plain(message))
    elif record.state == RunState.FINISHED:
        st.success(_result(record), icon=":material/check_circle:")
    else:
        st.warning(plain(record.error or f"The run is {record.state}."), icon=":material/info:")
    with st.container(horizontal=True):
        _actions(record)


def _actions(record: RunRecord) -> None:
    new = record.config.get("save_as")
    if (
        record.state == RunState.FINISHED
        and new
        and st.button(
            f"Open {plain(new)}",
            icon=":material/arrow_forward:",
            key="cells-job-open",
            type="primary",
        )
    ):
        _open(str(new))
    if record.active:
        if st.button("Cancel", icon=":material/stop:", key="cells-job-cancel"):
            cancel(record.id, settings=get_settings())
            st.rerun(scope="fragment")
    elif st.button("Close", icon=":material/close:", key="cells-job-close"):
        st.query_params.pop(JOB, None)
        st.rerun()


def _result(record: RunRecord) -> str:
    m = record.metrics
    words = f"{m.get('n_cells', 0):,.0f} cells × {m.get('n_genes', 0):,.0f} genes"
    gone = f"{m.get('cells_removed', 0):,.0f} cells and {m.get('genes_removed', 0):,.0f} genes"
    clusters = f", {m['n_clusters']:,.0f} clusters" if "n_clusters" in m else ""
    explained = 100 * m.get("variance_explained", 0)
    return (
        f"{words} ({gone} removed), {m.get('n_pcs', 0):,.0f} components with {explained:.0f} % of "
        f"the variance{clusters}; {m.get('seconds', 0):,.0f} s."
    )
