"""Section: the most similar compounds, side by side, with their common substructure."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import PerturbScopeError
from core.molecules.depict import HIGHLIGHTS, Highlight, align, prepare
from core.molecules.neighbours import nearest, similarities
from core.plots import molecules as figures
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components import figure
from pages.components.guard import guard
from pages.components.text import plain

COLUMNS = 4


def draw(view: Shelf, chosen: Chosen) -> None:
    """The section."""
    library = view.compounds
    if library is None:
        st.info("Prepare a data set to compare the molecule with its compounds.")
        return
    st.markdown(
        "Tanimoto similarity of Morgan fingerprints (radius 2, 2,048 bits) to every compound of "
        "the data; the maximum common substructure is drawn on coloured ground."
    )
    query = views.fingerprint(chosen.mol)
    k = st.slider("Neighbours", 4, 24, 8, step=4, key="n-neighbours", width=320)
    found = nearest(query, library.fingerprints, k, leave_out=chosen.position)
    if not found:
        st.info("The data holds no other compound.")
        return
    with guard():
        _pair(view, chosen, found)
    _cards(view, found)
    values = similarities(query, library.fingerprints)
    frame = pd.DataFrame({"name": library.frame["name"], "tanimoto": values})
    if chosen.position is not None:
        frame = frame.drop(index=chosen.position)
    figure.show(
        figures.similarity_histogram(
            frame["tanimoto"].to_numpy(), palette=view.palette, marked=found[-1][1]
        ),
        key="similarity-histogram",
        data=frame.sort_values("tanimoto", ascending=False).reset_index(drop=True),
        name=f"similarity to {chosen.name or 'molecule'}",
        alt="Histogram of the similarity of the molecule to every compound of the data",
    )


@st.fragment
@guard()
def _pair(view: Shelf, chosen: Chosen, found: list[tuple[int, float]]) -> None:
    library = view.compounds
    assert library is not None
    names = library.frame["name"]
    labels = {position: f"{names.iloc[position]} · {value:.2f}" for position, value in found}
    position = st.selectbox(
        "Compare with", list(labels), format_func=labels.__getitem__, key="neighbour"
    )
    other = library.mols[position]
    try:
        shared = views.common(chosen.mol, other)
    except PerturbScopeError as error:
        st.caption(f":material/timer_off: {plain(error)}")
        shared = None
    first, second = prepare(chosen.mol), prepare(other)
    ours: tuple[Highlight, ...] = ()
    theirs: tuple[Highlight, ...] = ()
    if shared is not None and shared.first:
        ours = (Highlight(shared.first, colour=HIGHLIGHTS[1]),)
        theirs = (Highlight(shared.second, colour=HIGHLIGHTS[1]),)
        second = align(other, first, shared.second, shared.first)
    left, right = st.columns(2)
    for cell, mol, parts, name in (
        (left, first, ours, chosen.name or "The molecule in use"),
        (right, second, theirs, str(names.iloc[position])),
    ):
        with cell, st.container(border=True):
            st.image(
                views.drawing(mol, size=(560, 300), highlights=parts, dark=view.dark),
                width="stretch",
                alt=f"Structure of {name}, the common substructure highlighted",
            )
            st.markdown(f"**{plain(name)}**")
    if shared is not None:
        words = f"Common substructure: {len(shared.first)} atoms of {chosen.mol.GetNumAtoms()}"
        words += "." if shared.complete else "; time ran out, a larger one may exist."
        st.caption(words)


def _cards(view: Shelf, found: list[tuple[int, float]]) -> None:
    library = view.compounds
    assert library is not None
    for start in range(0, len(found), COLUMNS):
        cells = st.columns(COLUMNS)
        for cell, (position, value) in zip(cells, found[start : start + COLUMNS], strict=False):
            with cell, st.container(border=True, height="stretch"):
                name = str(library.frame["name"].iloc[position])
                st.image(
                    views.drawing(library.mols[position], size=(280, 170), dark=view.dark),
                    width="stretch",
                    alt=f"Structure of {name}",
                )
                st.markdown(f"**{plain(name)}** · {value:.2f}")
                st.button(
                    "Open",
                    key=f"open-neighbour-{position}",
                    icon=":material/open_in_new:",
                    type="tertiary",
                    on_click=views.open_compound,
                    args=(name,),
                )
