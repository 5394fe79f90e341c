"""Rows that were not scored, each with its reason."""

from __future__ import annotations

import streamlit as st

from core.plots.export import file_stem
from pages.components.screening import downloads
from pages.components.screening.opened import Screen

#: Rows of the table; the download holds all.
MOST = 5000


def draw(screen: Screen) -> None:
    """The table of rejected rows and its download."""
    rows = screen.result.rejected()
    if rows.empty:
        st.success("Every row was read.", icon=":material/check_circle:")
        return
    st.markdown(
        "None of these rows was scored; nothing was dropped without a word. Row 1 is the first "
        "after the header."
    )
    if len(rows) > MOST:
        st.caption(f"The first {MOST:,} of {len(rows):,}; the download holds all.")
    column = st.column_config
    st.dataframe(
        rows.head(MOST),
        hide_index=True,
        key="screen-rejected",
        column_config={
            "row": column.NumberColumn("Row", format="%d", width=70),
            "id": column.TextColumn("Identifier", width=150),
            "input": column.TextColumn("As given", width=300),
            "reason": column.TextColumn("Reason", width="large"),
        },
        alt="Rejected rows",
    )
    st.download_button(
        "Rejected rows as CSV",
        data=lambda: downloads.csv(rows),
        file_name=f"{file_stem(screen.name, 'rejected')}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="screen-rejected-csv",
    )
