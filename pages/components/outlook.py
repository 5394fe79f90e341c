"""What a configuration would do."""

from __future__ import annotations

import streamlit as st


def outlook(config, table) -> None:
    """Placeholder."""
    st.write("…")
