"""Which knock-outs move cells towards a goal state, by a rank-matched and by a pooled null."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.models.rank_transformer.modes import Mode
from core.plots import knockouts as plots
from pages._knockouts_view import View
from pages.components import choice, figure
from pages.components.text import plain


def goal(view: View) -> None:
    """Mode, figure of both nulls, table of genes."""
    result = view.result
    tests = result.goal_tests if result is not None else pd.DataFrame()
    if tests.empty or result is None:
        st.info(
            "This run names no goal state: start one over ranks or all ranks with a group of "
            "cells that the others should move towards.",
            icon=":material/flag:",
        )
        return
    config = view.analysis.config
    clean = view.analysis.clean_mode
    names = list(dict.fromkeys(tests["mode"]))
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    with left:
        mode = choice.select("Mode", names, key="mode", default=clean.value if clean else names[0])
    here = tests[tests["mode"] == mode].drop(columns="mode").reset_index(drop=True)
    with right:
        st.markdown(f"**{plain(_sentence(result.rank_leak(Mode(mode)), here))}**")
    group = config.cells.group or "the chosen cells"
    figure.show(
        plots.null_comparison(here, palette=view.palette),
        key="knockout-nulls",
        data=here,
        name=view.name("goal", mode),
        alt="P-values of goal-state shifts against rank, by both nulls",
    )
    st.caption(
        f"Shift of {plain(group)} towards '{plain(config.goal.goal_group or '')}': cosine of the "
        "mean-pooled cell with the goal's mean after the knock-out less before, the gene itself "
        f"left out. Rank-matched: other knock-outs of the same cell within {config.window} ranks, "
        f"less their trend; pooled: any knock-out of the cell; {config.n_draws:,} draws, "
        "one-sided, Benjamini–Hochberg."
    )
    fine = st.column_config.NumberColumn(format="%.2e")
    short = st.column_config.NumberColumn(format="%.3g")
    st.dataframe(
        here,
        hide_index=True,
        height=320,
        column_config={
            "n_cells": "cells",
            "mean": st.column_config.NumberColumn("shift towards the goal", format="%.2e"),
            "null_matched": fine,
            "null_pooled": fine,
            **{f"{w}_{k}": short for w in "pq" for k in ("matched", "pooled")},
        },
    )


def _sentence(leak: dict[str, float], tests: pd.DataFrame) -> str:
    """How much of the rank is in the p-values of either null."""
    hits = {k: int((tests[f"q_{k}"] < 0.05).sum()) for k in ("matched", "pooled")}
    words = (
        f"{hits['matched']:,} genes have q < 0.05 by the rank-matched null, {hits['pooled']:,} by "
        "the pooled one."
    )
    found = {k: v for k, v in leak.items() if np.isfinite(v)}
    if "pooled" in found:
        said = f" P-values go with rank at Spearman {found['pooled']:+.2f} (pooled)"
        if "matched" in found:
            said += f" and {found['matched']:+.2f} (matched)"
        words += said + "."
    return words
