"""Figures of the section Quality: what the cut-offs take away, and quality by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.data.preprocessing import Preprocessing, cut_offs
from core.data.preprocessing.quality import failing
from core.metrics.densities import distributions
from core.plots import cell_quality as plots
from core.plots.cell_violins import violins
from pages._cells_view import CellView
from pages.components import figure

#: Column of the quality table: title, fields of its cut-offs, logarithmic axis.
VALUES = {
    "counts": ("Reads a cell (library size)", ("min_counts", "max_counts"), True),
    "genes": ("Genes a cell", ("min_genes", "max_genes"), False),
    "mito_percent": ("Mitochondrial reads (%)", (None, "max_mito"), False),
}


def show(view: CellView, table: pd.DataFrame, config: Preprocessing) -> None:
    """Histograms, or violins by group, and how many cells each cut-off removes."""
    masks = failing(table, config)
    kept = ~np.any(list(masks.values()), axis=0) if masks else np.ones(len(table), dtype=bool)
    kinds = ["Histograms", "Violins"] if view.groupings else ["Histograms"]
    kind = st.segmented_control(
        "Show", kinds, default=kinds[0], required=True, key="quality-kind", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if kind == "Violins":
        _violins(view, table)
    else:
        columns = st.columns(2)
        known = [n for n in VALUES if bool(np.isfinite(table[n]).any())]
        for i, name in enumerate(known):
            title, (low, high), log = VALUES[name]
            binned = plots.bins(table[name].to_numpy(), log=log)
            fig = plots.histogram(
                binned,
                title,
                low=getattr(config, low) if low else None,
                high=getattr(config, high),
                log=log,
                palette=view.palette,
            )
            with columns[i % 2]:
                figure.show(fig, key=f"quality-{name}", data=binned, name=view.name(name))
        with columns[len(known) % 2]:
            fig = plots.counts_against_genes(table, kept, palette=view.palette)
            figure.show(fig, key="quality-both", data=table, name=view.name("quality"))
        if "mito_percent" not in known:
            st.caption("No gene of this set is known to be mitochondrial.")
    removed = cut_offs(table, config)
    st.dataframe(
        removed,
        hide_index=True,
        placeholder="–",
        width="stretch",
        column_config={
            "cut_off": "Cut-off",
            "limit": st.column_config.NumberColumn("Limit", format="localized"),
            "removed": st.column_config.NumberColumn("Cells it removes", format="localized"),
            "only": st.column_config.NumberColumn("that no other removes", format="localized"),
            "percent": st.column_config.NumberColumn("of all (%)", format="%.1f"),
        },
    )


def _violins(view: CellView, table: pd.DataFrame) -> None:
    one, two = st.columns(2)
    with one:
        known = [n for n in VALUES if bool(np.isfinite(table[n]).any())]
        name = st.selectbox("Value", known, format_func=lambda n: VALUES[n][0], key="quality-value")
    with two:
        column = st.selectbox("Groups", view.groupings, key="quality-by")
    values = table[name].to_numpy(dtype=np.float32)
    found = distributions(np.nan_to_num(values), view.labels(column))
    fig = violins(found, VALUES[name][0], palette=view.palette)
    figure.show(fig, key="quality-violins", data=found.summary, name=view.name(name, column))
