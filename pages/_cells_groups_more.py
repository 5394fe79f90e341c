"""Figures of the section Groups: composition, gene against gene, markers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from scipy import stats

from core.metrics.markers import ORDERS, composition
from core.plots import cell_groups as plots
from pages import _cells_statistics as statistics
from pages._cells_genes import MOST_GENES, own_gene
from pages._cells_view import CellView, gene_in_use, show_gene
from pages.components import figure
from pages.components.text import plain

#: Offered first where they are measured: markers of blood cells.
FIRST_GENES = ("CD69", "CD3D", "CD8A", "MS4A1", "GNLY", "NKG7", "CD14", "LYZ", "FCGR3A", "HBB")
_ORDER_LABELS = {"scores": "score", "auc": "AUC", "logfoldchanges": "fold change"}


def composition_of(view: CellView, column: str) -> None:
    """What the cells of each group are."""
    others = [c for c in view.groupings if c != column]
    if not others:
        st.info("There is one grouping only; a composition needs a second one.")
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        of = st.selectbox("Made of", others, key="made", bind="query-params")
    with right:
        counts = st.toggle("Numbers of cells", key="counts", bind="query-params")
    table = composition(view.labels(column), view.labels(of))
    st.markdown(
        "Each bar holds the cells of a group, by what they are. Shares add up to 100 %, so that one "
        "part can only grow as others shrink: with few samples a change here is a hint, no test "
        "([Büttner et al. 2021](https://doi.org/10.1038/s41467-021-27150-6))."
    )
    figure.show(
        plots.composition_bars(table, counts=counts, palette=view.palette),
        key="groups-composition",
        data=table,
        name=view.name("composition", column, of),
        alt=f"Composition of {column} by {of}",
    )


def pair(view: CellView, column: str) -> None:
    """One gene against another."""
    known = [g for g in (gene_in_use(), *FIRST_GENES) if g is not None and g in view.expression]
    known = list(dict.fromkeys([*known, *view.genes[:2].tolist()]))
    left, right = st.columns(2)
    with left:
        x = own_gene(view, "Across", key="gx", first=known[0])
    with right:
        y = own_gene(view, "Up", key="gy", first=known[min(1, len(known) - 1)])
    across, up = view.expression.gene(x), view.expression.gene(y)
    constant = bool(np.ptp(across) == 0 or np.ptp(up) == 0)
    rho = "undefined" if constant else f"{stats.spearmanr(across, up).statistic:.3f}"
    r = "undefined" if constant else f"{np.corrcoef(across, up)[0, 1]:.3f}"
    both = float(((across != 0) & (up != 0)).mean())
    st.markdown(
        f"Pearson's r {r}, Spearman's ρ {rho} over {view.n_cells:,} cells; both are expressed in "
        f"{both:.1%} of cells. "
        + (
            "Cells are counted in bins."
            if view.n_cells > plots.MOST_POINTS
            else "A point is a cell; many lie upon each other at 0."
        )
    )
    figure.show(
        plots.gene_against_gene(across, up, (x, y), view.labels(column), palette=view.palette),
        key="groups-pair",
        data=pd.DataFrame({x: across, f"{y} ": up, column: view.labels(column)})
        if view.n_cells <= plots.MOST_POINTS
        else None,
        name=view.name(x, y),
        alt=f"{x} against {y}",
    )


def markers(view: CellView, column: str) -> None:
    """Genes that are higher in a group than in the rest."""
    order_at, fold_at, share_at, n_at = st.columns(4)
    with order_at:
        order = st.selectbox(
            "Order by",
            ORDERS,
            format_func=_ORDER_LABELS.__getitem__,
            key="order",
            bind="query-params",
        )
    with fold_at:
        fold = st.number_input(
            "log2 fold change at least", -5.0, 20.0, 0.5, 0.25, key="mfc", bind="query-params"
        )
    with share_at:
        share = st.number_input(
            "Expressed in at least", 0.0, 1.0, 0.25, 0.05, key="mshare", bind="query-params"
        )
    with n_at:
        n = st.number_input("Genes a group", 1, 200, 10, key="mn", bind="query-params")
    found = statistics.markers(
        view, column, n=int(n), order=order, min_log_fold_change=fold, min_share=share
    )
    st.markdown(
        "Genes that are higher in a group than in all other cells: Wilcoxon's rank sum as scanpy, "
        "Benjamini–Hochberg below 0.05. Where groups were found from these same values (clusters), "
        "p-values are too small by construction; order and effect sizes still hold "
        "([Gao et al. 2022](https://doi.org/10.1080/01621459.2022.2116331))."
    )
    if found.empty:
        st.info("No gene passes; loosen the thresholds.")
        return
    top = list(dict.fromkeys(found[found["rank"] <= 3]["names"]))[:MOST_GENES]
    figure.show(
        plots.dot_plot(statistics.summary(view, column, top), scaled=True, palette=view.palette),
        key="groups-markers",
        data=found,
        name=view.name("markers", column),
        alt=f"Dot plot of the top markers by {column}",
    )
    columns = {
        "group": "Group",
        "rank": "Rank",
        "names": "Gene",
        "logfoldchanges": "log2 FC",
        "pvals_adj": "Adjusted p",
        "auc": "AUC",
        "pct_nz_group": "In group",
        "pct_nz_reference": "In rest",
    }
    number = st.column_config.NumberColumn
    event = st.dataframe(
        found[list(columns)].rename(columns=columns),
        hide_index=True,
        height=360,
        on_select="rerun",
        selection_mode="single-row",
        key="markers-table",
        column_config={
            "log2 FC": number(format="%.2f"),
            "Adjusted p": number(format="%.2e"),
            "AUC": number(format="%.3f"),
            "In group": number(format="percent"),
            "In rest": number(format="percent"),
        },
    )
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(found):
        gene = str(found["names"].iloc[rows[0]])
        st.button(
            f"Colour the cells by {plain(gene)}",
            icon=":material/bubble_chart:",
            on_click=show_gene,
            args=(gene,),
            key="markers-show",
        )
