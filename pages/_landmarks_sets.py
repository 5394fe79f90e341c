"""The sets of genes that the landmarks page compares: where they come from, and their levels."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.data.gene_lists import (
    L1000,
    GeneList,
    delete_gene_list,
    list_gene_lists,
    save_gene_list,
)
from core.data.signatures import parse_gene_list
from core.errors import DataError
from core.runs import RunState
from core.settings import get_settings
from core.studies.landmarks.explore import gene_levels
from pages._landmarks_select import STUDY
from pages._landmarks_selected import opened
from pages._landmarks_view import LandmarkView
from pages.components.guard import guard
from pages.components.run_table import runs_of
from pages.components.text import plain

#: Sets that one figure compares.
MOST = 8
#: Finished selections whose sets are offered.
MOST_RUNS = 10
_MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class Chosen:
    """Sets that are compared: symbols of this data set, and what was not found in it.

    Attributes
    ----------
    sets
        Name → symbols as this data set writes them.
    given
        Name → symbols as given.
    why
        Set → gene → reason, for sets of a selection.
    """

    sets: dict[str, tuple[str, ...]]
    given: dict[str, GeneList]
    why: dict[str, dict[str, str]]


@st.cache_data(max_entries=6, show_spinner=False)
def _levels(key: str, _view: LandmarkView) -> pd.DataFrame:
    return gene_levels(_view.data)


def levels(view: LandmarkView) -> pd.DataFrame:
    """Level and dispersion of every measured gene over all cells."""
    return _levels(view.key, view)


def add(view: LandmarkView) -> None:
    """Paste or upload a list, and remove one."""
    with st.popover("Add or remove a list", icon=":material/playlist_add:"), guard():
        name = st.text_input("Name", max_chars=80, key="list-name")
        text = st.text_area("Symbols", key="list-text", placeholder="INS, GCG, SST …")
        file = st.file_uploader("or a text file", type=["txt", "csv", "tsv"], key="list-file")
        if st.button("Save the list", icon=":material/save:", key="list-save"):
            if file is not None:
                content = file.getvalue()
                if len(content) > _MOST_BYTES:
                    raise DataError("The file is larger than 2 MB: that is no list of genes.")
                text = f"{text}\n{content.decode('utf-8', errors='replace')}"
            saved = save_gene_list(
                name, parse_gene_list(text), source="given by hand", settings=get_settings()
            )
            st.success(f"Saved {plain(saved.name)}: {len(saved):,} genes.")
        own = [found.name for found in list_gene_lists(get_settings()) if found.name != L1000]
        if own:
            st.divider()
            gone = st.selectbox("Remove", own, index=None, key="list-gone")
            if st.button("Remove", icon=":material/delete:", key="list-remove", disabled=not gone):
                delete_gene_list(str(gone), get_settings())
                st.rerun()


def offered(view: LandmarkView) -> tuple[dict[str, GeneList], dict[str, dict[str, str]]]:
    """Saved lists, and the sets of the newest finished selections on these cells."""
    lists = {found.name: found for found in list_gene_lists(get_settings())}
    why: dict[str, dict[str, str]] = {}
    records = [
        r
        for r in runs_of(STUDY)
        if r.state == RunState.FINISHED and r.config.get("dataset") == view.id
    ]
    for i, record in enumerate(records[:MOST_RUNS]):
        with guard():
            sets = opened(record.id).sets()
            suffix = "" if i == 0 else f" · {record.created:%m-%d %H:%M}"
            for name, rows in sets.groupby("set", sort=False):
                title = f"{name}{suffix}"
                title = f"{title} (selected)" if title in lists else title
                source = f"selection '{record.name}'"
                lists[title] = GeneList(title, tuple(rows["gene"].astype(str)), source, view.id)
                why[title] = dict(zip(rows["gene"].astype(str), rows["why"], strict=True))
    return lists, why


def choose(view: LandmarkView) -> Chosen | None:
    """The sets that are compared; None, after saying so, where none is chosen."""
    lists, why = offered(view)
    best = [name for name in lists if name.startswith(("Group lasso", "Optimal design"))]
    names = st.multiselect(
        "Sets",
        list(lists),
        default=[L1000, *best[:2]],
        max_selections=MOST,
        format_func=lambda name: f"{name} ({len(lists[name]):,})",
        key="compare-sets",
        help="L1000, the lists of this workspace, and the sets of finished selections.",
    )
    if not names:
        st.info("Choose a set of genes; two or more to compare them.", icon=":material/info:")
        return None
    sets: dict[str, tuple[str, ...]] = {}
    lost = []
    for name in names:
        match = view.data.match(lists[name].genes)
        sets[name] = tuple(dict.fromkeys(match.matched.values()))
        missing = len(match.absent) + len(match.unknown)
        if missing:
            lost.append(f"{missing:,} of {name}")
    if lost:
        st.caption(
            "Not among the measured genes, and left out of what follows: " + plain(", ".join(lost))
        )
    kept = {name: genes for name, genes in sets.items() if genes}
    if not kept:
        st.warning("None of these genes is measured here.", icon=":material/link_off:")
        return None
    return Chosen(kept, {name: lists[name] for name in kept}, why)
