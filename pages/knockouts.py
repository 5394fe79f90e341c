"""Knock-outs: remove genes in silico, and see how much of the answer is the rank's."""

from __future__ import annotations

import streamlit as st

from pages import (
    _knockouts_cells,
    _knockouts_files,
    _knockouts_form,
    _knockouts_goal,
    _knockouts_job,
    _knockouts_modes,
    _knockouts_now,
    _knockouts_pretrain,
    _knockouts_ranks,
    _knockouts_responders,
    _knockouts_scan,
)
from pages._knockouts_model import badge as model_badge
from pages._knockouts_view import FOLLOWED, OPEN, View, finished, open_result
from pages.components import badge, choice, figure, frame
from pages.components.guard import guard
from pages.components.run_labels import names
from pages.components.text import plain

VIEWS = {
    "now": "One gene, now",
    "runs": "Finished runs",
    "new": "New run",
    "pretrain": "Train a model",
}
#: Tab → what draws it; only the open one runs.
AT_ONCE = {
    "Ranks": _knockouts_ranks.ranks,
    "Modes": _knockouts_modes.modes,
    "Responders": _knockouts_responders.responders,
    "Model and files": _knockouts_files.files,
}
OF_A_RUN = {
    "Ranks": _knockouts_ranks.ranks,
    "Many ranks": _knockouts_scan.scan,
    "Modes": _knockouts_modes.modes,
    "Cells": _knockouts_cells.cells,
    "Responders": _knockouts_responders.responders,
    "Goal state": _knockouts_goal.goal,
    "Model and files": _knockouts_files.files,
}


def sections(view: View, parts: dict, key: str) -> None:
    """The open analysis in tabs."""
    tabs = st.tabs(list(parts), key=key, bind="query-params", on_change="rerun")
    for tab, draw in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(view)


def now() -> None:
    """One gene of one cell."""
    analysis = _knockouts_now.choose()
    if analysis is not None:
        sections(View(analysis, None, figure.colours()), AT_ONCE, "part")


def runs() -> None:
    """A finished run."""
    done = {record.id: record for record in finished()}
    if not done:
        st.info(
            "No knock-out run has finished yet: start one under New run.",
            icon=":material/content_cut:",
        )
        return
    titles = names(list(done.values()))
    opened = choice.select("Run", list(done), key=OPEN, format_func=titles.__getitem__)
    result = open_result(done[opened])
    analysis = result.analysis
    facts = analysis.facts
    with st.container(horizontal=True, vertical_alignment="center"):
        badge.simulated(bool(facts["simulated"]))
        model_badge(facts["card"])
        st.caption(
            f"{plain(facts['label'])}: {plain(analysis.title)} of {len(analysis.cells):,} cells, "
            f"{len(analysis.modes)} modes, {plain(facts['card'].get('name', 'model'))}."
        )
    for sentence in facts["warnings"]:
        st.warning(plain(sentence), icon=":material/warning:")
    st.markdown(f"**{plain(analysis.verdict())}**")
    sections(View(analysis, result, figure.colours()), OF_A_RUN, "section")


frame.enter()
st.title("Knock-outs")
st.caption(
    "A rank transformer ([Theodoris et al. 2023](https://doi.org/10.1038/s41586-023-06139-9)) "
    "reads a cell as its genes in order of expression. Deleting a gene moves every gene below it "
    "up one rank, and their embeddings answer to that "
    "([the question](https://huggingface.co/ctheodoris/Geneformer/discussions/337)): see how much "
    "of a response is the rank's, and knock out without it."
)
with guard():
    followed = st.query_params.get(FOLLOWED)
    if followed:
        with guard():
            _knockouts_job.panel(followed)
    shown = choice.segments(
        "View", list(VIEWS), key="view", format_func=VIEWS.__getitem__, label_visibility="collapsed"
    )
    {
        "now": now,
        "runs": runs,
        "new": _knockouts_form.form,
        "pretrain": _knockouts_pretrain.pretrain,
    }[shown]()
