"""Section Compare of the cell explorer: differential expression between two sets of cells."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.metrics.differential import TESTS
from core.metrics.pseudobulk import BULK_TESTS
from pages import _cells_statistics as statistics
from pages._cells_compare_result import result
from pages._cells_compare_saved import saved_comparisons
from pages._cells_compare_sets import choose_sets
from pages._cells_statistics import CellSet
from pages._cells_view import CellView
from pages.components.guard import guard
from pages.components.text import plain

TEST_LABELS = {
    "wilcoxon": "Wilcoxon rank sum (cells)",
    "t-test": "Welch's t (cells)",
    "t-test_overestim_var": "Welch's t, overestimated variance (cells)",
    "moderated-t": "Pseudobulk: moderated t (samples)",
    "welch": "Pseudobulk: Welch's t (samples)",
}
_NONE = "none"


def show(view: CellView) -> None:
    """Choose two sets of cells and a test; read the result as volcano and table."""
    sets = choose_sets(view)
    if sets is None:
        saved_comparisons(view)
        return
    group, reference = sets
    test, options = _test(view)
    with guard():
        table, how = _compute(view, group, reference, test, options)
        result(view, group, reference, table, how)
    saved_comparisons(view)


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
