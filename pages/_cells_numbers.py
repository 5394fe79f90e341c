"""The numbers under Explore's figure: share of expressing cells, means, and a test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.metrics.gene_contrast import ALL_CELLS, gene_contrast
from core.plots.cell_scatter import written
from pages._cells_scene import NONE, Scene, first_cell_type
from pages._cells_view import CellView
from pages.components import choice
from pages.components.text import plain


@st.cache_data(max_entries=64, show_spinner="Testing …")
def _contrast(
    key: tuple[str, ...],
    _values: np.ndarray,
    _first: np.ndarray,
    _second: np.ndarray,
    _groups: pd.Series | None,
) -> pd.DataFrame:
    return gene_contrast(_values, _first, _second, _groups, names=(key[2], key[3])).table


def show(view: CellView, scene: Scene) -> None:
    """Two conditions in numbers, or the groups of a single panel."""
    if scene.colour.values is None:
        _groups(scene)
        return
    top = st.container()
    column = _choose_type(view, scene.split)
    groups = view.labels(column) if column else None
    if len(scene.conditions) == 2:
        _two(top, view, scene, column, groups)
    else:
        _one(top, scene, column, groups)


def _choose_type(view: CellView, split: str | None) -> str | None:
    columns = [c for c in view.groupings if c != split]
    if not columns:
        return None
    chosen = choice.select(
        "Mean by",
        [*columns, NONE],
        key="means",
        default=first_cell_type(view, split),
        format_func=lambda c: "all cells only" if c == NONE else c,
        width=260,
    )
    return None if chosen == NONE else chosen


def _two(
    top: DeltaGenerator, view: CellView, scene: Scene, column: str | None, groups: pd.Series | None
) -> None:
    first, second = scene.conditions
    key = (view.content_hash, str(scene.split), first, second, scene.colour.name, str(column))
    assert scene.colour.values is not None
    table = _contrast(key, scene.colour.values, scene.masks[0], scene.masks[1], groups)
    everything = table.iloc[0]
    signed = scene.colour.signed
    left, middle, right = top.columns(3)
    for place, name, side in ((left, first, "first"), (middle, second, "second")):
        share, mean = everything[f"share_{side}"], everything[f"mean_{side}"]
        with place:
            if signed or share == 1:
                st.metric(f"Mean in {plain(name)}", written(mean), border=True)
            else:
                st.metric(
                    f"Expressing in {plain(name)}",
                    f"{share:.1%}",
                    f"mean {written(mean)}",
                    delta_color="off",
                    delta_arrow="off",
                    border=True,
                )
    with right:
        st.metric(
            "Cliff's delta",
            f"{everything['cliffs_delta']:+.2f}",
            p_words(everything["p"]),
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"Probability that a cell of {plain(second)} has more than one of {plain(first)}, "
            "minus the opposite: −1 to 1, and 0 where neither has more. p: two-sided Wilcoxon rank "
            "sum over all cells, corrected for ties; it treats cells as independent.",
        )
    st.dataframe(
        _shown(table, first, second, column, signed),
        hide_index=True,
        placeholder="–",
        height=min(38 + 35 * len(table), 350),
        column_config={
            "δ": st.column_config.NumberColumn(help="Cliff's delta"),
            "q": st.column_config.NumberColumn(format="%.2g"),
            "p": st.column_config.NumberColumn(format="%.2g"),
        },
    )
    st.caption(
        f"{plain(second)} against {plain(first)}. p: Wilcoxon rank sum ([Mann & Whitney 1947]"
        "(https://doi.org/10.1214/aoms/1177730491)); δ: Cliff's delta; q: Benjamini–Hochberg over the groups listed. "
        "Empty: fewer than three cells on a side. Cells of one donor are not independent "
        "replicates: read p as a ranking, the effect size as the finding."
    )


def _shown(
    table: pd.DataFrame, first: str, second: str, column: str | None, signed: bool
) -> pd.DataFrame:
    sides = ((first, "first"), (second, "second"))
    columns: dict[str, object] = {column or "Cells": table["group"]}
    shares = table[["share_first", "share_second"]].to_numpy()
    if not signed and np.nanmin(shares, initial=1.0) < 1:
        columns |= {f"% {name}": (100 * table[f"share_{side}"]).round(1) for name, side in sides}
    digits = 3 if table["mean_first"].abs().max() < 100 else 1
    columns |= {f"mean {name}": table[f"mean_{side}"].round(digits) for name, side in sides}
    columns |= {"δ": table["cliffs_delta"].round(2), "q": table["p_adjusted"], "p": table["p"]}
    columns |= {f"n {name}": table[f"n_{side}"] for name, side in sides}
    return pd.DataFrame(columns)


def _one(top: DeltaGenerator, scene: Scene, column: str | None, groups: pd.Series | None) -> None:
    values = scene.colour.values
    assert values is not None
    left, right = top.columns(2)
    left.metric("Cells above 0", f"{(values > 0).mean():.1%}", border=True)
    right.metric("Mean", written(values.mean(dtype=np.float64)), border=True)
    if groups is None:
        return
    by = pd.DataFrame({"group": groups, "value": values}).groupby("group", observed=True)["value"]
    table = pd.DataFrame(
        {
            column or "Group": by.size().index.astype(str),
            "Cells": by.size().to_numpy(),
            "% above 0": (100 * by.agg(lambda v: (v > 0).mean())).round(1).to_numpy(),
            "Mean": by.mean().round(3).to_numpy(),
        }
    )
    st.dataframe(table.sort_values("Mean", ascending=False), hide_index=True)


def _groups(scene: Scene) -> None:
    if scene.colour.groups is None:
        return
    columns: dict[str, pd.Series] = {}
    for name, mask in zip(scene.conditions or (ALL_CELLS,), scene.masks, strict=True):
        counts = scene.colour.groups[mask].value_counts()
        columns[f"{name}: cells"] = counts
        columns[f"{name}: %"] = (100 * counts / max(int(mask.sum()), 1)).round(1)
    table = pd.DataFrame(columns).fillna(0)
    table.index = table.index.astype(str)
    st.dataframe(table.rename_axis(scene.colour.name).reset_index(), hide_index=True)


def p_words(p: float) -> str:
    """``p = 0.03`` as people write it."""
    if not np.isfinite(p):
        return "too few cells for a test"
    if p < 1e-300:
        return "p < 1e-300"
    return f"p = {p:.2g}"
