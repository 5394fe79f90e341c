"""Section: the map of chemical space."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.molecules.neighbours import similarities
from core.plots import molecules as figures
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components import badge, figure
from pages.components.text import plain

NONE, SIMILARITY = "none", "Tanimoto to the molecule in use"
#: Columns that name a compound rather than describe it.
NOT_COLOURS = {"name", "SMILES"}


def draw(view: Shelf, chosen: Chosen) -> None:
    """The section."""
    library = view.compounds
    if library is None:
        st.info("Prepare a data set to draw its compounds.")
        return
    st.markdown(
        "Every compound of the data, laid out by UMAP ([McInnes et al. 2018]"
        "(https://doi.org/10.48550/arXiv.1802.03426)) on the Tanimoto distances of their Morgan "
        "fingerprints, always with the same seed. Only close compounds are meaningfully close. "
        "Click a point to see its compound; draw a box or lasso to select several."
    )
    frame = views.columns(view)
    frame[SIMILARITY] = similarities(views.fingerprint(chosen.mol), library.fingerprints)
    options = [NONE, *(c for c in frame.columns if c not in NOT_COLOURS)]
    first = options.index("moa") if "moa" in options else options.index("log P")
    left, middle, right = st.columns([2, 1, 1])
    colour = left.selectbox(
        "Colour by", options, index=first, key="space-colour", bind="query-params"
    )
    n_neighbours = middle.slider("Neighbours", 5, 50, 15, step=5, key="space-neighbours")
    min_dist = right.slider("Spread", 0.0, 0.9, 0.1, step=0.1, key="space-spread")
    if colour == views.STRENGTH and view.table is not None:
        badge.simulated(view.table.simulated)
    points = views.space(view, n_neighbours, min_dist)
    frame = frame.assign(x=points[:, 0], y=points[:, 1])
    event = figure.show(
        figures.chemical_space(
            frame,
            palette=view.palette,
            colour=None if colour == NONE else colour,
            marked=chosen.position,
        ),
        key="chemical-space",
        data=frame,
        on_select="rerun",
        name="chemical space",
        alt="Map of the data's compounds by structural similarity",
    )
    rows = _selected(event)
    if rows:
        _show(view, frame.iloc[rows])


def _selected(event: object) -> list[int]:
    try:
        points = event["selection"]["points"]  # type: ignore[index]
    except (KeyError, TypeError):
        return []
    rows = (point.get("customdata") for point in points)
    return sorted({int(r[0] if isinstance(r, list) else r) for r in rows if r is not None})


def _show(view: Shelf, frame: pd.DataFrame) -> None:
    library = view.compounds
    assert library is not None
    st.markdown(f"**{len(frame):,}** selected")
    some = frame.head(12)
    cells = st.columns(6)
    for i, (position, name) in enumerate(zip(some.index.tolist(), some["name"], strict=True)):
        with cells[i % 6], st.container(border=True):
            st.image(
                views.drawing(library.mols[position], size=(220, 150), dark=view.dark),
                width="stretch",
                alt=f"Structure of {name}",
            )
            st.button(
                plain(name),
                key=f"space-open-{position}",
                type="tertiary",
                on_click=views.open_compound,
                args=(name,),
            )
    with st.container(horizontal=True):
        st.button(
            "Add to the selection of the grid",
            icon=":material/select_all:",
            key="space-pick",
            on_click=views.picked(view).update,
            args=(frame["name"].astype(str).tolist(),),
        )
    shown = [c for c in frame.columns if c not in {"x", "y"}]
    st.dataframe(frame[shown], hide_index=True)
