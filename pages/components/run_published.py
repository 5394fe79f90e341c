"""Published figures beside the user's, on the right benchmark only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.data.facts import known_results
from core.plots.comparison import published_dots
from core.runs import RunRecord
from core.studies.perturbation.grouping import CHOSEN, summarise
from core.studies.perturbation.published import LEADERBOARDS, comparable, reason
from pages.components import figure
from pages.components.run_labels import names
from pages.components.run_results import finished, result, rows
from pages.components.text import plain


def published(records: Sequence[RunRecord]) -> None:
    """One figure a leaderboard for runs that were scored on it; else say why there is none."""
    done = finished(records)
    if not done:
        return
    frame = rows(done)
    labels = names(done)
    places = {labels[r.id]: _facts(r, frame, labels[r.id]) for r in done}
    fitting = {run: comparable(**facts) for run, facts in places.items()}
    reasons: dict[str, list[str]] = {}
    for run, facts in places.items():
        if not fitting[run]:
            reasons.setdefault(reason(**facts), []).append(run)
    for words, unfit in reasons.items():
        st.info(f"**{plain(', '.join(unfit))}**: {plain(words)}", icon=":material/info:")
    facts_table = known_results()
    for benchmark, (split, _) in LEADERBOARDS.items():
        runs = [run for run, places in fitting.items() if benchmark in places]
        figures = facts_table[facts_table["benchmark"] == benchmark]
        if runs:
            _leaderboard(figures, frame[frame["run"].isin(runs) & (frame["split"] == split)])
    with st.expander("All published figures, for reference", icon=":material/menu_book:"):
        st.caption(
            "Real data, each benchmark by its own rows, genes and clipping: compare only within "
            "one benchmark, and with a run here only where a figure above does so."
        )
        st.dataframe(
            facts_table[
                ["label", "target", "n_rows", "method", "metric", "value", "note", "source"]
            ],
            hide_index=True,
            key="published-all",
            placeholder="",
            column_config={
                "label": "Benchmark",
                "target": "Target",
                "n_rows": "Rows",
                "method": "Method",
                "metric": "Metric",
                "value": st.column_config.NumberColumn("Value", format="%.4f"),
                "note": "Note",
                "source": "Source",
            },
        )


def _facts(record: RunRecord, frame: pd.DataFrame, label: str) -> dict[str, Any]:
    opened = result(record)
    mine = frame[(frame["run"] == label) & (frame["model"] == opened.primary)]
    return {
        "dataset": record.dataset,
        "simulated": opened.simulated,
        "n_genes": int(opened.data["n_genes"]),
        "scored": mine["split"].value_counts().to_dict(),
    }


def _leaderboard(figures: pd.DataFrame, rows: pd.DataFrame) -> None:
    label, target, n_rows = figures.iloc[0][["label", "target", "n_rows"]]
    st.markdown(f"##### {plain(label)}")
    own = summarise(rows[rows["kind"] == CHOSEN], ("series",)).rename(columns={"mrrmse": "value"})
    ranked = figures["kaggle_rank"].map(lambda r: f"#{int(r)} " if pd.notna(r) else "")
    listed = figures.assign(method=ranked + figures["method"])
    data = pd.concat([listed.assign(own=False), own.assign(method=own["series"], own=True)])
    figure.show(
        published_dots(listed, own, figure.colours()),
        key=f"published-{figures.iloc[0]['benchmark']}",
        data=data[["method", "value", "own", "note", "source"]],
    )
    st.caption(
        f"{plain(target)}, {n_rows} rows, unclipped. #: final rank of the team that reported the "
        "figure; many are late submissions or ablations, as the hover text says."
    )
