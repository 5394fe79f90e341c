"""Section Groups of the cell explorer: genes in groups of cells, and what the groups are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from scipy import stats

from core.errors import DataError
from core.metrics.energy_space import subsample
from core.metrics.markers import ORDERS, composition
from core.plots import cell_groups as plots
from core.plots.cell_violins import violins
from pages import _cells_statistics as statistics
from pages._cells_view import CellView, gene_in_use, show_gene
from pages.components import figure
from pages.components.text import plain

FIRST_GENES = ("CD69", "CD3D", "CD8A", "MS4A1", "GNLY", "NKG7", "CD14", "LYZ", "FCGR3A", "HBB")
#: Genes that are shown at once at most.
MOST_GENES = 60
#: Cells of the heat map in all.
HEATMAP_CELLS = 1200
_NONE = "none"
_ORDER_LABELS = {"scores": "score", "auc": "AUC", "logfoldchanges": "fold change"}


def show(view: CellView) -> None:
    """Choose a grouping and a figure."""
    if not view.groupings:
        st.info(
            "These cells carry no groups. Compute clusters in Embedding first.",
            icon=":material/scatter_plot:",
        )
        return
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    with left:
        column = st.selectbox("Groups", view.groupings, key="grp", bind="query-params")
    with right:
        chosen = st.segmented_control(
            "Figure",
            list(FIGURES),
            default=next(iter(FIGURES)),
            required=True,
            key="fig",
            bind="query-params",
            label_visibility="collapsed",
        )
    FIGURES[chosen or "Violin"](view, column)


def _genes(view: CellView, column: str) -> list[str]:
    """Genes to show: chosen, else known markers that are measured, else markers found here."""
    known = [g for g in FIRST_GENES if g in view.expression]
    in_use = gene_in_use()
    start = list(dict.fromkeys([*([in_use] if in_use in view.expression else []), *known]))
    if len(start) < 3:
        found = statistics.markers(view, column, n=2)
        start = list(dict.fromkeys([*start, *found["names"]]))
    chosen = st.multiselect(
        "Genes",
        view.genes.tolist(),
        default=start[:20],
        max_selections=MOST_GENES,
        key="genes",
        bind="query-params",
        help="Type a few letters of a symbol.",
    )
    if not chosen:
        raise DataError("Choose a gene or more.")
    return chosen


def _two_sided(view: CellView, column: str) -> tuple[str, str, str] | None:
    """A column with two groups (or two of its groups) for the halves of violins."""
    halves = {c: view.labels(c).cat.categories for c in view.groupings if c != column}
    halves = {c: names for c, names in halves.items() if len(names) == 2}
    if not halves:
        return None
    split = st.selectbox("Halves", [_NONE, *halves], key="halves", bind="query-params")
    return None if split == _NONE else (split, *map(str, halves[split]))  # type: ignore[return-value]


def _violin(view: CellView, column: str) -> None:
    what_at, choice_at, half_at = st.columns([2, 4, 2], vertical_alignment="bottom")
    with what_at:
        kind = st.segmented_control(
            "Value",
            ["Gene", "Gene set", "Quality"],
            default="Gene",
            required=True,
            key="violin",
            bind="query-params",
        )
    what: tuple[str, ...]
    with choice_at:
        if kind == "Quality":
            name = st.selectbox("Number", view.numbers, key="number", bind="query-params")
            what, values, title = ("number", name), view.number(name), name
            sentence = ""
        elif kind == "Gene set":
            what, values, title, sentence = _gene_set(view)
        else:
            genes = view.genes.tolist()
            start = gene_in_use() if gene_in_use() in view.expression else None
            start = start or next((g for g in FIRST_GENES if g in view.expression), genes[0])
            name = st.selectbox("Gene", genes, index=genes.index(start), key="violin-gene")
            what, values = ("gene", name), view.expression.gene(name)
            title, sentence = f"{name}: {view.expression.words}", ""
    with half_at:
        split = _two_sided(view, column)
    left, right, names = None, None, ("", "")
    if split is None:
        left = statistics.violin(view, what, values, column, None)
    else:
        halves = view.labels(split[0])
        left, right = (
            statistics.violin(view, what, values, column, (halves == half).to_numpy())
            for half in split[1:]
        )
        names = split[1:]
    st.markdown(
        f"A violin is a Gaussian kernel density of all cells of a group (bandwidth after Silverman "
        "1986, cut at the range), each as wide as the next at its highest point; the bar spans the "
        "quartiles ([Hintze & Nelson 1998](https://doi.org/10.1080/00031305.1998.10480559)), the "
        f"line is the median and the dot the mean. {sentence}"
    )
    data = (
        left.summary
        if right is None
        else pd.concat([left.summary.assign(half=names[0]), right.summary.assign(half=names[1])])
    )
    figure.show(
        violins(left, title, right=right, names=names, palette=view.palette),
        key="groups-violin",
        data=data,
        name=view.name(*what, column),
        alt=f"Violins of {title} by {column}",
    )
    if kind == "Gene":
        st.button(
            "Colour the cells by it",
            icon=":material/bubble_chart:",
            on_click=show_gene,
            args=(name,),
            key="groups-show",
        )


def _gene_set(view: CellView) -> tuple[tuple[str, ...], np.ndarray, str, str]:
    text = st.text_input(
        "Genes of the set", "CD69 FOS JUN", key="set", bind="query-params", max_chars=4000
    )
    genes = [word for word in text.replace(",", " ").split() if word]
    found = statistics.score(view, genes)
    missing = f" Not measured: {plain(', '.join(found.missing[:8]))}." if found.missing else ""
    sentence = (
        f"The score is the mean of {len(found.used)} genes minus the mean of {len(found.controls)} "
        "random genes of like expression, as scanpy's score_genes, seed 0 "
        f"([Tirosh et al. 2016](https://doi.org/10.1126/science.aad0501)).{missing}"
    )
    return ("score", *genes), found.values, f"score of {len(found.used)} genes", sentence


def _dots(view: CellView, column: str) -> None:
    genes = _genes(view, column)
    scaled = st.toggle("Scale each gene from 0 to 1", key="scaled", bind="query-params")
    table = statistics.summary(view, column, genes)
    st.markdown(
        "A dot's area is the share of the group's cells in which the gene is not 0; its colour is "
        f"the mean over all of the group's cells ({plain(view.expression.words)})."
    )
    unit = f"mean of {view.expression.words}"
    figure.show(
        plots.dot_plot(table, scaled=scaled, unit=unit, palette=view.palette),
        key="groups-dots",
        data=table,
        name=view.name("dots", column),
        alt=f"Dot plot of {len(genes)} genes by {column}",
    )


def _heat(view: CellView, column: str) -> None:
    genes = _genes(view, column)
    labels = view.labels(column)
    n_groups = len(labels.cat.categories)
    cells = subsample(labels, max(2, HEATMAP_CELLS // n_groups))
    codes = labels.cat.codes.to_numpy()[cells]
    cells = cells[np.argsort(codes, kind="stable")]
    values = np.column_stack([view.expression.gene(gene)[cells] for gene in genes])
    st.markdown(
        f"Every column is a cell: {len(cells):,} of {view.n_cells:,}, at most "
        f"{max(2, HEATMAP_CELLS // n_groups)} of each group at random (seed 0). Colours end at the "
        "99th percentile."
    )
    figure.show(
        plots.cell_heatmap(
            values, genes, labels.iloc[cells], unit=view.expression.words, palette=view.palette
        ),
        key="groups-heat",
        data=pd.DataFrame(values, columns=genes).assign(group=labels.iloc[cells].to_numpy()),
        name=view.name("heat map", column),
        alt=f"Heat map of {len(genes)} genes in cells by {column}",
    )


def _composition(view: CellView, column: str) -> None:
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


def _pair(view: CellView, column: str) -> None:
    genes = view.genes.tolist()
    known = [g for g in (gene_in_use(), *FIRST_GENES) if g is not None and g in view.expression]
    known = list(dict.fromkeys([*known, *genes[:2]]))
    left, right = st.columns(2)
    with left:
        x = st.selectbox("Across", genes, genes.index(known[0]), key="gx", bind="query-params")
    with right:
        y = st.selectbox("Up", genes, genes.index(known[1]), key="gy", bind="query-params")
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


def _markers(view: CellView, column: str) -> None:
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


FIGURES: dict[str, Callable[[CellView, str], None]] = {
    "Violin": _violin,
    "Dot plot": _dots,
    "Heat map": _heat,
    "Composition": _composition,
    "Gene against gene": _pair,
    "Markers": _markers,
}
