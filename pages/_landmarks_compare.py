"""Sets of genes beside each other: overlap, level, reasons, enrichment."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.data.gene_lists import gmt_text
from core.metrics import gene_sets_overlap as overlap
from core.plots import gene_sets as plots
from core.plots.export import csv_bytes, file_stem
from core.studies.landmark_selection.sets import updates
from pages import _landmarks_enrichment as enrichment
from pages._landmarks_sets import Chosen, add, choose, levels
from pages._landmarks_view import LandmarkView
from pages.components import figure
from pages.components.guard import guard


def show(view: LandmarkView) -> None:
    """Draw the section."""
    add(view)
    chosen = choose(view)
    if chosen is None:
        return
    tabs = st.tabs(
        ["Overlap", "Level", "Gene Ontology", "Genes", "Symbols"],
        key="compare-tab",
        on_change="rerun",
    )
    parts = (_overlap, _level, enrichment.show, _genes, _symbols)
    for tab, draw in zip(tabs, parts, strict=True):
        if tab.open:
            with tab, guard():
                draw(view, chosen)


def _overlap(view: LandmarkView, chosen: Chosen) -> None:
    groups = overlap.intersections(chosen.sets)
    if len(chosen.sets) == 1:
        st.info("Choose a second set to see an overlap.", icon=":material/info:")
        return
    data = groups.assign(
        members=groups["members"].map(" + ".join), genes=groups["genes"].map(";".join)
    )
    names = tuple(chosen.sets)
    if len(names) == 2:
        counts = dict(zip(groups["members"], groups["n"], strict=True))
        both = counts.get((names[0], names[1]), 0)
        chart = plots.venn(
            counts.get((names[0],), 0),
            both,
            counts.get((names[1],), 0),
            (names[0], names[1]),
            palette=view.palette,
        )
        alt = f"Venn diagram: {both} shared genes"
    else:
        sizes = {name: len(genes) for name, genes in chosen.sets.items()}
        chart = plots.upset(groups, sizes, palette=view.palette)
        alt = "UpSet figure of the sets"
        st.markdown(
            "Each bar counts the genes that are in exactly the sets whose dots are filled below it "
            "([Lex et al. 2014](https://doi.org/10.1109/TVCG.2014.2346248))."
        )
    figure.show(chart, key="compare-overlap", data=data, name=view.name("overlap"), alt=alt)
    st.markdown(
        f"Against chance: sets of these sizes drawn from the {view.data.n_genes:,} measured genes "
        "would share the expected number (hypergeometric; *more* and *fewer* are one-sided "
        "p-values, q is Benjamini–Hochberg over the pairs, two-sided)."
    )
    table = overlap.pairwise_overlap(chosen.sets, view.data.genes)
    number = column.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        key="compare-pairs",
        column_config={
            "a": "Set",
            "b": "and set",
            "n_a": "Genes",
            "n_b": "Genes ",
            "shared": "Shared",
            "expected": number("Expected", format="%.1f"),
            "fold": number("Fold", format="%.2f"),
            "jaccard": number("Jaccard", format="%.3f"),
            "p_more": number("p more", format="%.2g"),
            "p_less": number("p fewer", format="%.2g"),
            "q": number("q", format="%.2g"),
        },
    )


def _level(view: LandmarkView, chosen: Chosen) -> None:
    genes = levels(view)
    masks = {name: genes["gene"].isin(set_).to_numpy() for name, set_ in chosen.sets.items()}
    st.markdown(
        "Where the chosen genes lie among all measured ones: mean log expression, and Seurat's "
        "normalised dispersion (variance over mean against genes of like mean), over all cells. "
        "Boxes are quartiles, whiskers the range; *not* marks all other genes."
    )
    figure.show(
        plots.level_and_dispersion(genes, masks, palette=view.palette),
        key="compare-level",
        data=genes.assign(**masks),
        name=view.name("levels"),
        alt="Expression level and dispersion of chosen genes against the others",
    )
    rows = [
        overlap.chosen_against_rest(genes, set_).assign(set=name)
        for name, set_ in chosen.sets.items()
    ]
    number = column.NumberColumn
    st.dataframe(
        pd.concat(rows, ignore_index=True),
        hide_index=True,
        key="compare-levels",
        column_order=(
            "set",
            "quantity",
            "n_chosen",
            "n_rest",
            "median_chosen",
            "median_rest",
            "auc",
            "p_value",
        ),
        column_config={
            "set": "Set",
            "quantity": "Quantity",
            "n_chosen": "Chosen",
            "n_rest": "Others",
            "median_chosen": number("Median, chosen", format="%.3f"),
            "median_rest": number("Median, others", format="%.3f"),
            "auc": number(
                "AUC",
                format="%.3f",
                help="Probability that a chosen gene has the higher value; 0.5: no difference.",
            ),
            "p_value": number("p", format="%.2g", help="Two-sided Mann–Whitney test."),
        },
    )


def _genes(view: LandmarkView, chosen: Chosen) -> None:
    every = list(dict.fromkeys(gene for genes in chosen.sets.values() for gene in genes))
    table = pd.DataFrame({"gene": every})
    members = {name: set(genes) for name, genes in chosen.sets.items()}
    for name, genes in members.items():
        table[name] = table["gene"].isin(genes)
    table["in sets"] = table[list(members)].sum(axis=1)
    for name in members:
        if name in chosen.why:
            table[f"why: {name}"] = table["gene"].map(chosen.why[name]).fillna("")
    table = table.merge(levels(view), on="gene", how="left")
    table = table.sort_values("in sets", ascending=False, kind="stable", ignore_index=True)
    st.markdown("Every gene of the sets: which sets hold it, and why each chose it.")
    st.dataframe(table, hide_index=True, key="compare-genes")
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            lambda: csv_bytes(table),
            f"{file_stem(view.id, 'gene sets')}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="compare-csv",
        )
        st.download_button(
            "GMT",
            lambda: gmt_text(chosen.given.values()),
            f"{file_stem(view.id, 'gene sets')}.gmt",
            "text/plain",
            icon=":material/download:",
            on_click="ignore",
            key="compare-gmt",
        )


def _symbols(view: LandmarkView, chosen: Chosen) -> None:
    st.markdown(
        "Symbols of L1000 are those of 2017; some have been renamed since. What a set calls a gene, "
        "its name today by the HUGO Gene Nomenclature Committee "
        "([genenames.org](https://www.genenames.org)), and whether this data set measures it."
    )
    table = updates(view.data, chosen.given.values())
    if table.empty:
        st.info("No gene of these sets has changed its name.", icon=":material/info:")
        return
    st.dataframe(
        table,
        hide_index=True,
        key="compare-symbols",
        column_config={
            "set": "Set",
            "given": "As given",
            "present": "Today",
            "former": "Before",
            "measured as": "Measured as",
        },
    )
