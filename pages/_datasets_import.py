"""Import of a user's own table or cells, explained column by column."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from core.data import list_datasets
from core.settings import get_settings
from pages.components.guard import guard
from pages.components.progress import reporting
from pages.components.text import plain

SUFFIXES = ("parquet", "csv", "tsv", "h5ad", "gz")
_REPORT = "import-report"


def suggested_id(file_name: str) -> str:
    """An id made of a file's name: ``My Table.csv.gz`` → ``my-table``."""
    stem = file_name.split(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_")[:64] or "my-data"


def panel() -> None:
    """The uploader, the words about the data, and the report of the last import."""
    settings = get_settings()
    st.markdown(
        "A **perturbation table** (parquet, CSV, TSV, h5ad) needs the columns `cell_type`, "
        "`sm_name` and `SMILES` (common other names are understood), then one column a gene. "
        "**Cells** come as h5ad. The file is checked before anything is kept, and stays on this "
        "machine."
    )
    upload = st.file_uploader(
        "File", type=list(SUFFIXES), max_upload_size=settings.upload_limit_mb, key="upload"
    )
    if upload is not None:
        _form(upload)
    report = st.session_state.get(_REPORT)
    if report is not None:
        _show(report)


def _form(upload: Any) -> None:
    default = suggested_id(upload.name)
    taken = {s.id for s in list_datasets(get_settings())}
    with st.form("import-form"):
        left, middle, right = st.columns(3)
        id = left.text_input("Id", default, help="Lower-case letters, digits, - and _.")
        label = middle.text_input("Label", upload.name)
        kind = right.selectbox(
            "What it holds",
            ["perturbation", "cells"],
            format_func={"perturbation": "a perturbation table", "cells": "cells"}.__getitem__,
        )
        organism = left.text_input("Organism", "human")
        sent = st.form_submit_button("Check and import", type="primary")
    if not sent:
        return
    st.session_state.pop(_REPORT, None)
    if id in taken:
        st.error(f"The id {plain(id)} is taken: choose another one, or remove that data set first.")
        return
    from core.data import import_file

    with guard(), tempfile.TemporaryDirectory() as folder:
        # The name of the upload is a stranger's: only its suffixes are used for a path.
        suffix = "".join(Path(upload.name).suffixes[-2:]).lower()
        path = Path(folder) / f"upload{re.sub(r'[^a-z0-9.]', '', suffix)}"
        with path.open("wb") as file:
            file.write(upload.getbuffer())
        with reporting("Importing") as on_progress:
            st.session_state[_REPORT] = import_file(
                path,
                id=id,
                label=label or id,
                kind=kind,
                organism=organism,
                settings=get_settings(),
                on_progress=on_progress,
            )


def _show(report: Any) -> None:
    st.success(f"Imported as {plain(report.id)}.")
