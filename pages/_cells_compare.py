"""Section Compare of the cell explorer: differential expression between two sets of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.data.comparisons import (
    Comparison,
    delete_comparison,
    list_comparisons,
    load_comparison,
    save_comparison,
)
from core.metrics.densities import distributions
from core.metrics.differential import TESTS
from core.metrics.pseudobulk import BULK_TESTS
from core.plots.cell_violins import violins
from core.plots.cell_volcano import volcano
from core.plots.export import csv_bytes, file_stem
from core.settings import get_settings
from pages import _cells_statistics as statistics
from pages._cells_compare_sets import choose_sets, send_to_screen
from pages._cells_statistics import CellSet
from pages._cells_view import CellView, gene_in_use, show_gene, use_gene
from pages.components import figure
from pages.components.guard import guard
from pages.components.text import plain

TEST_LABELS = {
    "wilcoxon": "Wilcoxon rank sum (cells)",
    "t-test": "Welch's t (cells)",
    "t-test_overestim_var": "Welch's t, overestimated variance (cells)",
    "moderated-t": "Pseudobulk: moderated t (samples)",
    "welch": "Pseudobulk: Welch's t (samples)",
}
#: Session memory of the selections that were last seen, so that the newest click wins.
_SEEN = "cells-compare-seen"
_NONE = "none"


def show(view: CellView) -> None:
    """Choose two sets of cells and a test; read the result as volcano and table."""
    sets = choose_sets(view)
    if sets is None:
        _saved(view)
        return
    group, reference = sets
    test, options = _test(view)
    with guard():
        table, how = _compute(view, group, reference, test, options)
        _result(view, group, reference, table, how)
    _saved(view)


def _test(view: CellView) -> tuple[str, dict[str, str | bool | None]]:
    offered = list(TESTS) + (list(BULK_TESTS) if view.has_counts and view.groupings else [])
    left, middle, right = st.columns([4, 3, 3], vertical_alignment="bottom")
    with left:
        test = st.selectbox(
            "Test",
            offered,
            format_func=TEST_LABELS.__getitem__,
            key="de_test",
            bind="query-params",
            help="Tests on cells take every cell as a replicate, so that small differences become "
            "significant in large data. Where samples are known, pseudobulk tests sums of each "
            "sample; it needs raw counts.",
        )
    if test in BULK_TESTS:
        with middle:
            sample = st.selectbox(
                "Sample",
                view.groupings,
                key="de_sample",
                bind="query-params",
                help="The replicates.",
            )
        with right:
            block = st.selectbox(
                "Pair by",
                [_NONE, *(c for c in view.groupings if c != sample)],
                key="de_block",
                bind="query-params",
                help="A donor, say, of whom there are samples on both sides.",
            )
        return test, {"sample": sample, "block": None if block == _NONE else block}
    with middle:
        tie = test == "wilcoxon" and st.toggle(
            "Correct for ties",
            key="de_ties",
            bind="query-params",
            help="Off as in scanpy: p-values are then a little larger where many cells are at 0.",
        )
    return test or "wilcoxon", {"tie_correct": tie}


def _compute(
    view: CellView,
    group: CellSet,
    reference: CellSet,
    test: str,
    options: dict[str, str | bool | None],
) -> tuple[pd.DataFrame, str]:
    names = f"{plain(group.name)} ({group.n:,} cells) against {plain(reference.name)} ({reference.n:,} cells)"
    if test in BULK_TESTS:
        table, bulk = statistics.pseudobulk(
            view,
            group,
            reference,
            str(options["sample"]),
            options["block"],  # type: ignore[arg-type]
            test,
        )
        st.markdown(
            f"**{names}.** Raw counts were summed over the cells of each sample "
            f"({len(bulk.samples)} sums); log2 counts per million of these were compared with "
            + (
                "limma's moderated t ([Smyth 2004](https://doi.org/10.2202/1544-6115.1027)), "
                "one prior variance for all genes"
                if test == "moderated-t"
                else "Welch's t"
            )
            + f"; {len(table):,} genes have 10 counts in enough samples. p-values are adjusted by "
            "Benjamini and Hochberg."
        )
        for sentence in bulk.left_out:
            st.caption(f"Left out: {plain(sentence)}")
        return table, TEST_LABELS[test]
    scale = statistics.scale_of(view)
    table = statistics.differential(
        view,
        group,
        reference,
        test,  # type: ignore[arg-type]
        bool(options["tie_correct"]),
    )
    st.markdown(
        f"**{names}.** {TEST_LABELS[test].removesuffix(' (cells)')} of every gene on "
        f"{plain(view.expression.words)} ([definition](https://doi.org/10.1186/s13059-017-1382-0), "
        "scanpy's), p-values adjusted by Benjamini and Hochberg over all genes. AUC is the chance "
        "that a cell of the first set exceeds one of the second. Cells of one donor are no "
        "replicates ([Squair et al. 2021](https://doi.org/10.1038/s41467-021-25960-2)): read "
        f"effect sizes, not p-values, as strength. Values are {plain(scale.words)}."
    )
    return table, TEST_LABELS[test] + (", corrected for ties" if options["tie_correct"] else "")


def _result(
    view: CellView, group: CellSet, reference: CellSet, table: pd.DataFrame, how: str
) -> None:
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
        _export(view, table, group, reference, how)
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


def _export(
    view: CellView, table: pd.DataFrame, group: CellSet, reference: CellSet, how: str
) -> None:
    stem = file_stem(view.id, group.name, "against", reference.name)
    st.download_button(
        "CSV",
        lambda: csv_bytes(table),
        f"{stem}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="compare-csv",
    )
    st.download_button(
        "Parquet",
        lambda: table.to_parquet(index=False),
        f"{stem}.parquet",
        icon=":material/download:",
        on_click="ignore",
        key="compare-parquet",
    )
    with st.popover("Save", icon=":material/bookmark_add:", key="compare-save"), guard():
        name = st.text_input(
            "Name", f"{group.name} against {reference.name}"[:80], max_chars=80, key="compare-name"
        )
        if st.button("Save in the workspace", type="primary", key="compare-save-now"):
            save_comparison(
                view.content_hash,
                name,
                table,
                group=group.name,
                reference=reference.name,
                how=how,
                settings=get_settings(),
            )
            st.toast(f"Saved: {plain(name)}")


def _saved(view: CellView) -> None:
    with guard():
        saved = list_comparisons(view.content_hash, get_settings())
        if saved:
            with st.expander(f"Saved comparisons ({len(saved)})", icon=":material/bookmark:"):
                _open_saved(view, saved)


def _open_saved(view: CellView, saved: list[Comparison]) -> None:
    name = st.selectbox("Comparison", [c.name for c in saved], key="compare-saved")
    comparison, table = load_comparison(view.content_hash, str(name), get_settings())
    st.caption(
        f"{plain(comparison.group)} against {plain(comparison.reference)}: "
        f"{plain(comparison.how)}; saved {comparison.created[:16].replace('T', ' ')} UTC."
    )
    st.dataframe(table, hide_index=True, height=260)
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            lambda: csv_bytes(table),
            f"{file_stem(view.id, comparison.name)}.csv",
            "text/csv",
            on_click="ignore",
            key="compare-saved-csv",
        )
        if st.button("Delete", icon=":material/delete:", key="compare-saved-delete"):
            delete_comparison(view.content_hash, comparison.name, get_settings())
            st.rerun()
