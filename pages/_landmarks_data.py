"""A look at the cells before any model sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plots.embedding import scatter
from core.plots.landmarks import library_sizes, type_balance, variance_curve
from core.studies.landmarks import explore
from pages._landmarks_view import LandmarkView
from pages.components import figure
from pages.components.text import plain


@st.cache_data(max_entries=8, show_spinner="Principal components …")
def _principals(key: str, _view: LandmarkView) -> explore.Principals:
    return explore.principal_components(_view.data)


@st.cache_data(max_entries=16, show_spinner="Placing the cells by t-SNE …")
def _tsne(key: str, column: str, value: str, seed: int, _view: LandmarkView) -> explore.Placed:
    scores = _principals(_view.key, _view).scores
    return explore.tsne(scores, _rows(_view, column, value), seed=seed)


def _rows(view: LandmarkView, column: str, value: str) -> np.ndarray:
    if not column:
        return np.arange(view.data.n_cells)
    return np.flatnonzero(view.data.obs[column].astype(str).to_numpy() == value)


def show(view: LandmarkView) -> None:
    """Draw the section."""
    data = view.data
    split = data.split(view.config.seed)
    numbers = st.columns(5)
    for place, (name, value) in zip(
        numbers,
        {
            "Cells": data.n_cells,
            "Genes": data.n_genes,
            "Cell types": len(set(data.cell_types)),
            "Training cells": len(split.train),
            "Test cells": len(split.test),
        }.items(),
        strict=True,
    ):
        place.metric(name, f"{value:,}")
    with st.expander("What was removed and normalised", icon=":material/rule:"):
        st.markdown("\n".join(f"1. {plain(step)}" for step in data.steps))
        words = data.l1000.words().replace("absent from the model", "not among the kept genes")
        st.caption(
            f"L1000 landmarks: {plain(words)} Those not kept were measured too little to pass the "
            "filters, or are not in the file."
        )
        st.dataframe(
            data.l1000_report,
            hide_index=True,
            height=220,
            column_config={"given": "Symbol of 2017", "gene": "Here", "status": "Found"},
        )
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Library size", anchor=False)
        frame = pd.DataFrame({"cell": data.obs.index, "reads": data.library_size})
        figure.show(
            library_sizes(data.library_size, view.config.min_counts, view.palette),
            key="landmarks-library",
            data=frame,
            name=view.name("library size"),
            alt="Histogram of reads a cell",
        )
        st.caption(
            "Reads of each kept cell; the dashed line is the filter's cut-off. Cells differ "
            "several-fold, so each is scaled to the same total before any model."
        )
    with right:
        st.subheader("Cells of each type", anchor=False)
        table = explore.balance(data)
        figure.show(
            type_balance(table, view.palette),
            key="landmarks-balance",
            data=table,
            name=view.name("cell types"),
            alt="Number of cells of each type",
        )
        st.caption(
            "An error over all cells is mostly that of the frequent types: cap the cells of a type "
            "under Filters to balance them, as the paper did."
        )
    _components(view)
    _placed(view)


def _components(view: LandmarkView) -> None:
    found = _principals(view.key, view)
    left, right = st.columns([4, 3], gap="medium")  # the names of the types need room
    with left:
        st.subheader("Principal components", anchor=False)
        fig = scatter(
            found.scores[:, :2],
            pd.Series(view.data.obs.index),
            pd.Series(view.data.cell_types, name="cell type"),
            palette=view.palette,
        )
        table = pd.DataFrame(found.scores[:, :2], columns=["PC 1", "PC 2"])
        table.insert(0, "cell_type", view.data.cell_types)
        figure.show(
            fig, key="landmarks-pca", data=table, height=430, name=view.name("PCA"), alt="PCA"
        )
    with right:
        st.subheader("Variance they hold", anchor=False)
        shares = pd.DataFrame(
            {"component": np.arange(1, len(found.variance) + 1), "variance": found.variance}
        )
        figure.show(
            variance_curve(found.variance, view.palette),
            key="landmarks-variance",
            data=shares,
            height=430,
            name=view.name("variance"),
            alt="Cumulative variance",
        )
        total = float(found.variance.sum())
        st.caption(
            f"{len(found.variance)} components hold {total:.0%} of the variance of all genes. "
            "What many genes share can be predicted from a few; the rest is mostly sampling noise "
            "of single genes."
        )


def _placed(view: LandmarkView) -> None:
    st.subheader("t-SNE of one experiment", anchor=False)
    columns = explore.experiment_columns(view.data)
    first, second, third = st.columns(3)
    with first:
        column = st.selectbox(
            "Experiments by",
            ["", *columns],
            format_func=lambda name: name or "all cells together",
            index=1 if columns else 0,
            key="landmarks-experiment",
        )
    value = ""
    if column:
        values = view.data.obs[column].astype(str).value_counts().index.tolist()
        with second:
            value = st.selectbox("Experiment", values, key=f"landmarks-value-{column}") or ""
    with third:
        seed = int(st.number_input("Seed", 0, 9999, 0, key="landmarks-tsne-seed"))
    n = len(_rows(view, column or "", value))
    if not st.toggle(f"Place {min(n, explore.MOST_CELLS):,} cells", key="landmarks-tsne-on"):
        st.caption("t-SNE takes some seconds; switch it on when you want it.")
        return
    placed = _tsne(view.key, column or "", value, seed, view)
    types = view.data.cell_types[placed.rows]
    fig = scatter(
        placed.coordinates,
        pd.Series(view.data.obs.index[placed.rows]),
        pd.Series(types, name="cell type"),
        axes=("t-SNE 1", "t-SNE 2"),
        palette=view.palette,
    )
    table = pd.DataFrame(placed.coordinates, columns=["x", "y"])
    table.insert(0, "cell_type", types)
    figure.show(
        fig,
        key="landmarks-tsne",
        data=table,
        height=520,
        name=view.name("tsne", value),
        alt="t-SNE",
    )
    st.caption(
        "t-SNE (van der Maaten & Hinton 2008) of the leading principal components, perplexity 30. "
        "Distances between clusters mean little."
    )
