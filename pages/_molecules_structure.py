"""The molecule in use: its drawing and its 3D structure side by side, with downloads."""

from __future__ import annotations

import streamlit as st
from rdkit import Chem

from core.errors import PerturbScopeError
from core.molecules import viewer_script
from core.molecules.conformers import Conformer, to_sdf
from core.molecules.depict import HIGHLIGHTS, Highlight
from core.molecules.parse import to_hex
from core.molecules.viewer import Style, viewer_html
from core.plots.export import file_stem
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components.guard import guard
from pages.components.text import plain

HEIGHT = 350
SIZE = (620, 455)
STYLES = {
    Style.STICK: "Stick",
    Style.BALL_AND_STICK: "Balls",
    Style.SPHERE: "Sphere",
    Style.SURFACE: "Surface",
}
_ORANGE = "#e69f00"


def structure(view: Shelf, chosen: Chosen) -> None:
    """Both drawings, with the highlighted part in each."""
    label, atoms = views.highlighted(chosen)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, height="stretch"):
        _flat(view, chosen, atoms)
    with right, st.container(border=True, height="stretch"):
        solid(view, chosen, atoms)
    if label:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":orange-badge[:material/ink_highlighter: {plain(label)}] highlighted")
            st.button(
                "Clear",
                icon=":material/close:",
                type="tertiary",
                on_click=st.session_state.pop,
                args=(views.HIGHLIGHT, None),
                key="clear-highlight",
            )


@st.fragment
@guard()
def _flat(view: Shelf, chosen: Chosen, atoms: tuple[int, ...]) -> None:
    st.markdown("**2D**")
    place = st.container()
    numbers = st.toggle("Atom numbers", key="numbers")
    parts = (Highlight(atoms, colour=HIGHLIGHTS[0]),) if atoms else ()
    picture = views.drawing(
        chosen.mol, size=SIZE, highlights=parts, dark=view.dark, numbers=numbers
    )
    name = chosen.name or "the molecule"
    place.image(picture, width="stretch", alt=f"Structure of {name}")
    with st.container(horizontal=True):
        stem = file_stem(chosen.name or "molecule")
        light = views.drawing(chosen.mol, size=SIZE, highlights=parts, numbers=numbers)
        st.download_button(
            "SVG",
            light,
            f"{stem}.svg",
            "image/svg+xml",
            on_click="ignore",
            key="svg",
            icon=":material/download:",
            type="tertiary",
        )
        st.download_button(
            "SMILES",
            f"{Chem.MolToSmiles(chosen.mol)} {chosen.name}\n",
            f"{stem}.smi",
            "chemical/x-daylight-smiles",
            on_click="ignore",
            key="smi",
            icon=":material/download:",
            type="tertiary",
        )


@st.fragment
@guard()
def solid(view: Shelf, chosen: Chosen, atoms: tuple[int, ...]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**3D**")
        style = st.segmented_control(
            "Style",
            list(Style),
            format_func=STYLES.__getitem__,
            default=Style.STICK,
            required=True,
            label_visibility="collapsed",
            key="style",
        )
    place = st.container(height=HEIGHT + 2, border=False, gap=None)
    with st.container(horizontal=True, vertical_alignment="center"):
        spin = st.toggle("Spin", key="spin")
        hydrogens = st.toggle("Hydrogens on carbon", value=True, key="hydrogens")
    try:
        made = views.conformer(to_hex(chosen.mol), 5)
    except PerturbScopeError as error:
        place.warning(plain(error), icon=":material/view_in_ar_off:")
        return
    script = viewer_script.source(str(st.get_option("server.baseUrlPath") or ""))
    page = viewer_html(
        made,
        style=Style(style or Style.STICK),
        spin=spin,
        hydrogens=hydrogens,
        highlight=atoms,
        highlight_colour=_ORANGE,
        background=view.palette.background,
        dark=view.dark,
        script=script.address,
        height=HEIGHT,
    )
    name = chosen.name or "the molecule"
    place.iframe(page, height=HEIGHT, alt=f"3D structure of {name}; drag to turn, scroll to zoom")
    _below(made, chosen, offline=script.offline)


def _below(made: Conformer, chosen: Chosen, *, offline: bool) -> None:
    words = plain(made.note)
    if not offline:
        words += (
            " The viewer's script comes from its CDN, which needs internet: "
            "`python -m core static` puts it here."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "SDF",
            to_sdf(made.mol, chosen.name, {"SMILES": chosen.smiles, "method": made.note}),
            f"{file_stem(chosen.name or 'molecule')}.sdf",
            "chemical/x-mdl-sdfile",
            on_click="ignore",
            key="sdf",
            icon=":material/download:",
            type="tertiary",
        )
        st.caption(words)
