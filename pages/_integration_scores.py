"""Scores of the methods: the three criteria, what they are made of, and their trade-off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.metrics.integration import BATCH_SCORES, BIO_SCORES, DESCRIPTIONS
from core.plots import integration as plots
from core.plots.theme import Palette
from core.studies.integration.result import CRITERIA
from pages._integration_view import View
from pages.components import figure
from pages.components.text import plain

HEAD = (*CRITERIA, "best_batch_ari", "best_nmi", "best_resolution", "best_n_clusters", "seconds")
TITLES = {name: words[0] for name, words in DESCRIPTIONS.items()} | {
    "best_resolution": "at resolution",
    "best_n_clusters": "Clusters",
    "seconds": "Seconds",
    "mean_nmi": "Mean NMI 0.1–0.3",
    "mean_batch_ari": "Mean batch ARI 0.1–0.3",
}
#: A mean, a count or a time is nothing to be best at.
_UNMARKED = {"best_resolution", "best_n_clusters"}
X = ("total_batch", "ilisi", "kbet", "bras", "graph_connectivity", "pcr_comparison", "kbet_all")
Y = ("total_bio", "mean_ari", "best_ari", "best_nmi", "clisi", "silhouette_label", "kmeans_ari")


def scores(view: View) -> None:
    """The three criteria in a table, then mixing against biology, then every score."""
    table = view.scores()
    st.markdown(
        "**(a)** the best ARI over the resolutions, **(b)** the mean ARI over resolutions 0.1 to "
        "0.3, which needs no labels to choose one, **(c)** the batch and the bio total of "
        "scib-metrics ([Luecken et al. 2022](https://doi.org/10.1038/s41592-021-01336-8)). The "
        "best value of a column is marked; differences below 0.01 are noise."
        if view.labelled
        else "Without cell types only scores that need none are shown: how far neighbourhoods mix "
        "batches, and how far clusters follow them."
    )
    shown = [c for c in HEAD if c in table and table[c].notna().any()]
    if not view.labelled:
        shown = [c for c in ("ilisi", "kbet_all", "pcr_comparison") if c in table] + shown
    _frame(table[shown], view.palette, view.floor, key="integration-scores")
    if np.isfinite(view.floor):
        st.caption(
            f"Floor of the batch ARI: {view.floor:.3f}. The true cell types themselves score that, "
            "because they are not spread evenly over the batches; lower is no better."
            + (
                " A field that says None is not defined: the method makes a neighbour graph and no "
                "embedding."
                if table["total_batch"].isna().any()
                else ""
            )
        )
    _apart(view)
    for run in view.results.values():
        for sentence in run.failed.values():
            st.warning(plain(sentence), icon=":material/block:")
    _trade_off(view, table)
    _draws(view)
    if view.labelled:
        with st.expander("Every score of the two totals"):
            for title, names in (("Batch", BATCH_SCORES), ("Bio", BIO_SCORES)):
                st.markdown(f"**{title} total**")
                there = [n for n in names if n in table]
                _frame(table[there], view.palette, view.floor, key=f"integration-{title}")
                st.caption(
                    "; ".join(f"{DESCRIPTIONS[n][0]}: {DESCRIPTIONS[n][1]}" for n in there) + "."
                )


def _apart(view: View) -> None:
    """Types in one batch only have their own scores."""
    table = view.scores()
    if "kept_apart" in table and table["kept_apart"].notna().any():
        st.caption(
            "Cell types in one batch only are scored apart: "
            + "; ".join(
                f"{plain(name)} {value:.0%} of their neighbours are of their own type"
                for name, value in table["kept_apart"].dropna().items()
            )
            + "."
        )


def _frame(table: pd.DataFrame, palette: Palette, floor: float, *, key: str) -> None:
    names = [str(c) for c in table]
    marked = {c: best_rows(c, table[c], floor) for c in names if c not in _UNMARKED}

    def mark(column: pd.Series) -> list[str]:
        best = marked.get(str(column.name), np.zeros(len(column), bool))
        style = f"background-color: {palette.sequential[2]}; font-weight: 600"
        return [style if b else "" for b in best]

    renamed = table.rename(columns=TITLES)
    back = {TITLES.get(c, c): c for c in names}
    formats = {
        t: "{:.0f}" if c == "best_n_clusters" else "{:g}" if c == "best_resolution" else "{:.3f}"
        for t, c in back.items()
    } | {TITLES["seconds"]: "{:.1f}"}
    styled = renamed.style.apply(lambda column: mark(column.rename(back[column.name])), axis=0)
    st.dataframe(
        styled.format({t: f for t, f in formats.items() if t in renamed}, na_rep="–"),
        key=key,
        height=38 + 35 * len(table),
    )


def best_rows(name: str, values: pd.Series, floor: float) -> np.ndarray:
    """Which rows are best in a column, bool ``(n,)``; ties are all marked.

    Batch ARI is best where it is lowest, but nothing is gained below the floor.
    """
    numbers = values.to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).any() or len(numbers) < 2:
        return np.zeros(len(numbers), dtype=bool)
    if name.endswith("batch_ari"):
        numbers = -np.maximum(numbers, floor if np.isfinite(floor) else 0.0)
    elif name == "seconds":
        numbers = -numbers
    return np.isfinite(numbers) & (numbers >= np.nanmax(numbers) - 5e-4)


def _trade_off(view: View, table: pd.DataFrame) -> None:
    st.subheader("Batches mixed against biology kept")
    xs = [c for c in X if c in table and table[c].notna().any()]
    ys = [c for c in Y if c in table and table[c].notna().any()]
    if not xs or not ys:
        st.caption("Without cell types there is no measure of the biology that was kept.")
        return
    left, right = st.columns(2)
    x = left.selectbox("Across: batches mixed", xs, format_func=TITLES.__getitem__, key="mix-x")
    y = right.selectbox("Up: biology kept", ys, format_func=TITLES.__getitem__, key="mix-y")
    spreads = view.spreads()
    points = table[[x, y]].copy()
    for column in (x, y):
        if column in spreads:  # where there are draws, their mean stands for the method
            over = spreads.reindex(points.index)
            points[column] = over[column].fillna(points[column])
            points[f"{column}_sd"] = over[f"{column}_sd"]
    missing = points.index[points[[x, y]].isna().any(axis=1)]
    points = points.drop(index=missing)
    if points.empty:
        st.caption("No method has both scores.")
        return
    figure.show(
        plots.trade_off(points, x, y, titles=(TITLES[x], TITLES[y]), palette=view.palette),
        key="integration-trade-off",
        data=points.reset_index(names="method"),
        name=view.name("mixing against biology"),
        alt="Each method as a point: batch mixing across, biology conserved up",
    )
    words = "Right and up is better. "
    if len(spreads):
        words += "Points are means over the draws, bars one standard deviation. "
    if len(missing):
        words += f"Not defined for {', '.join(map(plain, missing))}."
    st.caption(words)


def _draws(view: View) -> None:
    """Mean over draws and paired differences, for runs that made some."""
    with_draws = {r: res for r, res in view.results.items() if len(res.over_draws())}
    if not with_draws:
        st.caption(
            "This run scored all cells once. With draws (random subsets, the same for all methods) "
            "the differences between methods come with their spread."
        )
        return
    st.subheader("Over the draws")
    spreads = view.spreads()
    n = max(res.config.n_draws for res in with_draws.values())
    columns = [c for c in CRITERIA if c in spreads]
    text = pd.DataFrame(
        {
            TITLES[c]: [
                "–" if not np.isfinite(m) else f"{m:.3f} ± {s:.3f}"
                for m, s in zip(spreads[c], spreads[f"{c}_sd"], strict=True)
            ]
            for c in columns
        },
        index=spreads.index,
    )
    st.markdown(f"Mean ± standard deviation over {n} draws of the cells.")
    st.dataframe(text, key="integration-draws", height=38 + 35 * len(text))
    result = next(iter(with_draws.values()))
    keys = {m.key: m.label for m in result.methods.values()}
    subject = st.selectbox(
        "Paired against", list(keys), index=len(keys) - 1, format_func=keys.__getitem__, key="pair"
    )
    gaps = result.paired(str(subject))
    gaps["peer"] = gaps["peer"].map(keys)
    gaps["score"] = gaps["score"].map(TITLES)
    gaps["text"] = [
        f"{d:+.3f} ± {s:.3f}  ({a} of {k})"
        for d, s, a, k in zip(
            gaps["difference"], gaps["sd"], gaps["ahead"], gaps["n_draws"], strict=True
        )
    ]
    wide = gaps.pivot(index="peer", columns="score", values="text")
    order = [TITLES[c] for c in CRITERIA if TITLES[c] in wide]
    st.dataframe(wide[order].fillna("–"), key="integration-paired")
    st.caption(
        f"{plain(keys[str(subject)])} minus the other method on the same draws: mean ± standard "
        "deviation, and in how many draws it is ahead."
    )
