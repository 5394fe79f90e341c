"""Cell explorer: quality, embeddings, two conditions side by side, selections, statistics."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import streamlit as st

from core.data import get_dataset, prepare
from core.settings import get_settings
from pages import _cells_open as opened
from pages._cells_view import SECTION, CellView, choose_now
from pages.components import badge, choice, dataset, figure, frame
from pages.components.guard import guard
from pages.components.progress import reporting
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


def sections() -> dict[str, str]:
    """The sections that are there."""
    return {name: module for name, module in SECTIONS.items() if importlib.util.find_spec(module)}


def choose_section() -> str:
    """The switch between sections; the choice is in the URL."""
    return choice.segments(
        "Section",
        list(sections()),
        key=SECTION,
        label_visibility="collapsed",
    )


def prepare_example() -> None:
    """On a fresh machine, or where a link names it: the set that the app carries."""
    ready = {status.id for status in dataset.ready("cells")}
    named = st.query_params.get(dataset.KEYS["cells"]) == opened.EXAMPLE
    if opened.EXAMPLE in ready or (ready and not named):
        return
    with reporting("Preparing the opening example") as on_progress:
        prepare(opened.EXAMPLE, settings=get_settings(), on_progress=on_progress)


def open_view() -> CellView | None:
    """The data set in use, opened."""
    prepare_example()
    id = dataset.choose("cells")
    if id is None:
        return None
    status = get_dataset(id, get_settings())
    key = str(status.content_hash)
    cells = opened.cells(id, key)
    values = opened.kind_of_values(id)
    expression = opened.expression(key, values == opened.COUNTS, cells)
    found = opened.embeddings(opened.key_of(id, key), cells, expression)
    wanted = st.session_state.get("emb", st.query_params.get("emb"))
    embedding = wanted if wanted in found else next(iter(found), None)
    return CellView(status, cells, expression, values, embedding, figure.colours())


def about(view: CellView) -> None:
    """What the data is: size, values, origin."""
    status = view.status
    badge.simulated(view.simulated)
    size = f"{view.n_cells:,} cells × {len(view.genes):,} genes; values: {view.expression.words}"
    st.caption(
        ". ".join(part for part in (plain(status.help).removesuffix("\\."), size) if part) + "."
    )


def details(view: CellView) -> None:
    """Note, citation and licence."""
    status = view.status
    rows = (("Note", status.note), ("Citation", status.citation), ("Licence", status.licence))
    with st.popover("About", icon=":material/info:", type="tertiary"):
        st.markdown("\n".join(f"- **{name}**: {plain(value)}" for name, value in rows if value))


frame.enter()
st.title("Cell explorer")
with guard():
    choose_now()
    left, middle, right = st.columns([3, 8, 1.2], vertical_alignment="bottom")
    with left:
        view = open_view()
    if view is not None:
        with middle:
            section = choose_section()
        with right:
            details(view)
        about(view)
        with guard():
            module: ModuleType = importlib.import_module(sections()[section])
            module.show(view)
