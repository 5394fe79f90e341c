"""How a correction works: its mutual neighbours, its training, what it did to genes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plots import integration as plots
from core.plots import integration_maps as maps
from pages._integration_view import Entry, View
from pages.components import figure
from pages.components.text import plain

#: Lines that are drawn at most.
MOST_PAIRS = 2500
EXTRAS = ("mnn_pairs", "losses", "gene_shift")


def correction(view: View) -> None:
    """Choose a method that left something to show; then its parts."""
    entries = [e for e in view.entries.values() if any(x in e.method.extras for x in EXTRAS)]
    if not entries:
        st.info(
            "No method of this run has mutual nearest neighbours, a training or corrected "
            "expression to show: run the residual corrector, MNN or ComBat."
        )
        return
    labels = [e.label for e in entries]
    preferred = next((e.label for e in entries if "mnn_pairs" in e.method.extras), labels[0])
    chosen = st.selectbox(
        "Method", labels, index=labels.index(preferred), key="correction-method", width=420
    )
    entry = entries[labels.index(str(chosen))]
    for note in entry.method.notes:
        st.caption(plain(note))
    if "mnn_pairs" in entry.method.extras:
        _pairs(view, entry)
    if "losses" in entry.method.extras:
        _losses(view, entry)
    if "gene_shift" in entry.method.extras:
        _shift(view, entry)


@st.fragment
def _pairs(view: View, entry: Entry) -> None:
    st.subheader("Mutual nearest neighbours before correction")
    found = np.asarray(entry.method.extra("mnn_pairs"))
    weights = entry.method.extra("mnn_weights")
    cells = entry.result.cells
    batches = cells["batch"].to_numpy()
    before = entry.result.methods.get("none", entry.method)
    pairs_of = pd.Series(
        [f"{min(a, b)} – {max(a, b)}" for a, b in batches[found].tolist()], dtype=object
    )
    counts = pairs_of.value_counts()
    options = ["all", *counts.index]
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        which = st.selectbox("Pairs between", options, key="pairs-between")
    same = None
    if "cell_type" in cells:
        types = cells["cell_type"].fillna("").to_numpy()
        same = types[found[:, 0]] == types[found[:, 1]]
    only = False
    if same is not None:
        with right:
            only = st.toggle("Only pairs of different cell types", key="pairs-wrong")
    keep = np.ones(len(found), bool) if which == "all" else (pairs_of == which).to_numpy()
    if only and same is not None:
        keep &= ~same
    rows = np.flatnonzero(keep)
    total = len(rows)
    if total > MOST_PAIRS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_PAIRS, replace=False))
    words = (
        f"{total:,} pairs of cells of two batches, each among the other's nearest neighbours "
        "([Haghverdi et al. 2018](https://doi.org/10.1038/nbt.4091)), drawn on the UMAP of the "
        "uncorrected cells"
        + (f"; a random {MOST_PAIRS:,} are drawn" if total > MOST_PAIRS else "")
        + "."
    )
    if same is not None and len(found):
        words += (
            f" Of all {len(found):,} pairs, {same.mean():.1%} join cells of the same type; the "
            "method never saw the types."
        )
        if weights is not None and len(weights) == len(found):
            weight = np.asarray(weights, dtype=np.float64)
            if weight.sum() > 0:
                words += f" By weight: {weight[same].sum() / weight.sum():.1%}."
    st.markdown(words)
    drawn = found[rows]
    data = pd.DataFrame(
        {
            "cell 1": cells["cell"].to_numpy()[drawn[:, 0]],
            "cell 2": cells["cell"].to_numpy()[drawn[:, 1]],
        }
    )
    if same is not None:
        data["same cell type"] = same[rows]
    figure.show(
        maps.pairs(
            before.umap,
            batches,
            drawn,
            None if same is None else same[rows],
            rows=maps.drawn_rows(len(cells), maps.MOST_POINTS),
            palette=view.palette,
        ),
        key="integration-pairs",
        data=data,
        name=view.name("mutual nearest neighbours"),
        alt="Mutual nearest neighbours as lines on the UMAP before correction",
    )
    recall = entry.method.extra("recall")
    if recall is not None and float(recall) < 1:
        st.caption(f"Recall of the approximate neighbour search: {float(recall):.3f}.")


def _losses(view: View, entry: Entry) -> None:
    frame = entry.method.extra("losses")
    if frame is None or not len(frame):
        return
    st.subheader("Training")
    figure.show(
        plots.losses(frame, palette=view.palette),
        key="integration-losses",
        data=frame,
        name=view.name("losses"),
        alt="Training losses over epochs",
    )
    if {"round", "n_pairs", "pair_distance"} <= set(frame):
        rounds = frame.groupby("round")[["n_pairs", "pair_distance"]].first().reset_index()
        st.caption("Dotted: pairs are searched anew among the corrected cells.")
        st.dataframe(
            rounds.rename(
                columns={"round": "Round", "n_pairs": "Pairs", "pair_distance": "Mean distance"}
            ),
            hide_index=True,
            width="content",
            key="integration-rounds",
            column_config={
                "Pairs": st.column_config.NumberColumn(format="%d"),
                "Mean distance": st.column_config.NumberColumn(format="%.3f"),
            },
        )


@st.fragment
def _shift(view: View, entry: Entry) -> None:
    st.subheader("How far each gene moved")
    frame = entry.method.extra("gene_shift")
    if frame is None or "rms" not in frame:
        return
    st.markdown(
        "Mean change of each gene's log expression in each batch (points), and the root mean "
        "square change over all cells (ticks): the genes at the top carried the batch, or were "
        "taken for it."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        figure.show(
            plots.gene_shift(frame, palette=view.palette),
            key="integration-gene-shift",
            data=frame.reset_index(),
            name=view.name("gene shift"),
            alt="The genes that the correction moved most, by batch",
        )
    with right:
        wanted = st.text_input(
            "Gene", placeholder="symbol or part of one", key="shift-gene", max_chars=40
        )
        table = frame.sort_values("rms", ascending=False).reset_index(names="gene")
        if wanted:
            table = table[table["gene"].str.contains(wanted, case=False, regex=False)]
        st.dataframe(
            table,
            hide_index=True,
            height=460,
            key="integration-shift-table",
            column_config={
                c: st.column_config.NumberColumn(format="%.3f") for c in table if c != "gene"
            },
        )
