"""Section: names, formula, descriptors, drug-likeness rules and structural alerts."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.molecules import properties
from core.molecules.depict import HIGHLIGHTS, Highlight
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components.text import plain

#: Columns of the data that are shown as names, with their words.
NAMES = {
    "sm_lincs_id": "LINCS id",
    "moa": "Mechanism",
    "drugbank_id": "DrugBank id",
    "inchikey": "InChIKey in the data",
}


def draw(view: Shelf, chosen: Chosen) -> None:
    """The section."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        _identifiers(view, chosen)
        st.markdown("**Descriptors**")
        _descriptors(chosen)
    with right:
        _rules(chosen)
        _alerts(view, chosen)


def _identifiers(view: Shelf, chosen: Chosen) -> None:
    known = properties.identifiers(chosen.mol)
    rows: list[tuple[str, str]] = [("Name", chosen.name)]
    if view.compounds is not None and chosen.position is not None:
        row = view.compounds.frame.iloc[chosen.position]
        rows += [
            (words, str(row[column]))
            for column, words in NAMES.items()
            if column in row and pd.notna(row[column])
        ]
    rows += [
        ("Formula", known.formula),
        ("SMILES", known.smiles),
        ("InChIKey", known.inchikey),
        ("InChI", known.inchi),
        ("Scaffold", known.scaffold),
    ]
    frame = pd.DataFrame([r for r in rows if r[1]], columns=["What", "Value"])
    st.markdown("**Names**")
    st.dataframe(
        frame, hide_index=True, column_config={"What": st.column_config.TextColumn(width="small")}
    )


def _descriptors(chosen: Chosen) -> None:
    values = views.descriptors(chosen.mol)
    frame = pd.DataFrame(
        {
            "Descriptor": [d.label for d in properties.DESCRIPTORS],
            "Value": [f"{values[d.name]:,.{d.decimals}f}" for d in properties.DESCRIPTORS],
            "Unit": [d.unit for d in properties.DESCRIPTORS],
            "Definition": [d.help for d in properties.DESCRIPTORS],
        }
    )
    st.dataframe(frame, hide_index=True, height="content")


def _rules(chosen: Chosen) -> None:
    st.markdown("**Drug-likeness rules**")
    st.caption(
        "Each rule with the value behind every condition. log P is the Wildman–Crippen estimate, "
        "whichever estimate the rule's authors used."
    )
    for rule in properties.rules(chosen.mol):
        verdict = (
            ":green-badge[:material/check: passes]"
            if rule.passed
            else f":red-badge[:material/close: {rule.violations} not met]"
        )
        if rule.passed and rule.violations:
            verdict = f":green-badge[:material/check: passes, {rule.violations} not met]"
        with st.container(border=True):
            st.markdown(f"**{rule.name}** {verdict}  [{rule.source}](https://doi.org/{rule.doi})")
            st.markdown(" ".join(_chip(criterion) for criterion in rule.criteria))


def _chip(criterion: properties.Criterion) -> str:
    colour = "gray" if criterion.met else "red"
    value = f"{criterion.value:.{criterion.decimals}f}".replace("-", "−")
    limits = criterion.limits.replace("-", "−")
    return f":{colour}-badge[{criterion.label} **{value}** ({limits})]"


def _alerts(view: Shelf, chosen: Chosen) -> None:
    st.markdown("**Structural alerts**")
    found = properties.alerts(chosen.mol)
    sources = "; ".join(f"{name}: {words}" for name, words in properties.CATALOGS.items())
    st.caption(f"{sources}.")
    if not found:
        st.markdown(":green-badge[:material/check: none found]")
        return
    cells = st.columns(4)
    for i, alert in enumerate(found):
        with cells[i % 4], st.container(border=True):
            part = (Highlight(alert.atoms, colour=HIGHLIGHTS[4]),)
            st.image(
                views.drawing(chosen.mol, size=(220, 150), highlights=part, dark=view.dark),
                width="stretch",
                alt=f"{alert.name} in the molecule",
            )
            st.button(
                f"{alert.catalog}: {plain(alert.name)}",
                key=f"alert-{i}",
                type="tertiary",
                help="Highlight it in 2D and 3D",
                on_click=views.highlight,
                args=(chosen, f"{alert.catalog}: {alert.name}", alert.atoms),
            )
