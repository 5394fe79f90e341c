"""A finished selection: scores, path, genes with why, cell types, stability, other tissue."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit import column_config as column

from core.data.gene_lists import GeneList, gmt_text, save_gene_list
from core.plots import gene_sets as plots
from core.plots.export import csv_bytes, file_stem
from core.plots.theme import Palette
from core.runs import RunRecord
from core.settings import get_settings
from core.studies.landmark_selection.result import REFERENCE, LandmarkSelectionResult
from pages._landmarks_view import LandmarkView
from pages.components import figure
from pages.components.guard import guard
from pages.components.text import plain

GAIN, SCORE = "Gain over random (upper right is better)", "Scores (lower left is better)"


@st.cache_resource(max_entries=8, show_spinner=False)
def opened(run_id: str) -> LandmarkSelectionResult:
    """The result of a finished run, opened once."""
    return LandmarkSelectionResult.load(get_settings().runs_folder / run_id)


def results(view: LandmarkView, record: RunRecord) -> None:
    """Draw the results of a finished selection."""
    result = opened(record.id)
    if result.data_hash() != view.key:
        st.caption(
            ":material/info: This selection was made with other filters than those above, or "
            "before the data set changed; its figures are those of the run."
        )
    tabs = st.tabs(
        ["Scores", "Genes", "Path", "Cell types", "Stability", "Other tissue"],
        key="selection-tab",
        on_change="rerun",
    )
    parts = (_scores, _genes, _path, _types, _stability, _transfer)
    for tab, draw in zip(tabs, parts, strict=True):
        if tab.open:
            with tab, guard():
                draw(view, result)


def _scores(view: LandmarkView, result: LandmarkSelectionResult) -> None:
    config, table = result.config, result.table()
    st.markdown(
        "Every set predicts all other genes by ridge regression, fitted on the training cells and "
        f"scored on the test cells of {config.n_splits} splits. Across: error on the "
        f"{config.held_share:.0%} of genes that **no selector saw**. Up: variance left over all "
        "genes, the chosen ones counted as known. Bars are 95 % t intervals over splits."
    )
    reference = REFERENCE if "held_mse_gain" in table else None
    if reference is not None:
        shown_as = st.segmented_control(
            "Shown as",
            [GAIN, SCORE],
            default=GAIN,
            required=True,
            key="selection-shown",
            help="Splits differ in how hard their held-out genes are, and all sets with them: what "
            "a set gains over the random one, split by split, has far narrower intervals.",
        )
        reference = reference if shown_as == GAIN else None
    figure.show(
        plots.selection_scores(table, reference=reference, palette=view.palette),
        key="selection-scores",
        data=table,
        name=view.name("selection scores"),
        alt="Sets by held-out error and variance left",
    )
    shown = table.merge(
        result.whole().rename(columns={"panel_left": "whole"}), on="set", how="left"
    )
    number = column.NumberColumn
    gain = f"{REFERENCE}'s score minus this set's, mean over splits: positive is better."
    st.dataframe(
        shown,
        hide_index=True,
        key="selection-table",
        column_order=(
            "set",
            "n_genes",
            "held_mse",
            "held_mse_low",
            "held_mse_high",
            "held_mse_gain",
            "panel_left",
            "panel_left_low",
            "panel_left_high",
            "panel_left_gain",
            "whole",
        ),
        column_config={
            "set": "Set",
            "n_genes": number("Genes", format="%.0f"),
            "held_mse": number("Held-out MSE", format="%.4f"),
            "held_mse_low": number("95 % from", format="%.4f"),
            "held_mse_high": number("to", format="%.4f"),
            "held_mse_gain": number("vs random", format="%+.4f", help=gain),
            "panel_left": number("Panel left", format="%.4f"),
            "panel_left_low": number("95 % from", format="%.4f"),
            "panel_left_high": number("to", format="%.4f"),
            "panel_left_gain": number("vs random", format="%+.4f", help=gain),
            "whole": number(
                "Panel left, final",
                format="%.4f",
                help="Of the final set, for which every gene was allowed; first split.",
            ),
        },
    )
    for name, note in result.facts["notes"].items():
        if note:
            st.caption(f"{plain(name)}: {plain(note)}")
    if config.n_splits < 3:
        st.caption("Fewer than three splits: the intervals say little.")


def _genes(view: LandmarkView, result: LandmarkSelectionResult) -> None:
    sets = result.sets()
    chosen = set(sets["set"])
    names = [name for name in result.table()["set"] if name in chosen]  # the best one first
    name = st.selectbox("Set", names, key="selection-set", width=420)
    rows = sets[sets["set"] == name].drop(columns="set").reset_index(drop=True)
    table = rows.merge(result.genes().drop(columns="is_landmark"), on="gene", how="left")
    n_landmark = int(table["is_landmark"].sum())
    st.markdown(
        f"{len(table):,} genes, chosen on the training cells of the first split with every gene "
        f"allowed; {n_landmark:,} of them are L1000 landmarks."
    )
    number = column.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        key="selection-genes",
        column_config={
            "rank": "Rank",
            "gene": "Gene",
            "why": column.TextColumn("Why", width="large"),
            "frequency": column.ProgressColumn(
                "Bootstraps", format="percent", min_value=0, max_value=1
            ),
            "is_landmark": "L1000",
            "mean": number("Mean", format="%.3f"),
            "variance": number("Variance", format="%.3f"),
            "dispersion": number("Dispersion", format="%.2f"),
            "detected": number("Detected", format="percent"),
        },
    )
    genes = tuple(table["gene"].astype(str))
    source = f"{name}, {len(genes):,} genes, learned on {result.facts['dataset']}"
    stem = file_stem(view.id, name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.download_button(
            "CSV",
            lambda: csv_bytes(table),
            f"{stem}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="selection-csv",
        )
        st.download_button(
            "GMT (all sets)",
            lambda: gmt_text(
                GeneList(n, tuple(result.genes_of(n)), str(result.facts["dataset"])) for n in names
            ),
            f"{file_stem(view.id, 'landmark sets')}.gmt",
            "text/plain",
            icon=":material/download:",
            on_click="ignore",
            key="selection-gmt",
        )
        given = st.text_input(
            "Save as a gene list", value=f"{name} ({view.id})", max_chars=80, key=f"save-as.{name}"
        )
        if st.button("Save", icon=":material/save:", key="selection-save"):
            saved = save_gene_list(
                given, genes, source=source, dataset=view.id, settings=get_settings()
            )
            st.toast(f"Saved {plain(saved.name)}.", icon=":material/save:")


def _path(view: LandmarkView, result: LandmarkSelectionResult) -> None:
    paths = result.paths()
    if paths.empty:
        st.info("None of the selectors of this run has a path.", icon=":material/info:")
        return
    names = list(dict.fromkeys(paths["set"]))
    chosen = st.pills("Paths", names, selection_mode="multi", default=names[:1], key="path-of")
    st.markdown(
        "Genes kept against the error that the method itself reports on its training cells: of a "
        "group lasso, the share of the targets' variance left at each penalty (of the network, its "
        "loss; dotted: on validation cells); of greedy and design, the share of variance left. "
        "Errors of different methods are not comparable: compare sets under Scores."
    )
    part = paths[paths["set"].isin(chosen)]
    if not part.empty:
        figure.show(
            plots.selection_path(part, palette=view.palette),
            key="selection-path",
            data=part,
            name=view.name("selection path"),
            alt="Genes kept against error",
        )


def _types(view: LandmarkView, result: LandmarkSelectionResult) -> None:
    frame = result.by_type()
    means = frame.groupby(["cell_type", "set"], sort=False)["held_mse"].mean().unstack("set")
    st.markdown(
        "Mean squared error of the held-out genes over the test cells of each type, mean over "
        "splits. Types differ in how much there is to predict: compare along a row."
    )
    st.dataframe(
        means.style.format("{:.4f}").highlight_min(axis=1, props="font-weight: bold"),
        key="selection-types",
    )
    st.download_button(
        "CSV",
        lambda: csv_bytes(frame),
        f"{file_stem(view.id, 'held-out error by cell type')}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="selection-types-csv",
    )


def _stability(view: LandmarkView, result: LandmarkSelectionResult) -> None:
    table = result.stability()
    if table.empty:
        st.info(
            "This run made no bootstraps: begin one with two or more to see how often each gene is "
            "chosen.",
            icon=":material/info:",
        )
        return
    st.markdown(
        f"Selections on {int(table['n_selections'].iloc[0])} bootstrap samples of the training "
        "cells, each with a seed of its own. Jaccard: shared genes over all genes of a pair of "
        "sets, mean over pairs. Stability Φ: 1 for equal sets, 0 by chance "
        "([Nogueira et al. 2018](https://jmlr.org/papers/v18/17-514.html))."
    )
    number = column.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        key="selection-stability",
        column_config={
            "set": "Set",
            "n_selections": "Selections",
            "jaccard": number("Jaccard", format="%.3f"),
            "expected_jaccard": number("Jaccard by chance", format="%.3f"),
            "nogueira": number("Φ", format="%.3f"),
            "nogueira_low": number("95 % from", format="%.3f"),
            "nogueira_high": number("to", format="%.3f"),
        },
    )
    sets = result.sets()
    figure.show(
        plots.stability_bars(sets, palette=view.palette),
        key="selection-frequency",
        data=sets[["set", "gene", "frequency"]],
        name=view.name("selection frequency"),
        alt="How often bootstraps chose the genes of each final set",
    )


def _transfer(view: LandmarkView, result: LandmarkSelectionResult) -> None:
    table = result.transfer()
    if table.empty:
        st.info(
            "This run tried no other tissue: begin one that names a second data set.",
            icon=":material/info:",
        )
        return
    judged = plain(table["judged_on"].iloc[0])
    st.markdown(
        f"Sets learned here and on {judged}, both judged on the test cells of {judged} over the "
        f"{int(table['n_shared'].iloc[0]):,} genes that both measure; ridge regression is fitted "
        "on its training cells in either case. One split, so no interval."
    )
    figure.show(
        _transfer_figure(table, view.palette),
        key="selection-transfer",
        data=table,
        name=view.name("other tissue"),
        alt="Held-out error of sets learned here and on the other tissue",
    )


def _transfer_figure(table: pd.DataFrame, palette: Palette) -> go.Figure:
    named = table.assign(set=table["set"] + " · learned on " + table["learned_on"])
    return plots.selection_scores(named, palette=palette)
