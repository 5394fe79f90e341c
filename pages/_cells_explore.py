"""Section Explore of the cell explorer."""

from __future__ import annotations

import streamlit as st

from pages._cells_view import CellView


def show(view: CellView) -> None:
    """Cells in the plane, coloured."""
    st.write(view.embedding)
