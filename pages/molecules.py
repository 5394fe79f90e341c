"""Molecules: one compound in 2D and 3D, its properties and parts, and its neighbours."""

from __future__ import annotations

import streamlit as st
from rdkit.Chem import rdMolDescriptors

from pages import (
    _molecules_choose,
    _molecules_fingerprint,
    _molecules_library,
    _molecules_neighbours,
    _molecules_parts,
    _molecules_properties,
    _molecules_space,
    _molecules_structure,
)
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components import dataset, figure, frame
from pages.components.guard import guard
from pages.components.text import plain

#: Tab → what draws it; only the open one runs.
SECTIONS = {
    "Properties": _molecules_properties.draw,
    "Substructures": _molecules_parts.draw,
    "Morgan bits": _molecules_fingerprint.draw,
    "Random SMILES": _molecules_fingerprint.draw_smiles,
    "Neighbours": _molecules_neighbours.draw,
    "Library": _molecules_library.draw,
    "Chemical space": _molecules_space.draw,
}


def headline(chosen: Chosen) -> None:
    """Name, formula and the figures that chemists look at first."""
    values = views.descriptors(chosen.mol)
    formula = rdMolDescriptors.CalcMolFormula(chosen.mol)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.subheader(plain(chosen.name or "Unnamed molecule"), anchor=False, width="content")
        st.markdown(
            f"{plain(formula)}  ·  **{values['mw']:,.1f}** g/mol  ·  log P **{values['logp']:.2f}**"
            f"  ·  polar surface **{values['tpsa']:.0f}** Å²  ·  QED **{values['qed']:.2f}**",
            width="content",
        )


def page() -> None:
    """The whole page."""
    data, source, molecule = st.columns([5, 6, 9])
    with data:
        id = dataset.choose("perturbation")
    table = dataset.table(id) if id is not None else None
    view: Shelf = views.shelf(table, figure.colours())
    chosen = _molecules_choose.choose(view, source, molecule)
    if chosen is None:
        return
    headline(chosen)
    with guard():
        _molecules_structure.structure(view, chosen)
    tabs = st.tabs(list(SECTIONS), key="view", bind="query-params", on_change="rerun")
    for tab, draw in zip(tabs, SECTIONS.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(view, chosen)


frame.enter()
st.title("Molecules")
with guard():
    page()
