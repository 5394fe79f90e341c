"""Section: BRICS fragments and functional groups, and their counts over the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.molecules.depict import HIGHLIGHTS, Highlight
from core.molecules.substructures import BRICS_KIND, GROUP_KIND, Part, PartCounts, open_ended, parts
from core.plots import molecules as figures
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components import figure
from pages.components.guard import guard
from pages.components.text import plain

COLUMNS = 5
#: Most compounds in the heat map at once.
MOST_ROWS = 150
ORDERS = {
    "similar": "Similar rows together",
    "most": "Most parts first",
    "name": "By name",
    "part": "By the count of one part",
}


def draw(view: Shelf, chosen: Chosen) -> None:
    """The section."""
    st.markdown(
        "The molecule cut at all its BRICS bonds ([Degen et al. 2008]"
        "(https://doi.org/10.1002/cmdc.200800178)) and RDKit's functional groups. These counts are "
        "the *substructure counts* that models see (of a salt, they see the largest part only)."
    )
    found = parts(chosen.mol)
    counts = views.counts(view)
    for kind, title in ((BRICS_KIND, "BRICS fragments"), (GROUP_KIND, "Functional groups")):
        some = [part for part in found if part.kind == kind]
        st.markdown(f"**{title}** · {len(some)} kinds")
        _cards(view, chosen, some, counts, kind)
    if counts is not None:
        st.divider()
        with guard():
            _matrix(view, counts)


def _cards(
    view: Shelf, chosen: Chosen, found: list[Part], counts: PartCounts | None, kind: str
) -> None:
    label, atoms = views.highlighted(chosen)
    for start in range(0, len(found), COLUMNS):
        cells = st.columns(COLUMNS)
        for cell, part in zip(cells, found[start : start + COLUMNS], strict=False):
            with cell, st.container(border=True, height="stretch"):
                st.image(_picture(view, chosen, part), width="stretch", alt=part.label)
                title = "" if kind == BRICS_KIND else f"**{plain(part.label)}** · "
                st.markdown(f"{title}×{part.count}{_elsewhere(chosen, part, counts)}")
                on = (label, atoms) == (part.label, part.atoms)
                st.button(
                    "Highlighted" if on else "Highlight",
                    key=f"part-{part.key}",
                    icon=":material/ink_highlighter:",
                    type="primary" if on else "tertiary",
                    on_click=views.highlight,
                    args=(chosen, part.label, part.atoms),
                )


def _picture(view: Shelf, chosen: Chosen, part: Part) -> str:
    size = (220, 130)
    if part.kind == BRICS_KIND:
        piece = open_ended(chosen.mol, part.occurrences[0])
        if piece is not None:
            return views.drawing(piece, size=size, dark=view.dark)
    mark = (Highlight(part.atoms, colour=HIGHLIGHTS[1]),)
    return views.drawing(chosen.mol, size=size, highlights=mark, dark=view.dark)


def _elsewhere(chosen: Chosen, part: Part, counts: PartCounts | None) -> str:
    if counts is None:
        return ""
    n = counts.n_molecules_with(part.key) - (chosen.position is not None)
    return f" · in {max(n, 0):,} other compound{'' if n == 1 else 's'}"


@st.fragment
@guard()
def _matrix(view: Shelf, counts: PartCounts) -> None:
    assert view.compounds is not None
    st.markdown("**Substructure counts over the data** · compounds × parts")
    cells = st.columns([2, 2, 2, 2], vertical_alignment="bottom")
    kinds = cells[0].segmented_control(
        "Parts",
        [BRICS_KIND, GROUP_KIND],
        format_func=lambda k: {"BRICS fragment": "Fragments"}.get(k, "Groups"),
        default=BRICS_KIND,
        required=True,
        key="matrix-kind",
    )
    most = int(counts.counts.shape[1])
    n_parts = cells[1].slider(
        "Commonest parts", 10, min(200, max(most, 11)), min(50, most), key="matrix-n"
    )
    of_kind = [i for i, kind in enumerate(counts.kinds) if kind == kinds][:n_parts]
    order = cells[2].selectbox(
        "Order of compounds", list(ORDERS), format_func=ORDERS.__getitem__, key="matrix-order"
    )
    by = None
    if order == "part":
        by = cells[3].selectbox(
            "Part", of_kind, format_func=lambda i: counts.labels[i], key="matrix-part"
        )
    rows = _ordered(view, counts, of_kind, order, by)
    n_pages = -(-len(rows) // MOST_ROWS)
    if n_pages > 1:
        page = int(
            st.number_input(
                f"Page (of {n_pages}; {MOST_ROWS} compounds each)", 1, n_pages, key="matrix-page"
            )
        )
        rows = rows[(page - 1) * MOST_ROWS : page * MOST_ROWS]
    dense = counts.counts[rows][:, of_kind].toarray()
    frame = pd.DataFrame(
        dense,
        index=view.compounds.frame["name"].to_numpy()[rows],
        columns=[counts.labels[i] for i in of_kind],
    )
    figure.show(
        figures.substructure_heatmap(frame, palette=view.palette),
        key="substructure-matrix",
        data=frame,
        name="substructure counts",
        alt="Heat map of substructure counts, compounds as rows and parts as columns",
    )


def _ordered(
    view: Shelf, counts: PartCounts, columns: list[int], order: str, by: int | None
) -> np.ndarray:
    """Row positions in the wanted order."""
    assert view.compounds is not None
    names = view.compounds.frame["name"].str.lower().to_numpy(dtype=object)
    if order == "name":
        return np.argsort(names, kind="stable")
    block = counts.counts[:, columns]
    if order == "part" and by is not None:
        column = counts.counts[:, by].toarray().ravel()
        return np.lexsort((names.astype(str), -column))
    if order == "most":
        return np.argsort(-block.sum(axis=1).A1, kind="stable")
    from scipy.cluster.hierarchy import leaves_list, linkage

    if block.shape[0] < 3:
        return np.arange(block.shape[0])
    present = (block > 0).toarray().astype(float)
    return leaves_list(linkage(present, method="average", metric="cityblock"))
