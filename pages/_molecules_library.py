"""Section: the data's compounds as a grid, searched by SMARTS, picked and exported."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from rdkit import Chem

from core.molecules import properties
from core.molecules.conformers import to_sdf
from core.molecules.depict import HIGHLIGHTS, Highlight, draw_grid, prepare
from core.molecules.library import Library
from core.molecules.neighbours import similarities, smarts_search
from core.plots.export import csv_bytes
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components.guard import guard
from pages.components.text import plain

COLUMNS, CARDS = 5, 20
#: Letters of a name under a structure; the export has all of it.
NAME_LENGTH = 26
#: Compounds in a drawn grid for download.
MOST_DRAWN = 200
NAME, SIMILAR, WEIGHT, LOGP, QED = "name", "similar", "mw", "logp", "qed"
SORTS = {
    NAME: "Name",
    SIMILAR: "Most similar first",
    WEIGHT: "Lightest first",
    LOGP: "Lowest log P first",
    QED: "Highest QED first",
}


def draw(view: Shelf, chosen: Chosen) -> None:
    """The section."""
    library = view.compounds
    if library is None:
        st.info("Prepare a data set to see its compounds.")
        return
    _grid(view, chosen, library)


@st.fragment
@guard()
def _grid(view: Shelf, chosen: Chosen, library: Library) -> None:
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    smarts = left.text_input(
        "SMARTS",
        key="smarts",
        max_chars=1000,
        placeholder="for example S(=O)(=O)N, a sulfonamide",
        help="A pattern of atoms and bonds; compounds that hold it are shown with the match on "
        "coloured ground. The search is stopped after 10 seconds.",
    )
    name = middle.text_input("Name contains", key="grid-name")
    sort = right.selectbox("Order", list(SORTS), format_func=SORTS.__getitem__, key="grid-sort")
    hits: dict[int, tuple[int, ...]] = {}
    positions: Sequence[int] = range(len(library))
    if smarts.strip():
        with st.spinner("Searching …"):
            found = smarts_search(smarts, library.mols)
        hits = {hit.position: hit.atoms for hit in found}
        positions = list(hits)
    if name.strip():
        held = library.frame["name"].str.contains(name.strip(), case=False, regex=False)
        positions = [p for p in positions if held.iloc[p]]
    positions = _sorted(view, chosen, library, positions, sort)
    picked = views.picked(view)
    _actions(library, positions, hits, picked, searched=bool(smarts.strip()))
    _cards(view, library, positions, hits, picked)


def _sorted(
    view: Shelf, chosen: Chosen, library: Library, positions: Sequence[int], sort: str
) -> list[int]:
    if sort == NAME:
        return sorted(positions, key=lambda p: library.frame["name"].iloc[p].lower())
    if sort == SIMILAR:
        values = similarities(views.fingerprint(chosen.mol), library.fingerprints)
        return sorted(positions, key=lambda p: -values[p])
    words = {d.name: d.label for d in properties.DESCRIPTORS}[sort]
    column = views.columns(view)[words]
    sign = -1 if sort == QED else 1
    return sorted(positions, key=lambda p: sign * column.iloc[p])


def _actions(
    library: Library,
    positions: Sequence[int],
    hits: dict[int, tuple[int, ...]],
    picked: set[str],
    *,
    searched: bool,
) -> None:
    names = [str(library.frame["name"].iloc[p]) for p in positions]
    with st.container(horizontal=True, vertical_alignment="center"):
        what = "match" if searched else "compounds"
        st.markdown(f"**{len(positions):,}** {what} · **{len(picked):,}** selected")
        st.button(
            "Select these",
            icon=":material/select_all:",
            type="tertiary",
            key="pick-all",
            on_click=picked.update,
            args=(names,),
        )
        st.button(
            "Clear",
            icon=":material/deselect:",
            type="tertiary",
            key="pick-none",
            on_click=picked.clear,
        )
        chosen = [p for n, p in library.positions.items() if n in picked] or list(positions)
        which = "selected" if picked else "shown"
        with st.popover(f"Export the {which}", icon=":material/download:", disabled=not chosen):
            st.caption(f"{len(chosen):,} compounds.")
            frame = library.frame.iloc[chosen].reset_index(drop=True)
            for words, make, suffix, mime in (
                ("CSV", lambda: csv_bytes(_safe(frame)), "csv", "text/csv"),
                ("SMILES", lambda: _smiles(frame), "smi", "chemical/x-daylight-smiles"),
                ("SDF (2D)", lambda: _sdf(library, chosen), "sdf", "chemical/x-mdl-sdfile"),
                (_drawn(chosen), lambda: _svg(library, chosen, hits), "svg", "image/svg+xml"),
            ):
                st.download_button(
                    words,
                    make,
                    f"compounds.{suffix}",
                    mime,
                    key=f"grid-{suffix}",
                    on_click="ignore",
                    icon=":material/download:",
                    type="tertiary",
                )


def _drawn(chosen: Sequence[int]) -> str:
    return f"SVG (first {MOST_DRAWN})" if len(chosen) > MOST_DRAWN else "SVG"


def _cards(
    view: Shelf,
    library: Library,
    positions: Sequence[int],
    hits: dict[int, tuple[int, ...]],
    picked: set[str],
) -> None:
    n_pages = max(1, -(-len(positions) // CARDS))
    page = 1
    if n_pages > 1:
        page = int(st.number_input(f"Page (of {n_pages})", 1, n_pages, key="grid-page", width=180))
    some = positions[(page - 1) * CARDS : page * CARDS]
    for start in range(0, len(some), COLUMNS):
        cells = st.columns(COLUMNS)
        for cell, position in zip(cells, some[start : start + COLUMNS], strict=False):
            with cell, st.container(border=True, height="stretch", gap="xsmall"):
                name = str(library.frame["name"].iloc[position])
                atoms = hits.get(position, ())
                parts = (Highlight(atoms, colour=HIGHLIGHTS[0]),) if atoms else ()
                st.image(
                    views.drawing(
                        library.mols[position], size=(260, 170), highlights=parts, dark=view.dark
                    ),
                    width="stretch",
                    alt=f"Structure of {name}",
                )
                key = f"pick-{position}"
                st.session_state[key] = name in picked
                st.checkbox(plain(_short(name)), key=key, on_change=_pick, args=(picked, name, key))
                if st.button("Open", key=f"open-{position}", type="tertiary"):
                    views.open_compound(name)
                    st.rerun()


def _pick(picked: set[str], name: str, key: str) -> None:
    """Follow a check box."""
    (picked.add if st.session_state[key] else picked.discard)(name)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells that a spreadsheet would take for a formula get a leading apostrophe."""
    risky = ("=", "+", "-", "@", "\t", "\r")
    copy = frame.copy()
    for column in copy.select_dtypes(include=["object", "string", "category"]):
        words = copy[column].astype(object)
        copy[column] = words.map(
            lambda w: f"'{w}" if isinstance(w, str) and w.startswith(risky) else w
        )
    return copy


def _smiles(frame: pd.DataFrame) -> str:
    rows = zip(frame["SMILES"], frame["name"], strict=True)
    return "".join(f"{smiles.split()[0]} {' '.join(name.split())}\n" for smiles, name in rows)


def _sdf(library: Library, positions: Sequence[int]) -> str:
    records = []
    for position in positions:
        row = library.frame.iloc[position]
        values = {str(k): v for k, v in row.items() if k != "name" and pd.notna(v)}
        records.append(to_sdf(prepare(library.mols[position]), str(row["name"]), values))
    return "".join(records)


def _svg(library: Library, positions: Sequence[int], hits: dict[int, tuple[int, ...]]) -> str:
    some = list(positions)[:MOST_DRAWN]
    mols: list[Chem.Mol] = [library.mols[p] for p in some]
    names = [str(library.frame["name"].iloc[p]) for p in some]
    marks = [(Highlight(hits[p]),) if hits.get(p) else () for p in some]
    return draw_grid(mols, names, columns=5, highlights=marks)
