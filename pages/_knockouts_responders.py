"""Who answers: the top genes, their gene sets against rank-matched genes, known partners."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.models.rank_transformer.modes import Mode
from core.plots import knockouts as plots
from core.studies.knockouts.analysis import Analysis
from pages._knockouts_view import View
from pages.components import choice, figure
from pages.components.guard import guard
from pages.components.text import plain


@st.cache_data(max_entries=64, show_spinner="Testing gene sets against rank-matched genes …")
def _enrichment(token: str, label: str, mode: str, _analysis: Analysis) -> pd.DataFrame:
    return _analysis.enrichment(label, Mode(mode))


def responders(view: View) -> None:
    """Top genes on the left, gene sets on the right, partners below."""
    analysis = view.analysis
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        label = view.label()
    clean = analysis.clean_mode or analysis.modes[0]
    with right:
        names = [m.value for m in analysis.modes]
        mode = Mode(
            choice.select(
                "Mode",
                names,
                key="mode",
                default=clean.value,
                help="The paired control and the attention mask leave the rank out.",
            )
        )
    n = len(analysis.cells_with(label))
    if mode in (Mode.DELETE, Mode.SHIFT_ONLY, Mode.OVER_EXPRESS):
        st.caption(
            f":material/info: '{mode.value}' moves ranks: its top genes are first of all those "
            "that moved."
        )
    with guard():
        left, right = st.columns(2, gap="medium")
        with left:
            table = analysis.responders(label, mode)
            st.markdown(f"**Genes that answer most**, {n:,} cell{'s' if n > 1 else ''}")
            figure.show(
                plots.responder_bars(table, palette=view.palette),
                key="knockout-responders",
                data=table,
                name=view.name(label, mode.value, "responders"),
                alt="Genes with the largest response",
            )
        with right, guard():
            st.markdown(f"**GO processes of the top {analysis.config.top}**")
            _sets(view, label, mode)
    partners(view, label)


def _sets(view: View, label: str, mode: Mode) -> None:
    analysis = view.analysis
    token = f"{analysis.facts['fingerprint']}{analysis.facts['data_hash']}" + (
        analysis.config.model_dump_json()
    )
    table = _enrichment(token, label, mode.value, analysis)
    figure.show(
        plots.enrichment_points(table, palette=view.palette),
        key="knockout-sets",
        data=table,
        name=view.name(label, mode.value, "gene-sets"),
        alt="Gene sets: rank-matched p-value against the usual one",
    )
    shown = table.loc[
        table["overlap"] > 0,
        ["term", "overlap", "size", "p_matched", "q_matched", "p_value", "genes"],
    ]
    st.dataframe(
        shown.head(50),
        hide_index=True,
        height=214,
        column_config={
            "term": st.column_config.TextColumn("process", width="medium"),
            **{
                c: st.column_config.NumberColumn(t, format="%.2g")
                for c, t in (("p_matched", "p, matched"), ("q_matched", "q"), ("p_value", "p"))
            },
        },
    )
    n = int((table["q_matched"] < 0.05).sum())
    st.caption(
        f"{n:,} of {len(table):,} processes have q < 0.05 against random genes of the same ranks "
        f"({analysis.config.n_draws:,} draws); p is the hypergeometric one, which takes every gene "
        "as equally likely."
    )


def partners(view: View, label: str) -> None:
    """Known partners against genes of their ranks, a row a mode."""
    text = st.text_input(
        "Known partners of the knocked gene",
        value=", ".join(view.analysis.config.partners),
        key=f"partners-{label}",
        placeholder="Symbols with commas, to see whether they rise",
    )
    wanted = tuple(word.strip() for word in text.split(",") if word.strip())
    if not wanted:
        return
    with guard():
        table = view.analysis.partners(label, wanted)
        if not len(table) or not table["n"].max():
            st.info(f"None of {plain(', '.join(wanted[:5]))} has a rank in these cells.")
            return
        st.dataframe(
            table.rename(
                columns={
                    "n": "partners found",
                    "auc": "AUC against other genes",
                    "excess": "mean percentile in rank − 0.5",
                    "p_matched": "p, rank-matched",
                }
            ),
            hide_index=True,
        )
