"""Section Explore of the cell explorer: cells in the plane, one panel or two conditions."""

from __future__ import annotations

import streamlit as st

from core.errors import DataError
from pages import _cells_colour as colours
from pages import _cells_figure as pictures
from pages import _cells_numbers as numbers
from pages import _cells_scene as scenes
from pages import _cells_select as select
from pages._cells_scene import Scene
from pages._cells_view import CellView
from pages.components import choice
from pages.components.guard import guard

MEAN, COUNT = "mean", "count"


def choose_scene(view: CellView) -> Scene:
    """What is drawn, from the widgets above the figure."""
    embeddings = list(view.embeddings)
    if not embeddings:
        raise DataError(
            "These cells have no embedding yet: open the section Embedding and compute one."
        )
    left, right, options = st.columns([6, 6, 1.6], vertical_alignment="bottom")
    note = st.container()
    with left:
        colour = colours.choose(view, note)
    with right:
        split, conditions = scenes.choose_conditions(view)
    with options, st.popover("View", icon=":material/tune:", key="cells-options"):
        embedding = choice.select(
            "Embedding",
            embeddings,
            key="emb",
            format_func=lambda name: pictures.axes_of(name)[0].rsplit(" ", 1)[0],
        )
        aggregate = choice.segments(
            "A pixel of many cells shows",
            [MEAN, COUNT],
            key="agg",
            format_func=lambda a: "mean, or main group" if a == MEAN else "number of cells",
            help="Above 20,000 cells in sight the figure is an image.",
        )
        clip = st.toggle(
            "Clip colours at the 99th percentile",
            value=True,
            key="clip",
            bind="query-params",
            help="A few very high cells else leave all others pale. Of positive values only.",
        )
    masks = scenes.masks_of(view, split, conditions)
    return Scene(colour, embedding, split, conditions, masks, aggregate, bool(clip))


def show(view: CellView) -> None:
    """The section."""
    scene = choose_scene(view)
    with guard():
        pictures.draw(view, scene)
    left, right = st.columns([7, 5], gap="large")
    with left, guard():
        numbers.show(view, scene)
    with right:
        select.panel(view, scene)
