"""The label that simulated data carries wherever it is drawn."""

from __future__ import annotations

import streamlit as st


def simulated(flag: bool) -> None:
    """Say that what follows was simulated; nothing where it was measured."""
    if flag:
        st.badge(
            "Simulated data: no laboratory measured these values",
            icon=":material/science_off:",
            color="orange",
        )
