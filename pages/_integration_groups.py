"""Scores a cell type and a batch; types of one batch are flagged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plots import integration as plots
from pages._integration_view import View
from pages.components import figure

WORDS = {
    "silhouette": "Silhouette (0 mixed with other types, 1 apart)",
    "clisi": "cLISI (1: only its own type around it)",
    "same_type_neighbours": "Share of the 15 neighbours of its own type",
    "graph_connectivity": "Graph connectivity (1: one piece)",
    "bras": "BRAS (1: batches mixed within the type)",
    "silhouette_batch": "Batch silhouette (1: batches mixed within the type)",
    "kbet": "kBET (share of neighbourhoods that keep the proportions)",
    "ilisi": "iLISI (0: one batch around it, 1: all)",
}


def groups(view: View) -> None:
    """A heat map of methods over cell types, and one over batches."""
    if not view.labelled:
        st.info("No cell types are known in this run, so there are no scores by cell type.")
    else:
        _by_type(view)
    _by_batch(view)


def _by_type(view: View) -> None:
    frames = {label: entry.method.cell_types for label, entry in view.entries.items()}
    frames = {label: frame for label, frame in frames.items() if len(frame)}
    if not frames:
        st.info("No method has scores by cell type.")
        return
    names = [
        n for n in WORDS if any(n in frame and frame[n].notna().any() for frame in frames.values())
    ]
    st.subheader("By cell type")
    score = st.selectbox("Score", names, format_func=WORDS.__getitem__, key="type-score", width=480)
    first = next(iter(frames.values())).set_index("cell_type")
    table = pd.DataFrame(
        {label: f.set_index("cell_type")[score] for label, f in frames.items() if score in f}
    ).reindex(first.index)
    table = table.loc[first["n_cells"].sort_values(ascending=False).index]
    flagged = first.loc[table.index]
    table.index = pd.Index(
        [
            f"{name} ({count:,})" + (" ◆" if alone else "")
            for name, count, alone in zip(
                table.index, flagged["n_cells"], flagged["one_batch"], strict=True
            )
        ],
        name="cell type",
    )
    figure.show(
        plots.heat(table, str(score), palette=view.palette),
        key="integration-types",
        data=table.reset_index(),
        name=view.name("by cell type", str(score)),
        alt=f"{WORDS[str(score)]} of each cell type in each method",
    )
    alone = first.index[first["one_batch"]]
    st.caption(
        "Number of cells in brackets. "
        + (
            "◆ occurs in one batch only: there is nothing to mix, so mixing scores are empty, and "
            "what counts is that it stays apart (share of neighbours of its own type)."
            if len(alone)
            else "Every type occurs in two batches or more."
        )
        + " An empty field is not defined: too few cells, or one batch."
    )


def _by_batch(view: View) -> None:
    frames = {
        label: entry.method.batches.set_index("batch") for label, entry in view.entries.items()
    }
    names = [
        n
        for n in ("ilisi", "clisi", "silhouette", "same_type_neighbours")
        if any(n in f and np.isfinite(f[n]).any() for f in frames.values())
    ]
    if not names:
        return
    st.subheader("By batch")
    score = st.selectbox(
        "Score of a batch", names, format_func=WORDS.__getitem__, key="batch-score", width=480
    )
    table = pd.DataFrame({label: f[score] for label, f in frames.items() if score in f})
    sizes = next(iter(frames.values()))["n_cells"].reindex(table.index)
    table.index = pd.Index(
        [f"{name} ({int(count):,})" for name, count in zip(table.index, sizes, strict=True)],
        name="batch",
    )
    figure.show(
        plots.heat(table, str(score), palette=view.palette),
        key="integration-batches",
        data=table.reset_index(),
        name=view.name("by batch", str(score)),
        alt=f"{WORDS[str(score)]} of each batch in each method",
    )
