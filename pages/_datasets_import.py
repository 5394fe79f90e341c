"""Import of a user's own table or cells, explained column by column."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from core.data.faults import InvalidTableError
from core.data.importing import ImportReport, import_file
from core.data.orientation import ORIENTATIONS
from core.settings import get_settings
from pages.components.guard import guard
from pages.components.progress import reporting
from pages.components.text import plain

SUFFIXES = (
    "parquet", "pq", "csv", "tsv", "txt", "gz", "h5ad", "h5", "loom", "zip", "tgz", "tar", "rdata",
    "rda", "rds",
)  # fmt: skip
KINDS = {
    None: "tell from its columns",
    "perturbation": "a perturbation table",
    "cells": "cells",
}
TARGETS = ("signed −log10 p", "log2 fold change", "z-score")
_REPORT = "import-report"
_MOST_FAULTS = 50


def suggested_id(file_name: str) -> str:
    """An id made of a file's name: ``My Table.csv.gz`` → ``my-table``."""
    stem = file_name.split(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:50] or "my-data"


def safe_name(file_name: str) -> str:
    """A stranger's file name as one that cannot leave its folder: letters, digits, ``._-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", Path(file_name).name).lstrip(".")[-100:] or "upload"


def panel() -> None:
    """The uploader, the words about the data, and the report of the last import."""
    settings = get_settings()
    st.markdown(
        "A **perturbation table** (parquet, CSV, TSV, h5ad) has one row a pair: `cell_type`, "
        "`sm_name` and `SMILES` (other common names are understood), then one column a gene. "
        "**Cells** come as h5ad, 10x h5, the three files of 10x mtx in a zip or tar.gz, loom, CSV "
        "or TSV (either side may hold the genes), or the `.sparse.RData` of PanglaoDB. Nothing is "
        "kept before the whole file has been checked."
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
    with st.form("import-form"):
        left, right = st.columns(2)
        options = {
            "id": left.text_input(
                "Id",
                suggested_id(upload.name),
                help="Its name in addresses and on the command line: lower-case letters, digits, "
                "- and _.",
            ),
            "label": right.text_input("Label", upload.name),
            "kind": left.selectbox("What it holds", list(KINDS), format_func=KINDS.__getitem__),
            "organism": right.text_input("Organism", placeholder="human") or None,
            "target": left.selectbox(
                "What a value is (perturbation tables)",
                TARGETS,
                index=None,
                placeholder="choose or write it, with its unit",
                accept_new_options=True,
            ),
            "orientation": right.selectbox(
                "Rows × columns (cells)",
                [None, *ORIENTATIONS],
                format_func=lambda side: side or "tell from the names",
            ),
        }
        sent = st.form_submit_button(
            "Check and import", type="primary", icon=":material/upload_file:"
        )
    if sent:
        st.session_state.pop(_REPORT, None)
        with guard():
            try:
                st.session_state[_REPORT] = _import(upload, options)
            except InvalidTableError as error:
                _show_faults(error)


def _import(upload: Any, options: dict[str, Any]) -> ImportReport:
    with tempfile.TemporaryDirectory() as folder, reporting("Importing") as on_progress:
        path = Path(folder) / safe_name(upload.name)
        with path.open("wb") as file:
            file.write(upload.getbuffer())
        return import_file(path, **options, settings=get_settings(), on_progress=on_progress)


def _show_faults(error: InvalidTableError) -> None:
    st.error(plain(error), icon=":material/error:")
    if len(error.faults) > 1:
        with st.expander(f"All {len(error.faults)} faults", expanded=True):
            st.markdown("\n".join(f"1. {plain(fault)}" for fault in error.faults[:_MOST_FAULTS]))
            if len(error.faults) > _MOST_FAULTS:
                st.caption(f"The first {_MOST_FAULTS} are shown.")


def _show(report: ImportReport) -> None:
    status = report.status
    st.success(
        f"Imported as {plain(status.id)}: {plain(status.shape)}.", icon=":material/check_circle:"
    )
    for title, sentences in (
        ("How it was understood", report.understood),
        ("What you should know", report.warnings),
        ("Rows left out", report.dropped),
    ):
        if sentences:
            st.markdown(f"**{title}**\n\n" + "\n".join(f"- {plain(line)}" for line in sentences))
    if status.kind == "perturbation":
        st.page_link(
            "pages/explore.py",
            label="Explore it",
            icon=":material/biotech:",
            query_params={"dataset": status.id},
        )
    else:
        st.page_link(
            "pages/cells.py",
            label="Open it in the cell explorer",
            icon=":material/bubble_chart:",
            query_params={"cells": status.id},
        )
