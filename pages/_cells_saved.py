"""Saved selections: rename, delete, export, compare, save as a data set."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.data import selections
from core.data.selections import Selection
from core.plots.export import csv_bytes, file_stem
from core.settings import get_settings
from pages import _cells_view as views
from pages._cells_view import CellView
from pages.components import dataset
from pages.components.guard import guard
from pages.components.text import plain

REST = "all other cells"


def listing(view: CellView) -> None:
    """Every saved selection of the data set, with what can be done with it."""
    kept = view.selections
    if not kept:
        return
    st.markdown(f"**Saved selections** ({len(kept)})")
    for i, selection in enumerate(kept):
        with st.container(horizontal=True, vertical_alignment="center", key=f"saved-{i}"):
            st.markdown(f"{plain(selection.name)} · {selection.n_selected:,}", width="stretch")
            with st.popover("Use", icon=":material/more_horiz:", key=f"use-{i}"), guard():
                _actions(view, selection, i)
    _compare(kept)


def _compare(kept: list[Selection]) -> None:
    names = [selection.name for selection in kept]
    left, right, button = st.columns([3, 3, 2.2], vertical_alignment="bottom")
    first = left.selectbox("Compare", names, key="saved-compare-first")
    others = [REST, *(name for name in names if name != first)]
    second = right.selectbox("with", others, key=f"saved-compare-second-{first}")
    if button.button("Compare", key="saved-compare", width="stretch"):
        views.compare(first, None if second == REST else second)
        st.rerun()


def _actions(view: CellView, selection: Selection, i: int) -> None:
    st.caption(
        f"{selection.n_selected:,} of {selection.n_cells:,} cells: {plain(selection.how or 'saved')}"
    )
    stem = file_stem(view.id, selection.name)
    with st.container(horizontal=True):
        st.download_button(
            "Barcodes (CSV)",
            data=lambda: barcodes(view, selection.name),
            file_name=f"{stem}.csv",
            mime="text/csv",
            on_click="ignore",
            key=f"saved-csv-{i}",
        )
        st.download_button(
            "h5ad",
            data=lambda: h5ad(view, selection.name),
            file_name=f"{stem}.h5ad",
            mime="application/x-hdf5",
            on_click="ignore",
            key=f"saved-h5ad-{i}",
        )
        if st.button("Show", icon=":material/visibility:", key=f"saved-show-{i}"):
            views.choose_later(by="Selection", sel=selection.name)
            st.rerun()
    name = st.text_input("New name", value=selection.name, key=f"saved-name-{i}", max_chars=80)
    if st.button("Rename", key=f"saved-rename-{i}"):
        selections.rename_selection(view.content_hash, selection.name, name, get_settings())
        st.rerun()
    id = st.text_input(
        "Id of a data set of these cells",
        value=_id(view.id, selection.name),
        key=f"saved-id-{i}",
        help="Saved so, every panel can use it.",
    )
    if st.button("Save as data set", icon=":material/database:", key=f"saved-dataset-{i}"):
        status = selections.save_as_dataset(
            view.status,
            view.cells,
            view.members(selection.name),
            id=id,
            label=f"{view.status.label}: {selection.name}",
            how=selection.how,
            settings=get_settings(),
        )
        st.toast(f"{plain(status.id)} is ready: {plain(status.shape)}.")
    if st.button("Open it", key=f"saved-open-{i}", disabled=id not in _ready()):
        dataset.use(id, "cells")
        st.rerun()
    if st.button("Delete", icon=":material/delete:", type="tertiary", key=f"saved-delete-{i}"):
        selections.delete_selection(view.content_hash, selection.name, get_settings())
        st.rerun()


def _ready() -> set[str]:
    return {status.id for status in dataset.ready("cells")}


def _id(id: str, name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "part"
    return f"{id}-{words}"[:60].rstrip("-.")


def barcodes(view: CellView, name: str) -> bytes:
    """Names of the cells, one a line, with their positions and descriptions."""
    rows = np.flatnonzero(view.members(name))
    frame = view.obs.iloc[rows].reset_index(names="cell")
    return csv_bytes(pd.DataFrame(frame))


def h5ad(view: CellView, name: str) -> bytes:
    """The cells as an h5ad file."""
    part = selections.subset(view.cells, view.members(name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.h5ad"
        part.write_h5ad(path, compression="gzip")
        return path.read_bytes()
