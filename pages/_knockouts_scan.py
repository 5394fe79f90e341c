"""Many ranks of a cell: who answers at which knocked rank, and how far the cell moves."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.metrics.knockout import spearman
from core.models.rank_transformer.modes import Mode
from core.plots import knockouts as plots
from pages._knockouts_view import View
from pages.components import choice, figure

SHIFTS = {
    "cell_shift_others": "Other genes only",
    "cell_shift": "With the gene itself",
}


def scan(view: View) -> None:
    """Heat map of one cell in one mode beside another one; cell shift below."""
    analysis = view.analysis
    names = analysis.cells["cell"]
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        keys = [str(i) for i in range(min(len(names), 300))]
        cell = int(
            choice.select("Cell", keys, key="shown", format_func=lambda k: str(names.iloc[int(k)]))
        )
    there = [mode.value for mode in analysis.modes if (cell, mode) in analysis.responses]
    clean = analysis.clean_mode
    with middle:
        first = choice.select("Mode", there, key="left", default=Mode.DELETE.value)
    with right:
        second = choice.select(
            "Beside it", there, key="right", default=clean.value if clean else there[-1]
        )
    for side, place, mode in zip(("left", "right"), st.columns(2), (first, second), strict=True):
        ranks, shift = analysis.scan_matrix(cell, Mode(mode))
        with place:
            st.markdown(f"**{mode}**")
            if len(ranks) < 2:
                st.info("One rank makes no map: scan all ranks, or name several.")
                continue
            figure.show(
                plots.scan_heat(ranks, shift, palette=view.palette),
                key=f"knockout-heat-{side}",
                data=partial(_numbers, view, cell, Mode(mode)),
                name=view.name(names.iloc[cell], mode, "scan"),
                alt=f"Response of every gene to each knocked rank, {mode}",
            )
        if first == second:
            break
    st.caption(
        "A row is a knocked rank, a column an affected gene; colours are logarithmic and each "
        "map has its own scale. A deletion shows a corner along the dotted diagonal: all genes "
        "below the knocked rank, whatever they are."
    )
    cell_shift(view)


def _numbers(view: View, cell: int, mode: Mode) -> pd.DataFrame:
    """A row a knocked rank, a column an affected gene."""
    ranks, shift = view.analysis.scan_matrix(cell, mode)
    index = pd.Index(ranks, name="knocked rank")
    return pd.DataFrame(shift, index=index, columns=view.analysis.genes[cell])


def cell_shift(view: View) -> None:
    """How far the mean-pooled cell moves, by knocked rank."""
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.subheader("Shift of the whole cell", anchor=False)
    with right:
        column = choice.segments(
            "Mean over",
            list(SHIFTS),
            key="pooled",
            format_func=SHIFTS.__getitem__,
            label_visibility="collapsed",
        )
    outs = view.analysis.read_outs
    figure.show(
        plots.cell_shift_by_rank(outs, column=column, palette=view.palette),
        key="knockout-cell-shift",
        data=outs,
        name=view.name("cell-shift"),
        alt="Shift of the cell against the knocked rank",
    )
    st.caption(_correlations(outs, column))


def _correlations(outs: pd.DataFrame, column: str) -> str:
    """Spearman of the cell shift with rank, by mode; and of deletion with its control."""
    said = []
    for mode, part in outs[outs["rank"] >= 0].groupby("mode", sort=False):
        rho = spearman(part["rank"].to_numpy(float), part[column].to_numpy(float))
        if rho == rho:
            said.append(f"{mode} {rho:+.2f}")
    text = "Spearman of cell shift with knocked rank: " + "; ".join(said) + "." if said else ""
    wide = outs.pivot_table(index=["number", "target"], columns="mode", values=column)
    if {Mode.DELETE.value, Mode.SHIFT_ONLY.value} <= set(wide):
        both = wide[[Mode.DELETE.value, Mode.SHIFT_ONLY.value]].dropna().to_numpy()
        rho = spearman(both[:, 0], both[:, 1])
        if rho == rho:
            text += f" Deletion with the shift-only control: {rho:+.2f}."
    return text
