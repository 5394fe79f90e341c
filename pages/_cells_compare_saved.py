"""Results of comparisons as files, and kept in the workspace."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.data.comparisons import (
    Comparison,
    delete_comparison,
    list_comparisons,
    load_comparison,
    save_comparison,
)
from core.plots.export import csv_bytes, file_stem
from core.settings import get_settings
from pages._cells_statistics import CellSet
from pages._cells_view import CellView
from pages.components.guard import guard
from pages.components.text import plain


def export(
    view: CellView, table: pd.DataFrame, group: CellSet, reference: CellSet, how: str
) -> None:
    """The table as a file, or kept in the workspace."""
    stem = file_stem(view.id, group.name, "against", reference.name)
    st.download_button(
        "CSV",
        lambda: csv_bytes(table),
        f"{stem}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="compare-csv",
    )
    st.download_button(
        "Parquet",
        lambda: table.to_parquet(index=False),
        f"{stem}.parquet",
        icon=":material/download:",
        on_click="ignore",
        key="compare-parquet",
    )
    with st.popover("Save", icon=":material/bookmark_add:", key="compare-save"), guard():
        name = st.text_input(
            "Name", f"{group.name} against {reference.name}"[:80], max_chars=80, key="compare-name"
        )
        if st.button("Save in the workspace", type="primary", key="compare-save-now"):
            save_comparison(
                view.content_hash,
                name,
                table,
                group=group.name,
                reference=reference.name,
                how=how,
                settings=get_settings(),
            )
            st.toast(f"Saved: {plain(name)}")


def saved_comparisons(view: CellView) -> None:
    """Saved comparisons of this data set, to be read again."""
    with guard():
        saved = list_comparisons(view.content_hash, get_settings())
        if saved:
            with st.expander(f"Saved comparisons ({len(saved)})", icon=":material/bookmark:"):
                _open_saved(view, saved)


def _open_saved(view: CellView, saved: list[Comparison]) -> None:
    name = st.selectbox("Comparison", [c.name for c in saved], key="compare-saved")
    comparison, table = load_comparison(view.content_hash, str(name), get_settings())
    st.caption(
        f"{plain(comparison.group)} against {plain(comparison.reference)}: "
        f"{plain(comparison.how)}; saved {comparison.created[:16].replace('T', ' ')} UTC."
    )
    st.dataframe(table, hide_index=True, height=260)
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            lambda: csv_bytes(table),
            f"{file_stem(view.id, comparison.name)}.csv",
            "text/csv",
            on_click="ignore",
            key="compare-saved-csv",
        )
        if st.button("Delete", icon=":material/delete:", key="compare-saved-delete"):
            delete_comparison(view.content_hash, comparison.name, get_settings())
            st.rerun()
