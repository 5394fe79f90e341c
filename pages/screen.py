"""Screen: rank molecules by what a trained model predicts that they do."""

from __future__ import annotations

import streamlit as st

from core.runs import RunState
from pages.components import frame
from pages.components.guard import guard
from pages.components.run_table import runs_of
from pages.components.screening import job, launch, library, model, objective, results
from pages.components.text import plain


def form() -> None:
    """Three steps on the left; what they come to, and the start, on the right."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        st.subheader("1 · Molecules", anchor=False)
        chosen = None
        with guard():
            chosen = library.choose()
        st.subheader("2 · Model", anchor=False)
        asked = model.choose()
        if asked is None:
            return
        st.subheader("3 · What a molecule should do", anchor=False)
        goal = objective.choose(asked[0])
    with right, st.container(border=True):
        launch.launch(chosen, *asked, goal)


def earlier() -> None:
    """Screens of this workspace, to be opened again."""
    records = runs_of(launch.STUDY)
    if not records:
        return
    by_id = {record.id: record for record in records}

    def words(id: str) -> str:
        record = by_id[id]
        return f"{record.name} · {record.created:%Y-%m-%d %H:%M} · {record.state}"

    def go() -> None:
        st.query_params[launch.SCREEN] = st.session_state["screen-earlier"]

    st.selectbox(
        "Open an earlier screen",
        list(by_id),
        index=None,
        format_func=words,
        placeholder=f"{len(records)} in this workspace",
        key="screen-earlier",
        on_change=go,
        width=520,
    )


frame.enter()
st.title("Screen")
st.caption(
    "Rank molecules by the response that a trained model predicts for them: those that lower or "
    "raise genes, or that reverse a disease's signature "
    "([Lamb et al. 2006](https://doi.org/10.1126/science.1132939), "
    "[Subramanian et al. 2017](https://doi.org/10.1016/j.cell.2017.10.049)). Predictions are "
    "hypotheses for the bench, not measurements."
)
with guard():
    followed = st.query_params.get(launch.SCREEN)
    if followed:
        record = job.panel(followed)
        if record.study != launch.STUDY:
            st.warning(f"The run {plain(followed)} is no screen.", icon=":material/link_off:")
        elif record.state == RunState.FINISHED:
            results.results(record)
    else:
        earlier()
        form()
