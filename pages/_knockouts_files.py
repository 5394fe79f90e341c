"""Model card, vocabulary coverage, and everything as files."""

from __future__ import annotations

import io
from functools import partial

import pandas as pd
import streamlit as st

from core.studies.knockouts.analysis import Analysis
from pages import _knockouts_model
from pages._knockouts_view import STUDY, View
from pages.components.command import command_line
from pages.components.text import plain

TABLES = {
    "Read-outs": "read_outs",
    "Shares of rank": "shares",
    "Agreement of modes": "agreement",
    "Intervals over cells": "intervals",
}


def files(view: View) -> None:
    """Card and coverage on the left, downloads on the right."""
    analysis = view.analysis
    facts = analysis.facts
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Model", anchor=False)
        _knockouts_model.card(facts)
        st.subheader("Vocabulary", anchor=False)
        _knockouts_model.coverage(facts)
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, analysis.config), language="bash", wrap_lines=True)
    with right:
        st.subheader("All numbers", anchor=False)
        for title, name in TABLES.items():
            _download(title, partial(_table, analysis, name), view.name(name.replace("_", "-")))
        if view.result is not None and not view.result.goal_tests.empty:
            result = view.result
            _download("Goal state, tests", lambda: result.goal_tests, view.name("goal-tests"))
            _download("Goal state, shifts", lambda: result.goal_shifts, view.name("goal-shifts"))
        _download("Responses", partial(responses, analysis), view.name("responses"), csv=False)
        st.caption(
            "Responses: 1 − cosine of every gene in every knock-out, a row each, float32. Figures "
            "export from the menu under each of them."
        )


def _table(analysis: Analysis, name: str) -> pd.DataFrame:
    table: pd.DataFrame = getattr(analysis, name)
    return table.drop(columns="number", errors="ignore")


def responses(analysis: Analysis) -> pd.DataFrame:
    """Every response: ``cell, mode, knocked, gene, rank, distance``."""
    parts = []
    for number, mode in analysis.responses:
        result, labels = analysis.responses[number, mode]
        genes = analysis.genes[number]
        n, length = result.shift.shape
        parts.append(
            pd.DataFrame(
                {
                    "cell": pd.Categorical([analysis.cells["cell"].iloc[number]]).repeat(
                        n * length
                    ),
                    "mode": pd.Categorical([mode.value]).repeat(n * length),
                    "knocked": pd.Categorical(labels).repeat(length),
                    "gene": pd.Categorical(list(genes) * n),
                    "rank": pd.Series(list(range(length)) * n, dtype="int32"),
                    "distance": result.shift.astype("float32").ravel(),
                }
            ).astype({"cell": str, "mode": str, "knocked": str, "gene": str})
        )
    return pd.concat(parts, ignore_index=True)


def _download(title: str, make: object, stem: str, *, csv: bool = True) -> None:
    kinds = {"CSV": (_csv, "csv", "text/csv")} if csv else {}
    kinds["Parquet"] = (_parquet, "parquet", "application/vnd.apache.parquet")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(title), width=180)
        for kind, (write, suffix, mime) in kinds.items():
            st.download_button(
                kind,
                data=partial(write, make),
                file_name=f"{stem}.{suffix}",
                mime=mime,
                on_click="ignore",
                key=f"{stem}-{suffix}",
            )


def _csv(make: object) -> bytes:
    return make().to_csv(index=False).encode()  # type: ignore[operator]


def _parquet(make: object) -> bytes:
    buffer = io.BytesIO()
    make().to_parquet(buffer, index=False)  # type: ignore[operator]
    return buffer.getvalue()
