"""A ranking as files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from core.plots.export import file_stem
from core.studies.screening import files
from core.studies.screening.result import escaped_csv
from pages.components.screening.opened import Screen

#: Records of an SD file: each is laid out anew.
MOST_SDF = 5000


def csv(frame: pd.DataFrame) -> bytes:
    """A table as CSV; cells that a spreadsheet would run as formulas are escaped."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        escaped_csv(frame, path)
        return path.read_bytes()


def sdf(screen: Screen, hits: pd.DataFrame) -> bytes:
    """Hits as SD records with their scores."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hits.sdf"
        screen.result.write_sdf(path, hits["row"].tolist())
        return path.read_bytes()


def parquet(hits: pd.DataFrame) -> bytes:
    """Hits as parquet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hits.parquet"
        hits.to_parquet(path, index=False)
        return path.read_bytes()


def downloads(screen: Screen, kept: pd.DataFrame) -> None:
    """Buttons for the filtered hits; the files are made when they are asked for."""
    stem = file_stem(screen.name or screen.id, "hits")
    best = kept.head(MOST_SDF)
    kinds = (
        ("CSV", "csv", "text/csv", lambda: csv(kept)),
        ("SDF", "sdf", "chemical/x-mdl-sdfile", lambda: sdf(screen, best)),
        ("Parquet", "parquet", "application/vnd.apache.parquet", lambda: parquet(kept)),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, suffix, mime, make in kinds:
            st.download_button(
                title,
                data=make,
                file_name=f"{stem}.{suffix}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
                key=f"screen-{suffix}",
            )
        words = "Text cells that begin with = + - @ get an apostrophe in CSV."
        if len(kept) > MOST_SDF:
            words += f" SDF holds the best {MOST_SDF:,}."
        st.caption(words, width="stretch")
        if screen.n_ranked > len(screen.hits):
            st.download_button(
                f"All {screen.n_ranked:,} (parquet)",
                data=lambda: (screen.result.folder / files.HITS).read_bytes(),
                file_name=f"{stem}-all.parquet",
                mime="application/vnd.apache.parquet",
                on_click="ignore",
                icon=":material/download:",
                key="screen-all",
            )
