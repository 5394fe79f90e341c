"""Scores of the selected runs in each cell type, beside the baselines of the same folds."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.plots.comparison import grouped_bars
from core.runs import RunRecord
from core.studies.perturbation.grouping import summarise
from pages.components import figure
from pages.components.run_results import choose_series, choose_split, colours, finished, rows

METRICS = {"mrrmse": "MRRMSE", "pearson": "Row Pearson", "cosine": "Row cosine"}


def cells(records: Sequence[RunRecord]) -> None:
    """Grouped bars with bootstrap intervals, and the number of pairs behind each."""
    done = finished(records)
    if not done:
        return
    frame = rows(done)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        split = choose_split(frame, "pairs")
        metric = st.segmented_control(
            "Metric",
            list(METRICS),
            format_func=METRICS.__getitem__,
            default="mrrmse",
            required=True,
            key="metric",
        )
    inside = choose_series(frame[frame["split"] == split], "cells-series")
    if inside.empty:
        st.info("Choose at least one model.")
        return
    summary = summarise(inside, ("series", "cell_type")).rename(columns={"cell_type": "group"})
    summary = summary.sort_values("group", kind="stable")
    if metric != "mrrmse":
        summary = summary.drop(columns=["low", "high"])
    palette = figure.colours()
    chart = grouped_bars(
        summary,
        palette,
        value=str(metric),
        unit=METRICS[str(metric)],
        colours=colours(inside, palette),
    )
    figure.show(
        chart,
        key="runs-cells",
        data=summary.rename(columns={"group": "cell_type"}),
        name=f"cell-types-{split}",
        alt="Score of each model in each cell type",
    )
    st.caption(
        "Bars: mean over the pairs of a cell type"
        + (", whiskers: 95 % bootstrap interval. " if metric == "mrrmse" else ". ")
        + "Baselines (grey) are fitted in the same folds. Few pairs make wide intervals: the count "
        "is in the hover text."
    )
