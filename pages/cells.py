"""Cell explorer: quality, embeddings, two conditions side by side, selections, statistics."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import streamlit as st

from core.data import get_dataset
from core.settings import get_settings
from pages import _cells_open as opened
from pages._cells_view import SECTION, CellView
from pages.components import badge, dataset, figure, frame
from pages.components.guard import guard
from pages.components.text import plain

#: Section → module with ``show(view)``; one that is not there is left out of the switch.
SECTIONS = {
    "Explore": "pages._cells_explore",
    "Quality": "pages._cells_quality",
    "Embedding": "pages._cells_embedding",
    "Compare": "pages._cells_compare",
    "Groups": "pages._cells_groups",
    "Perturbation strength": "pages._cells_strength",
}
ICONS = {
    "Explore": ":material/bubble_chart:",
    "Quality": ":material/fact_check:",
    "Embedding": ":material/scatter_plot:",
    "Compare": ":material/difference:",
    "Groups": ":material/bar_chart:",
    "Perturbation strength": ":material/bolt:",
}


def sections() -> dict[str, str]:
    """The sections that are there."""
    return {name: module for name, module in SECTIONS.items() if importlib.util.find_spec(module)}


def choose_section() -> str:
    """The switch between sections; the choice is in the URL."""
    names = list(sections())
    if st.session_state.get(SECTION, names[0]) not in names:
        del st.session_state[SECTION]
    chosen = st.segmented_control(
        "Section",
        names,
        format_func=lambda name: f"{ICONS[name]} {name}",
        default=names[0],
        required=True,
        key=SECTION,
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or names[0]


def open_view() -> CellView | None:
    """Data set and embedding, from the widgets at the top."""
    id = dataset.choose("cells")
    if id is None:
        return None
    status = get_dataset(id, get_settings())
    key = str(status.content_hash)
    cells = opened.cells(id, key)
    values = opened.kind_of_values(id)
    expression = opened.expression(key, values == opened.COUNTS, cells)
    found = opened.embeddings(key, cells)
    return CellView(status, cells, expression, values, next(iter(found), None), figure.colours())


frame.enter()
st.title("Cell explorer")
with guard():
    view = open_view()
    if view is not None:
        badge.simulated(view.simulated)
        st.caption(
            f"{plain(view.status.label)}: {view.n_cells:,} cells × {len(view.genes):,} genes."
        )
        section = choose_section()
        with guard():
            module: ModuleType = importlib.import_module(sections()[section])
            module.show(view)
