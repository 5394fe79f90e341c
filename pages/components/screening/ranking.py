"""The ranked table with structures, its filters, and score against similarity."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.plots.screening import sample_hits, score_similarity
from core.studies.screening.config import Kind
from pages.components import figure
from pages.components.screening import downloads, structures
from pages.components.screening.opened import Filters, Screen, filtered

#: URL parameter: rank of the hit that is open.
HIT = "hit"
_LAST = "screen-last-hit"
#: Rows of the table; drawings cost a millisecond each.
SHOWN = (50, 200, 1000)


def open_rank() -> int | None:
    """Rank of the hit that the URL names."""
    text = str(st.query_params.get(HIT, ""))
    return int(text) if text.isascii() and text.isdigit() else None


def open_hit(rank: int) -> None:
    """Open a hit; for callbacks."""
    st.query_params[HIT] = str(rank)
    st.session_state[_LAST] = rank


def close_hit() -> None:
    """Go back to the ranking."""
    st.query_params.pop(HIT, None)


def draw(screen: Screen) -> None:
    """Filters, table, downloads and figure."""
    hits = screen.hits
    if hits.empty:
        st.info("No molecule of this input could be scored; see the rejected rows.")
        return
    chosen, n_shown = _filters(screen)
    kept = filtered(hits, chosen)
    if kept.empty:
        st.info("No molecule passes these filters.", icon=":material/filter_alt_off:")
        return
    _table(screen, kept.head(n_shown), len(kept))
    downloads.downloads(screen, kept)
    _landscape(screen, kept)


def _filters(screen: Screen) -> tuple[Filters, int]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input(
            "Find", key="screen-find", placeholder="identifier or part of a SMILES", width=210
        )
        q = None
        if screen.has_p:
            q = st.selectbox(
                "False-discovery rate",
                [None, 0.01, 0.05, 0.1, 0.25],
                format_func=lambda value: "any" if value is None else f"at most {value:g}",
                key="screen-q",
                width=150,
            )
        inside = st.toggle(
            "Within training chemistry",
            key="screen-inside",
            help=f"Tanimoto similarity of at least {screen.config.domain_similarity:g} to a "
            "training compound (Morgan fingerprint, radius 2, 2,048 bits).",
        )
        unknown = st.toggle("Not in training", key="screen-unknown")
        shown = st.selectbox("Rows shown", SHOWN, key="screen-shown", width=95)
    return Filters(text or "", inside, unknown, q), int(shown)


def _open_row(key: str, ranks: tuple[int, ...]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows and rows[0] < len(ranks):
        open_hit(ranks[rows[0]])


def _table(screen: Screen, shown: pd.DataFrame, n_kept: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        words = f"{len(shown):,} of {n_kept:,} molecules. Tick a row to open its page."
        if screen.n_ranked > len(screen.hits):
            words += (
                f" This page holds the best {len(screen.hits):,} of {screen.n_ranked:,}; filters "
                "and figures act on those."
            )
        st.caption(words, width="stretch")
        st.button(
            "Open the best hit",
            icon=":material/open_in_full:",
            key="screen-best",
            on_click=open_hit,
            args=(int(shown["rank"].iloc[0]),),
        )
    ranks = tuple(int(rank) for rank in shown["rank"])
    key = "screen-hits"
    drawn = structures.images(shown["smiles"], dark=figure.colours().mode == "dark")
    st.dataframe(
        table_frame(screen, shown, drawn),
        key=key,
        hide_index=True,
        row_height=structures.ROW_HEIGHT,
        height=min(40 + structures.ROW_HEIGHT * len(shown), 560),
        on_select=lambda: _open_row(key, ranks),
        selection_mode="single-row",
        column_config=_columns(screen),
        alt="Ranked molecules",
    )


def table_frame(screen: Screen, shown: pd.DataFrame, drawn: list[str | None]) -> pd.DataFrame:
    """The columns of the table, in order."""
    columns: dict[str, Any] = {
        "rank": shown["rank"],
        "structure": drawn,
        "id": shown["id"],
        "score": shown["score"],
    }
    if screen.several:
        columns["spread"] = shown["spread"]
    if screen.has_p:
        columns |= {"p_value": shown["p_value"], "q_value": shown["q_value"]}
    columns |= {
        "domain": ["within" if inside else "outside" for inside in shown["in_domain"]],
        "similarity": shown["similarity"],
        "nearest": shown["nearest"],
    }
    columns |= {name: shown[column] for name, column in screen.by_cell_type.items()}
    columns |= {"smiles": shown["smiles"]}
    return pd.DataFrame(columns).reset_index(drop=True)


def _columns(screen: Screen) -> dict[str, Any]:
    column = st.column_config
    found: dict[str, Any] = {
        "rank": column.NumberColumn("Rank", width=55),
        "structure": column.ImageColumn("Structure", width=structures.SIZE[0]),
        "id": column.TextColumn("Identifier", width=150),
        "score": column.NumberColumn("Score", format="%.4f", width=80),
        "spread": column.NumberColumn(
            "± models",
            format="%.4f",
            width=80,
            help="Standard deviation of the score over the ensemble's models; empty for one model.",
        ),
        "p_value": column.NumberColumn(
            "p",
            format="%.2g",
            width=70,
            help="One-sided: the share of random signatures of the same size that score at least "
            "as high on the same predicted response (Phipson & Smyth 2010).",
        ),
        "q_value": column.NumberColumn(
            "FDR",
            format="%.2g",
            width=70,
            help="Benjamini–Hochberg over all ranked molecules.",
        ),
        "domain": column.TextColumn(
            "Chemistry", width=80, help="Within or outside of the training compounds' chemistry."
        ),
        "similarity": column.ProgressColumn(
            "Similarity", format="%.2f", min_value=0, max_value=1, width=105
        ),
        "nearest": column.TextColumn("Nearest training compound", width=170),
        "smiles": column.TextColumn("Standardised SMILES", width=260),
    }
    for name in screen.by_cell_type:
        found[name] = column.NumberColumn(format="%.4f", width=110)
    return found


def score_label(screen: Screen) -> str:
    """What a score is, for axes."""
    objective = screen.config.objective
    if objective.kind is Kind.GENES:
        sign = "−" if objective.direction == "lower" else ""
        return f"score: {sign}mean predicted response"
    return f"score: {objective.direction}, {objective.score} connectivity"


def _open_point(key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points and points[0].get("customdata") is not None:
        rank = points[0]["customdata"]
        open_hit(int(rank[0] if isinstance(rank, list) else rank))


def _landscape(screen: Screen, kept: pd.DataFrame) -> None:
    st.subheader("Score against similarity to training", anchor=False)
    drawn = kept.iloc[sample_hits(len(kept))]
    words = (
        "Every point is a molecule. Far to the left the model has seen nothing alike, and its "
        "score is a guess. Click a point to open its page."
    )
    if len(kept) > len(drawn):
        words += (
            f" Drawn are {len(drawn):,} of {len(kept):,}: the best quarter of that number, and a "
            "random sample of the rest."
        )
    st.markdown(words)
    key = "screen-landscape"
    last = st.session_state.get(_LAST)
    figure.show(
        score_similarity(
            drawn,
            threshold=screen.config.domain_similarity,
            score_label=score_label(screen),
            selected=last,
            palette=figure.colours(),
        ),
        key=key,
        data=drawn[["rank", "id", "score", "similarity", "nearest", "in_domain"]],
        name=f"{screen.id} score similarity",
        on_select=lambda: _open_point(key),
        selection_mode="points",
        alt="Score of every molecule against its similarity to the nearest training compound",
    )
