"""Agreement of clusters with cell types and batches over the resolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.plots import integration as plots
from pages._integration_scores import best_rows
from pages._integration_view import View
from pages.components import figure

_COLUMNS = {"ari": "ARI", "nmi": "NMI", "batch_ari": "bARI", "n_clusters": "clusters"}


def resolutions(view: View) -> None:
    """Curves, then the table of the seed paper with the better value marked."""
    sweeps = {label: entry.method.sweep for label, entry in view.entries.items()}
    st.markdown(
        "Leiden clusters ([Traag et al. 2019](https://doi.org/10.1038/s41598-019-41695-z)) of "
        "each method's neighbour graph at every resolution, held against the cell types (ARI, "
        "NMI: higher is better) and the batches (lower is better, down to the floor). Shaded: "
        "the range of the mean ARI."
    )
    data = pd.concat([f.assign(method=name) for name, f in sweeps.items()], ignore_index=True)
    figure.show(
        plots.resolution_curves(sweeps, view.floor, palette=view.palette),
        key="integration-curves",
        data=data,
        name=view.name("resolutions"),
        alt="ARI, NMI and batch ARI of each method against the resolution",
    )
    labels = list(sweeps)
    chosen = st.multiselect(
        "In the table", labels, default=labels[:4], key="integration-table-methods"
    )
    if chosen:
        _table(view, {name: sweeps[name] for name in chosen})


def _table(view: View, sweeps: dict[str, pd.DataFrame]) -> None:
    known = {c: t for c, t in _COLUMNS.items() if any(f[c].notna().any() for f in sweeps.values())}
    wide = pd.concat(
        {
            name: frame.set_index("resolution")[list(known)].rename(columns=known)
            for name, frame in sweeps.items()
        },
        axis=1,
    )
    style = f"background-color: {view.palette.sequential[2]}; font-weight: 600"
    marks = pd.DataFrame("", index=wide.index, columns=wide.columns)
    for column, title in known.items():
        if column == "n_clusters":
            continue
        part = wide.xs(title, axis=1, level=1)
        for at, row in part.iterrows():
            best = best_rows(column, row, view.floor)
            for name, is_best in zip(part.columns, best, strict=True):
                marks.loc[at, (name, title)] = style if is_best else ""
    wide.index = pd.Index([f"{value:g}" for value in wide.index], name="resolution")
    marks.index = wide.index
    floor = pd.DataFrame(np.nan, index=["labels"], columns=wide.columns)
    for name in sweeps:
        for title, value in (("ARI", 1.0), ("NMI", 1.0), ("bARI", view.floor)):
            if (name, title) in floor.columns and view.labelled:
                floor.loc["labels", (name, title)] = value
    if view.labelled:
        wide = pd.concat([wide, floor])
        marks = marks.reindex(wide.index, fill_value="")
    formats: dict[Any, Any] = {
        c: "{:.0f}" if c[1] == "clusters" else "{:.3f}" for c in wide.columns
    }
    st.dataframe(
        wide.style.apply(lambda _: marks, axis=None).format(formats, na_rep="–"),
        key="integration-resolutions",
        height=min(72 + 35 * len(wide), 720),
    )
    st.caption(
        "Marked: the best value at each resolution. A batch ARI (bARI) below the floor, that of "
        "the labels themselves (last row), counts as one at the floor."
        if view.labelled
        else "Marked: the clusters that follow the batches least at each resolution."
    )
