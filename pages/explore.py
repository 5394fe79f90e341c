"""Explore a perturbation table before any model sees it."""

from __future__ import annotations

import streamlit as st

from core.data.table import TRAIN
from pages import _explore_effects, _explore_overview, _explore_similarity
from pages._explore_view import View
from pages.components import badge, dataset, figure, frame
from pages.components.guard import guard
from pages.components.text import plain

#: Tab → what draws it; only the open one runs.
SECTIONS = {
    "Design": _explore_overview.design,
    "Gene": _explore_effects.gene,
    "All genes": _explore_overview.genes,
    "Pair": _explore_effects.pair,
    "Correlation": _explore_similarity.correlation,
    "Map": _explore_similarity.embedding,
    "Strength": _explore_similarity.strength,
}
SCOPES = {TRAIN: "Training rows", "all": "All measured rows"}


def choose_view() -> View | None:
    """Data set and rows, from the widgets at the top."""
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        id = dataset.choose("perturbation")
    if id is None:
        return None
    table = dataset.table(id)
    has_test = bool((table.obs["split"] != TRAIN).any())
    scope = "all"
    if has_test:
        with right:
            scope = st.segmented_control(
                "Rows",
                list(SCOPES),
                format_func=SCOPES.__getitem__,
                default=TRAIN,
                required=True,
                key="rows",
                bind="query-params",
                help="Test rows are measured too. Leave them out while you choose features or "
                "models, so that the test stays a test.",
            )
    return View(table, scope or TRAIN, figure.colours())


frame.enter()
st.title("Explore")
with guard():
    view = choose_view()
    if view is not None:
        table = view.table
        badge.simulated(table.simulated)
        rows = table.n_pairs if view.rows is None else len(view.rows)
        st.caption(
            f"{plain(table.meta.get('label') or table.id)}: {rows:,} pairs of cell type and "
            f"compound × {table.n_genes:,} genes; a value is a {plain(table.target)}."
        )
        tabs = st.tabs(list(SECTIONS), key="view", bind="query-params")
        for tab, draw in zip(tabs, SECTIONS.values(), strict=True):
            if tab.open:
                with tab, guard():
                    draw(view)
