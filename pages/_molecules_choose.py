"""The choice of a molecule: from the data, typed or pasted, or sketched."""

from __future__ import annotations

import streamlit as st
from rdkit import Chem
from streamlit.delta_generator import DeltaGenerator

from core.molecules.depict import prepare
from core.molecules.parse import MAX_CHARACTERS, MoleculeError, parse, parse_line, remarks
from core.molecules.standardise import standardise
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components.text import plain

#: Where the molecule comes from; these words are also what the URL holds.
DATA, TYPED, SKETCH = "Data", "Text", "Sketch"
#: A molecule to begin with where none was given: clotrimazole, figure 2 of the seed report.
FIRST = "Clc1ccccc1C(c1ccccc1)(c1ccccc1)n1ccnc1 Clotrimazole"


def choose(view: Shelf, left: DeltaGenerator, right: DeltaGenerator) -> Chosen | None:
    """The molecule in use, or None after saying why there is none.

    ``left`` holds the choice of its source, ``right`` the molecule's own widget.
    """
    _open_asked(view)
    options = [DATA, TYPED, SKETCH] if view.compounds is not None else [TYPED, SKETCH]
    source = left.segmented_control(
        "Molecule",
        options,
        default=options[0],
        required=True,
        key="source",
        bind="query-params",
    )
    if source == SKETCH:
        _sketcher()
    with right:
        chosen = _from_data(view) if source == DATA else _from_text(view)
    if source == DATA:
        _rejected(view)
    return _parent(chosen) if chosen is not None else None


def _open_asked(view: Shelf) -> None:
    """Follow a button that opened a compound, before the widgets are made."""
    name = st.session_state.pop(views.OPEN, None)
    if name is not None and view.compounds is not None and name in view.compounds.positions:
        st.session_state["source"] = DATA
        st.session_state["compound"] = name


def _from_data(view: Shelf) -> Chosen | None:
    library = view.compounds
    assert library is not None
    names = library.frame["name"].tolist()
    first = next((i for i, n in enumerate(names) if n.lower() == "clotrimazole"), 0)
    name = st.selectbox(
        "Compound",
        names,
        index=first,
        key="compound",
        bind="query-params",
        help="Type a few letters of its name.",
    )
    position = library.positions[name]
    text = str(library.frame["SMILES"].iloc[position])
    return Chosen(library.mols[position], text, name, position)


def _rejected(view: Shelf) -> None:
    """Say which compounds of the data cannot be shown, and why."""
    assert view.compounds is not None
    lost = view.compounds.rejected
    if len(lost):
        with st.expander(f"{len(lost):,} compounds of the data have no usable structure"):
            st.dataframe(lost, hide_index=True)


def _from_text(view: Shelf) -> Chosen | None:
    if "smiles" not in st.session_state and "smiles" not in st.query_params:
        st.session_state["smiles"] = FIRST
    text = st.text_input(
        "SMILES or InChI",
        max_chars=MAX_CHARACTERS,
        key="smiles",
        bind="query-params",
        help="A name may follow after a space. Press Enter to apply.",
    )
    parsed = parse_line(text)
    if parsed.mol is None:
        st.error(plain(parsed.reason), icon=":material/error:")
        return None
    position = None
    name = parsed.name
    if view.compounds is not None:
        canonical = Chem.MolToSmiles(parsed.mol)
        if canonical in view.compounds.canonical:
            position = view.compounds.canonical.index(canonical)
            known = str(view.compounds.frame["name"].iloc[position])
            st.caption(f":material/database: This is **{plain(known)}** of the loaded data.")
            name = name or known
    return Chosen(parsed.mol, parsed.text, name, position)


def _sketcher() -> None:
    """JSME: what is drawn there becomes the text beside it when Apply is pressed."""
    try:
        from streamlit_jsme import st_jsme
    except ImportError:
        st.info("The sketcher is not installed (package streamlit-jsme); type a SMILES instead.")
        return
    # In the first run the text is in the URL only: its widget is made after the sketcher.
    text = st.session_state.get("smiles") or st.query_params.get("smiles") or FIRST
    start = parse_line(text)
    # A mol block with coordinates: JSME draws it as it is, without laying it out anew.
    block = Chem.MolToMolBlock(prepare(start.mol)) if start.mol is not None else ""
    drawn = st_jsme(block, height=380, key="sketch")
    if drawn and drawn != st.session_state.get("molecules-sketched"):
        st.session_state["molecules-sketched"] = drawn
        st.session_state["smiles"] = drawn
    st.caption("Draw or edit, then press Apply: the sketch becomes the SMILES above.")


def _parent(chosen: Chosen) -> Chosen:
    """Offer the standardised form, and say what a chemist should know of this molecule."""
    said = remarks(chosen.mol)
    if said:
        st.caption(f":material/info: {plain(' '.join(said))}")
    try:
        parent = standardise(chosen.mol, chosen.smiles)
    except MoleculeError as error:
        st.caption(f":material/info: {plain(error)}")
        return chosen
    if not parent.changes or not st.toggle(
        "Use the standardised parent",
        key="parent",
        bind="query-params",
        help="Largest part, no isotopes, neutral: as ChEMBL registers it (Bento et al. 2020). "
        f"Here: {', '.join(parent.changes)}.",
    ):
        return chosen
    # Read again, so that atom indices are those of the written SMILES.
    return Chosen(parse(parent.smiles), parent.smiles, chosen.name, None)
