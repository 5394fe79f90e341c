"""The same knock-outs in many cells: medians with intervals."""

from __future__ import annotations

import streamlit as st

from core.plots import knockouts as plots
from pages._knockouts_view import View
from pages.components import choice, figure

MEASURES = {
    "auc_near": "AUC near the rank",
    "auc": "AUC, whole cell",
    "share": "Share explained by rank",
    "step_height": "Step height",
    "spearman_with_rank": "Spearman with rank",
    "cell_shift_others": "Cell shift, other genes",
}


def cells(view: View) -> None:
    """One measure over cells, by knock-out and mode."""
    analysis = view.analysis
    if len(analysis.cells) < 2:
        st.info("Intervals need two cells or more: this run has one.", icon=":material/data_array:")
        return
    table = analysis.intervals
    there = [m for m in MEASURES if table[m].notna().any()]
    measure = choice.segments(
        "Measure", there, key="measure", default="auc_near", format_func=MEASURES.__getitem__
    )
    figure.show(
        plots.intervals(table, measure, MEASURES[measure], palette=view.palette),
        key="knockout-intervals",
        data=table,
        name=view.name(measure, "over-cells"),
        alt=f"{MEASURES[measure]} over cells with intervals",
    )
    st.caption(
        f"Median over {len(analysis.cells):,} cells with its 95 % bootstrap interval (cells drawn "
        "with replacement)"
        + ("; each cell counts once in each hundred of ranks." if analysis.scanned else ".")
    )
    with st.expander("The cells", icon=":material/table_rows:"):
        st.dataframe(analysis.cells.drop(columns="row"), hide_index=True, height=min(38 * 9, 400))
