"""Section Perturbation strength of the cell explorer: energy distances and their test."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.metrics.energy import DISTANCES, Distance, permutation_test
from core.metrics.energy_groups import energy_cells
from core.plots import cell_strength as plots
from pages import _cells_energy as energy
from pages._cells_compare_sets import condition_first
from pages._cells_view import CellView
from pages.components import figure
from pages.components.text import plain

BY_TYPE, PAIRS = "Two conditions by cell type", "All pairs of groups"
COMPUTE = "principal components, computed here"
_ALL = "all cells together"
_DISTANCE_LABELS = {
    "sqeuclidean": "squared Euclidean (scPerturb)",
    "euclidean": "Euclidean (Székely & Rizzo)",
}
_TYPES = ("cell_type", "celltype", "cluster", "leiden", "type")
SEED = 0


def show(view: CellView) -> None:
    """Choose groups and a space; read how far the groups are apart."""
    if not view.groupings:
        st.info(
            "These cells carry no conditions or groups, so there is nothing to tell apart.",
            icon=":material/bolt:",
        )
        return
    kind = st.segmented_control(
        "Question",
        [BY_TYPE, PAIRS],
        default=BY_TYPE,
        required=True,
        key="strength",
        bind="query-params",
        label_visibility="collapsed",
    )
    if kind == PAIRS:
        _pairs(view)
    else:
        _by_type(view)


def _options(view: CellView) -> tuple[str | None, Distance, int, int]:
    with st.popover("How it is computed", icon=":material/tune:", key="strength-options"):
        wide = [key for key, values in view.embeddings.items() if values.shape[1] > 3]
        wide.sort(key=lambda key: "pca" not in key.lower())
        embedding = st.selectbox(
            "Space",
            [*wide, COMPUTE],
            key="space",
            help="scPerturb takes principal components. Two-dimensional maps distort distances and "
            "are not offered.",
        )
        distance = st.selectbox(
            "Distance between cells",
            DISTANCES,
            format_func=_DISTANCE_LABELS.__getitem__,
            key="distance",
            bind="query-params",
            help="Squared distances see a shift of the mean only; Euclidean ones any difference of "
            "the distributions.",
        )
        n_permutations = st.select_slider(
            "Permutations", [99, 499, 999, 4999], 999, key="permutations"
        )
        most = st.number_input("Most cells a group", 20, 2000, 500, 20, key="most")
    return None if embedding == COMPUTE else embedding, distance, int(n_permutations), int(most)


def _words(space: energy.Space, distance: str, n_permutations: int) -> str:
    return (
        "Energy distance: twice the mean distance between cells of the two groups, minus the mean "
        f"distances within each, in {plain(space.words)}, {plain(_DISTANCE_LABELS[distance])} "
        "([Peidli et al. 2024](https://doi.org/10.1038/s41592-023-02144-y)). Groups are subsampled "
        f"to one size (seed {SEED}); p is the share of {n_permutations:,} shuffles of the labels "
        "with at least that distance (one added to both), adjusted by Benjamini and Hochberg. "
        "Shuffling takes cells as exchangeable, which cells of several donors are not."
    )


def _by_type(view: CellView) -> None:
    columns = condition_first(view.groupings)
    one, two, three, four = st.columns(4)
    with one:
        condition = st.selectbox("Condition", columns, key="cond", bind="query-params")
    names = [str(name) for name in view.labels(condition).cat.categories]
    with two:
        group = st.selectbox(
            "Group", names, index=len(names) - 1, key="e_group", bind="query-params"
        )
    with three:
        reference = st.selectbox(
            "Reference", [n for n in names if n != group], key="e_ref", bind="query-params"
        )
    others = [c for c in view.groupings if c != condition]
    others.sort(key=lambda c: not any(word in c.lower() for word in _TYPES))
    with four:
        types = st.selectbox("In each", [*others, _ALL], key="e_types", bind="query-params")
    kinds = None if types == _ALL else types
    embedding, distance, n_permutations, most = _options(view)
    space = energy.space(view, embedding, (condition, *([kinds] if kinds else [])), most, SEED)
    table = energy.by_type(
        view, space, condition, kinds, (group, reference), distance, n_permutations, most, SEED
    )
    tested = table[table["pvals"].notna()]
    apart = int((tested["pvals_adj"] <= 0.05).sum())
    st.markdown(
        f"**{plain(group)} and {plain(reference)} differ in {apart} of {len(tested)} groups** "
        f"(adjusted p ≤ 0.05). {_words(space, distance, n_permutations)}"
    )
    figure.show(
        plots.energy_bars(table, palette=view.palette),
        key="strength-bars",
        data=table,
        name=view.name("energy distance", group, reference),
        alt=f"Energy distance between {group} and {reference} in each group",
    )
    _type_table(table)
    if len(tested):
        _shuffles(
            view,
            space,
            condition,
            kinds,
            (group, reference),
            tested,
            distance,
            n_permutations,
            most,
        )


def _type_table(table: pd.DataFrame) -> None:
    columns = {
        "cell_type": "Group of cells",
        "n_group": "Cells, group",
        "n_reference": "Cells, reference",
        "n_used": "Used of each",
        "energy_distance": "Energy distance",
        "unbiased": "Without self-distances",
        "relative": "Of the reference's spread",
        "pvals": "p",
        "pvals_adj": "Adjusted p",
    }
    number = st.column_config.NumberColumn
    st.dataframe(
        table[list(columns)].rename(columns=columns),
        hide_index=True,
        column_config={
            "Energy distance": number(format="%.3f"),
            "Without self-distances": number(
                format="%.3f",
                help="A cell's distance to itself is left out: unbiased, so that groups of "
                "different size can be compared; may be below 0.",
            ),
            "Of the reference's spread": number(
                format="percent",
                help="The unbiased distance over the mean distance between two cells of the "
                "reference.",
            ),
            "p": number(format="%.2e"),
            "Adjusted p": number(format="%.2e"),
        },
    )
    left_out = table.loc[table["pvals"].isna(), "cell_type"].tolist()
    if left_out:
        st.caption(
            f"Not tested, fewer than 10 cells in one of the two: {plain(', '.join(left_out))}."
        )


def _shuffles(
    view: CellView,
    space: energy.Space,
    condition: str,
    types: str | None,
    pair: tuple[str, str],
    tested: pd.DataFrame,
    distance: Distance,
    n_permutations: int,
    most: int,
) -> None:
    with st.expander("The test in one group of cells", icon=":material/shuffle:"):
        name = st.selectbox("Group of cells", tested["cell_type"].tolist(), key="e_one")
        taken = space.cells
        kinds = view.labels(types).iloc[taken] if types else None
        x, y = energy_cells(view.labels(condition).iloc[taken], kinds, *pair, name, most, SEED)
        value, p, shuffled = permutation_test(
            space.points[x],
            space.points[y],
            distance=distance,
            n_permutations=n_permutations,
            seed=SEED,
        )
        st.caption(f"Distance {value:.3g}; p {p:.2g}.")
        figure.show(
            plots.shuffled_histogram(shuffled, value, palette=view.palette),
            key="strength-shuffles",
            data=None,
            name=view.name("shuffles", name),
            alt="Energy distances under shuffled labels",
        )


def _pairs(view: CellView) -> None:
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        column = st.selectbox("Groups", view.groupings, key="e_col", bind="query-params")
    with right:
        embedding, distance, n_permutations, most = _options(view)
    space = energy.space(view, embedding, (column,), most, SEED)
    found = energy.matrix(view, space, column, distance, n_permutations, most, SEED)
    pairs = found.pairs()
    apart = int((pairs["pvals_adj"] <= 0.05).sum())
    st.markdown(
        f"**{apart} of {len(pairs)} pairs of groups differ** (a star: adjusted p ≤ 0.05), with "
        f"{found.n_cells} cells of each group. {_words(space, distance, n_permutations)}"
    )
    if found.left_out:
        st.caption(f"Left out, fewer than 20 cells: {plain(', '.join(found.left_out))}.")
    figure.show(
        plots.energy_heatmap(found.distance, found.p_adjusted, palette=view.palette),
        key="strength-matrix",
        data=pairs,
        name=view.name("energy distance", column),
        alt=f"Energy distances between the groups of {column}",
    )
