"""A finished screen: how many molecules came through, their ranking, and what was rejected."""

from __future__ import annotations

import streamlit as st

from core.runs import RunRecord
from core.studies.screening.config import Kind, ScreeningConfig
from pages.components import badge
from pages.components.guard import guard
from pages.components.run_labels import duration
from pages.components.screening import about, hit, opened, ranking, rejected
from pages.components.screening.objective import direction_words, thin
from pages.components.text import plain

#: Tab → what draws it; only the open one runs.
PARTS = {"Ranking": ranking.draw, "Rejected rows": rejected.draw, "About": about.draw}


def results(record: RunRecord) -> None:
    """Head lines, then the ranking or, where the URL names one, a single hit."""
    screen = opened.screen(record)
    _heading(screen)
    rank = ranking.open_rank()
    if rank is not None:
        with guard():
            hit.draw(screen, rank)
        return
    st.markdown(_counts(screen))
    tabs = st.tabs(list(PARTS), key="part", bind="query-params", on_change="rerun")
    for tab, draw in zip(tabs, PARTS.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(screen)


def _heading(screen: opened.Screen) -> None:
    config: ScreeningConfig = screen.config
    where = ", ".join(config.cell_types) or "all cell types"
    st.markdown(
        f"Ranked to **{plain(direction_words(config.objective))}** in {plain(where)}, with the "
        f"model **{plain(screen.model_name)}**. A higher score is better"
        + ("; 0 is no change." if config.objective.kind is Kind.GENES else ".")
    )
    genes = screen.genes
    caution = thin(int((genes["gene"] != "").sum()), len(genes))
    if caution:
        st.caption(f":material/warning: {caution}")
    if screen.simulated:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            badge.simulated(True)
            st.caption(
                "This ranking demonstrates the tool; it says nothing about real compounds.",
                width="content",
            )


def _counts(screen: opened.Screen) -> str:
    numbers = screen.summary
    words = [
        f"**{int(numbers.get(key, 0)):,}** {title}"
        for title, key in (
            ("rows read", "read"),
            ("molecules ranked", "unique"),
            ("duplicates merged", "merged"),
            ("rows rejected", "rejected"),
        )
    ]
    if numbers.get("seconds"):
        words.append(f"in {duration(numbers['seconds'])}")
    return " · ".join(words)
