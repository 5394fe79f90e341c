"""Section Groups of the cell explorer: genes in groups of cells, and what the groups are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from core.metrics.energy_space import subsample
from core.plots import cell_groups as plots
from core.plots.cell_violins import violins
from pages import _cells_genes as genes
from pages import _cells_statistics as statistics
from pages._cells_groups_more import FIRST_GENES, composition_of, markers, pair
from pages._cells_view import CellView, gene_in_use, show_gene
from pages.components import figure
from pages.components.text import plain

#: Cells of the heat map in all.
HEATMAP_CELLS = 1200
_NONE = "none"


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

    def first() -> list[str]:
        known = [g for g in (gene_in_use(), *FIRST_GENES) if g is not None and g in view.expression]
        start = list(dict.fromkeys(known))
        if len(start) < 3:
            found = statistics.markers(view, column, n=2)
            start = list(dict.fromkeys([*start, *found["names"]]))
        return start[:20]

    return genes.several(view, first)


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
            name = genes.gene_in_use(view, key="violin-gene")
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
        "Genes of the set", "CD69 FOS JUN", key="members", bind="query-params", max_chars=4000
    )
    members = [word for word in text.replace(",", " ").split() if word]
    found = statistics.score(view, members)
    missing = f" Not measured: {plain(', '.join(found.missing[:8]))}." if found.missing else ""
    sentence = (
        f"The score is the mean of {len(found.used)} genes minus the mean of {len(found.controls)} "
        "random genes of like expression, as scanpy's score_genes, seed 0 "
        f"([Tirosh et al. 2016](https://doi.org/10.1126/science.aad0501)).{missing}"
    )
    return ("score", *members), found.values, f"score of {len(found.used)} genes", sentence


def _dots(view: CellView, column: str) -> None:
    shown = _genes(view, column)
    scaled = st.toggle("Scale each gene from 0 to 1", key="scaled", bind="query-params")
    table = statistics.summary(view, column, shown)
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
        alt=f"Dot plot of {len(shown)} genes by {column}",
    )


def _heat(view: CellView, column: str) -> None:
    shown = _genes(view, column)
    labels = view.labels(column)
    n_groups = len(labels.cat.categories)
    cells = subsample(labels, max(2, HEATMAP_CELLS // n_groups))
    codes = labels.cat.codes.to_numpy()[cells]
    cells = cells[np.argsort(codes, kind="stable")]
    values = np.column_stack([view.expression.gene(gene)[cells] for gene in shown])
    st.markdown(
        f"Every column is a cell: {len(cells):,} of {view.n_cells:,}, at most "
        f"{max(2, HEATMAP_CELLS // n_groups)} of each group at random (seed 0). Colours end at the "
        "99th percentile."
    )
    figure.show(
        plots.cell_heatmap(
            values, shown, labels.iloc[cells], unit=view.expression.words, palette=view.palette
        ),
        key="groups-heat",
        data=pd.DataFrame(values, columns=shown).assign(group=labels.iloc[cells].to_numpy()),
        name=view.name("heat map", column),
        alt=f"Heat map of {len(shown)} genes in cells by {column}",
    )


FIGURES: dict[str, Callable[[CellView, str], None]] = {
    "Violin": _violin,
    "Dot plot": _dots,
    "Heat map": _heat,
    "Composition": composition_of,
    "Gene against gene": pair,
    "Markers": markers,
}
