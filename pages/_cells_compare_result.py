"""The result of a comparison: volcano and table, from which genes are picked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.metrics.densities import distributions
from core.plots.cell_violins import violins
from core.plots.cell_volcano import volcano
from pages._cells_compare_saved import export
from pages._cells_compare_sets import send_to_screen
from pages._cells_statistics import CellSet
from pages._cells_view import CellView, gene_in_use, show_gene, use_gene
from pages.components import figure
from pages.components.text import plain

#: Session memory of the selections that were last seen, so that the newest click wins.
_SEEN = "cells-compare-seen"


def result(
    view: CellView, group: CellSet, reference: CellSet, table: pd.DataFrame, how: str
) -> None:
    """Thresholds, volcano, table, and the gene that was picked from either."""
    left, right, rest = st.columns([2, 2, 3])
    alpha = left.number_input(
        "Adjusted p at most", 1e-10, 1.0, 0.05, format="%g", key="de_alpha", bind="query-params"
    )
    least = right.number_input(
        "|log2 fold change| at least", 0.0, 20.0, 1.0, 0.25, key="de_lfc", bind="query-params"
    )
    passed = (table["pvals_adj"] <= alpha) & (table["logfoldchanges"].abs() >= least)
    up = table[passed & (table["logfoldchanges"] > 0)]
    down = table[passed & (table["logfoldchanges"] < 0)].iloc[::-1]
    rest.metric(
        "Genes beyond both",
        f"{int(passed.sum()):,}",
        f"{len(up):,} higher, {len(down):,} lower",
        delta_color="off",
        delta_arrow="off",
    )
    picked = gene_in_use()
    wide, narrow = st.columns([3, 2], gap="large")
    with wide:
        event = figure.show(
            volcano(
                table,
                names=(group.name, reference.name),
                max_p_adjusted=alpha,
                min_log_fold_change=least,
                picked=picked,
                palette=view.palette,
            ),
            key="volcano",
            data=table,
            on_select="rerun",
            selection_mode="points",
            name=view.name(group.name, "against", reference.name),
            alt=f"Volcano plot of {group.name} against {reference.name}",
        )
        st.caption("Click on a gene to look at it; a triangle stands beyond the axis.")
    with narrow:
        chosen = _table(table)
    _pick(_gene_of(event), chosen)
    with narrow:
        _gene(view, group, reference, table, gene_in_use())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        export(view, table, group, reference, how)
        send_to_screen(up["names"].tolist(), down["names"].tolist())


def _table(table: pd.DataFrame) -> str | None:
    """The table, strongest first; returns the gene of the row that is chosen."""
    shown = table.reindex(table["scores"].abs().sort_values(ascending=False).index)
    columns = {
        "names": "Gene",
        "logfoldchanges": "log2 FC",
        "pvals_adj": "Adjusted p",
        "auc": "AUC",
        "pct_nz_group": "In first",
        "pct_nz_reference": "In second",
        "scores": "Score",
    }
    columns = {key: name for key, name in columns.items() if key in shown}
    number = st.column_config.NumberColumn
    event = st.dataframe(
        shown[list(columns)].rename(columns=columns),
        hide_index=True,
        height=300,
        on_select="rerun",
        selection_mode="single-row",
        key="compare-table",
        column_config={
            "log2 FC": number(format="%.2f"),
            "Adjusted p": number(format="%.2e"),
            "AUC": number(format="%.3f"),
            "In first": number(
                format="percent", help="Share of the first set's cells that express it."
            ),
            "In second": number(format="percent"),
            "Score": number(format="%.2f"),
        },
    )
    rows = event["selection"]["rows"]
    return str(shown["names"].iloc[rows[0]]) if rows and rows[0] < len(shown) else None


def _gene_of(event: object) -> str | None:
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    if not points:
        return None
    name = points[0].get("customdata")
    return str(name[0] if isinstance(name, list | tuple) and name else name) if name else None


def _pick(*clicked: str | None) -> None:
    """Make the newest click the gene in use."""
    seen = st.session_state.get(_SEEN, (None,) * len(clicked))
    st.session_state[_SEEN] = clicked
    for now, before in zip(clicked, seen, strict=True):
        if now is not None and now != before and now != gene_in_use():
            use_gene(now)
            st.rerun()


def _gene(
    view: CellView, group: CellSet, reference: CellSet, table: pd.DataFrame, gene: str | None
) -> None:
    if gene is None or gene not in view.expression:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(gene)}**", width="content")
        st.button(
            "Colour the cells by it",
            icon=":material/bubble_chart:",
            on_click=show_gene,
            args=(gene,),
            key="compare-show",
        )
    row = table[table["names"] == gene]
    if len(row):
        st.caption(_words(row.iloc[0]))
    labels = np.where(group.mask, group.name, reference.name)
    used = group.mask | reference.mask
    found = distributions(view.expression.gene(gene)[used], labels[used])
    figure.show(
        violins(found, f"{gene}: {view.expression.words}", palette=view.palette),
        key="compare-gene",
        data=found.summary,
        height=300,
        name=view.name(gene, group.name, reference.name),
        alt=f"{gene} in {group.name} and {reference.name}",
    )


def _words(row: pd.Series) -> str:
    parts = [f"log2 fold change {row['logfoldchanges']:.2f}", f"adjusted p {row['pvals_adj']:.2g}"]
    if "auc" in row:
        parts.append(f"AUC {row['auc']:.3f} (Cliff's delta {row['cliffs_delta']:+.3f})")
        parts.append(f"expressed in {row['pct_nz_group']:.0%} and {row['pct_nz_reference']:.0%}")
    return ", ".join(parts) + "."
