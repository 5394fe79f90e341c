"""Sections of the exploration page on the whole table: its design and its genes."""

from __future__ import annotations

import streamlit as st

from core.plots import perturbation_overview as plots
from core.studies.perturbation import explore
from pages._explore_view import View, statistics
from pages.components import figure

_SEED_REPORT = "the imbalance that figure 5 of the scPerturb report shows"


def design(view: View) -> None:
    """Which pairs were measured, and how unevenly the splits share them."""
    pairs = explore.design(view.table)
    counts = explore.split_counts(pairs)
    st.subheader("Pairs by cell type and split")
    st.markdown(
        "Each bar counts the (cell type, compound) pairs of a cell type in the training, public "
        f"and private test rows: {_SEED_REPORT}; the data are described at "
        "[GEO GSE279945](https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE279945), and "
        "comparable ones in [Peidli et al. 2024](https://doi.org/10.1038/s41592-023-02144-y)."
        if view.table.id.startswith("op2")
        else "Each bar counts the (cell type, compound) pairs of a cell type in each split; "
        "comparable data sets are collected in "
        "[Peidli et al. 2024](https://doi.org/10.1038/s41592-023-02144-y)."
    )
    figure.show(
        plots.split_counts(counts, palette=view.palette),
        key="split-counts",
        data=counts.reset_index(),
        name=view.name("pairs by cell type"),
        alt="Stacked bars: number of pairs in each cell type, by split",
    )
    if len(counts) < 2:
        st.caption("There is one cell type only, so every pair is one compound in it.")
        return
    st.subheader("Which pairs")
    st.markdown(
        "Every column is a compound, ordered by the number of cell types it was trained in; a "
        "filled cell is a pair of the design in the colour of its split, an empty cell was not "
        "designed. Point at a cell to read its compound."
    )
    matrix = explore.design_matrix(pairs)
    figure.show(
        plots.design_matrix(matrix, palette=view.palette),
        key="design-matrix",
        data=pairs,
        name=view.name("design"),
        alt="Matrix of cell types by compounds, coloured by split",
    )


def genes(view: View) -> None:
    """Which genes vary most, and which pass a threshold in most pairs."""
    threshold = st.slider(
        "Threshold of a regulated gene (absolute value)",
        0.5,
        10.0,
        2.0,
        0.5,
        key="threshold",
        bind="query-params",
        help="2 on a −log10 p scale is an unadjusted p of 0.01.",
    )
    table = statistics(view, threshold)
    variable, regulated = st.columns(2, gap="large")
    with variable:
        st.subheader("Most variable genes")
        st.markdown(
            "The 25 genes with the highest standard deviation of their value over the pairs "
            "(denominator n)."
        )
        figure.show(
            plots.top_genes(table, "sd", "standard deviation over pairs", palette=view.palette),
            key="variable-genes",
            data=table.nlargest(500, "sd").reset_index(names="gene"),
            name=view.name("variable genes"),
            alt="The 25 most variable genes",
        )
    with regulated:
        st.subheader("Most regulated genes")
        st.markdown(
            f"The 25 genes that reach ±{threshold:g} in most pairs; no correction for the number "
            "of tests is made here."
        )
        figure.show(
            plots.regulated_genes(table, threshold, palette=view.palette),
            key="regulated-genes",
            data=table.nlargest(500, "share_regulated").reset_index(names="gene"),
            name=view.name("regulated genes"),
            alt="The 25 most regulated genes: pairs down and up",
        )
    st.subheader("Where the most variable genes respond")
    st.markdown("Mean value of these 25 genes over the pairs of each cell type.")
    top = table.nlargest(25, "sd").index.tolist()
    means = explore.mean_by_cell_type(view.table, top, view.rows)
    figure.show(
        plots.heatmap(means, f"mean {view.table.target}", palette=view.palette),
        key="gene-means",
        data=means.reset_index(names="gene"),
        name=view.name("gene means"),
        alt="Heat map: mean response of the most variable genes in each cell type",
    )
