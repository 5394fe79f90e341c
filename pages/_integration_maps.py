"""UMAPs of the methods side by side, with one selection in all of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.plots import integration_maps as plots
from pages._integration_view import Entry, View, shared_rows
from pages.components import figure
from pages.components.text import plain

KEY, SELECTED, CLEARED = "integration-maps", "integration-selected", "integration-cleared"
#: Panels side by side; more are too narrow to read.
MOST = 4


@st.fragment
def maps(view: View) -> None:
    """Choice of methods and resolution, the panels, and what the selected cells are."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    labels = list(view.entries)
    with left:
        chosen = st.multiselect(
            "Methods side by side",
            labels,
            default=labels[:3],
            max_selections=MOST,
            key="integration-map-methods",
        )
    if not chosen:
        st.info("Choose at least one method.")
        return
    entries = [view.entries[name] for name in chosen]
    resolutions = ["best", *(f"{r:g}" for r in entries[0].method.sweep["resolution"])]
    with right:
        at = st.select_slider(
            "Resolution of the clusters",
            resolutions,
            key="integration-map-resolution",
            help="best: where each method's clusters agree most with the cell types (without "
            "cell types: least with the batches).",
        )
    rows = shared_rows(entries)
    if not len(rows[0]):
        st.info("These runs have no cell in common, so their maps cannot be laid side by side.")
        return
    panels = {e.label: np.asarray(e.method.umap)[r] for e, r in zip(entries, rows, strict=True)}
    colours = _colours(entries, rows, at)
    cells = entries[0].result.cells.iloc[rows[0]].reset_index(drop=True)
    drawn = plots.drawn_rows(len(cells), plots.MOST_POINTS // max(len(entries) - 1, 1))
    selected = _selected(cells)
    st.caption(
        "UMAP of each method's 15-neighbour graph, all begun from the layout before correction, so "
        "that cells lie alike. Draw a lasso in any panel: the same cells are brought forward in "
        "all of them."
        + (
            f" A random {len(drawn):,} of {len(cells):,} cells are drawn."
            if len(drawn) < len(cells)
            else ""
        )
    )
    figure.show(
        plots.grid(
            panels,
            colours,
            cells["cell"].astype(str).to_numpy(),
            rows=drawn,
            selected=selected,
            palette=view.palette,
        ),
        key=_key(),
        data=_table(cells, panels, colours),
        on_select=partial(_remember, cells["cell"].to_numpy()),
        selection_mode=("lasso", "box"),
        name=view.name("maps"),
        alt="UMAPs of the methods, coloured by cluster, batch and cell type",
    )
    if selected is not None:
        _selection(cells, colours, selected)


def _colours(entries: list[Entry], rows: list[np.ndarray], at: str) -> dict[str, dict[str, Any]]:
    clusters, batches, types = {}, {}, {}
    for entry, keep in zip(entries, rows, strict=True):
        sweep = entry.method.sweep
        row = None
        if at != "best":
            row = int((sweep["resolution"] - float(at)).abs().to_numpy().argmin())
        clusters[entry.label] = np.asarray(entry.method.clusters(row))[keep].astype(str)
        cells = entry.result.cells.iloc[keep]
        batches[entry.label] = cells["batch"].to_numpy()
        if "cell_type" in cells:
            types[entry.label] = cells["cell_type"].fillna("not known").to_numpy()
    found = {"Cluster": clusters, "Batch": batches}
    if len(types) == len(entries):
        found["Cell type"] = types
    return found


def _table(
    cells: pd.DataFrame, panels: dict[str, np.ndarray], colours: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """What is drawn, a row a cell."""
    frame = cells.copy()
    for name, points in panels.items():
        frame[f"{name} UMAP 1"], frame[f"{name} UMAP 2"] = points.T
        frame[f"{name} cluster"] = colours["Cluster"][name]
    return frame


def _selected(cells: pd.DataFrame) -> np.ndarray | None:
    kept = st.session_state.get(SELECTED)
    if kept is None:
        return None
    mask = cells["cell"].isin(kept).to_numpy()
    return mask if mask.any() else None


def _key() -> str:
    """Key of the figure: another one after each clearing, or the browser's lasso comes back."""
    return f"{KEY}-{st.session_state.get(CLEARED, 0)}"


def _clear() -> None:
    st.session_state.pop(SELECTED, None)
    st.session_state[CLEARED] = st.session_state.get(CLEARED, 0) + 1


def _remember(names: np.ndarray) -> None:
    """Keep a new selection by the cells' names; the panels are then drawn with it.

    The drawn figure is another one, which begins without a selection of its own: an empty one
    says nothing.
    """
    event = st.session_state.get(_key()) or {}
    points = event.get("selection", {}).get("points", [])
    rows = [row for row in map(_row, points) if row is not None and row < len(names)]
    if rows:
        st.session_state[SELECTED] = frozenset(names[rows])


def _row(point: dict[str, Any]) -> int | None:
    value = point.get("customdata")
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return None if value is None else int(value)


def _selection(
    cells: pd.DataFrame, colours: dict[str, dict[str, Any]], selected: np.ndarray
) -> None:
    """Who the selected cells are: batches, types, and their clusters in each method."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{int(selected.sum()):,} cells selected**", width="content")
        st.button(
            "Clear selection",
            icon=":material/close:",
            key="integration-clear",
            on_click=_clear,
        )
    columns: list[tuple[str, Any]] = [("Batch", cells["batch"])]
    if "cell_type" in cells:
        columns.append(("Cell type", cells["cell_type"].fillna("not known")))
    columns += [(f"Cluster, {name}", pd.Series(c)) for name, c in colours["Cluster"].items()]
    places = st.columns(len(columns))
    for place, (title, values) in zip(places, columns, strict=True):
        counts = values[selected].astype(str).value_counts()
        with place:
            st.caption(plain(title))
            st.dataframe(
                pd.DataFrame({"": counts.index, "cells": counts.to_numpy()}),
                hide_index=True,
                height=min(38 + 35 * len(counts), 260),
            )
