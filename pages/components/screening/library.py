"""Step 1: the molecules to screen, with a look at how they will be read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
import streamlit as st

from core.molecules.parse import parse_line
from core.molecules.reading import SDF, FilePreview, preview, read_molecules
from core.settings import get_settings
from pages.components import dataset, figure
from pages.components.screening import structures, uploads
from pages.components.text import plain

PASTE, UPLOAD, DATASET = "Paste", "Upload a file", "Compounds of a data set"
SUFFIXES = ("csv", "tsv", "txt", "smi", "smiles", "sdf", "gz")
#: Rows that are read and drawn before the screen starts.
LOOKED_AT = 12
#: Longest text of the box, in characters; files have the upload limit.
LONGEST = 2_000_000
EXAMPLE = """\
CC(=O)Oc1ccccc1C(=O)O aspirin
CN1C=NC2=C1C(=O)N(C(=O)N2C)C caffeine
ONC(=O)CCCCCCC(=O)Nc1ccccc1 vorinostat
CC1=C2C(=O)C(C)(C)C(O)C2(C)CC1 sketch
C1CC broken
CC(=O)Oc1ccccc1C(=O)[O-].[Na+] aspirin sodium
"""


@dataclass(frozen=True)
class Library:
    """What is screened, as the configuration names it."""

    input: str
    smiles_column: str | None = None
    id_column: str | None = None
    n_rows: int = 0
    exact: bool = True


def choose() -> Library | None:
    """Let the user paste, upload or choose molecules; None while there are none."""
    source = st.segmented_control(
        "Molecules",
        [PASTE, UPLOAD, DATASET],
        default=PASTE,
        required=True,
        key="screen-source",
        label_visibility="collapsed",
    )
    if source == DATASET:
        return _dataset()
    path = _pasted() if source == PASTE else _uploaded()
    return None if path is None else _file(path)


def _dataset() -> Library | None:
    labels = {s.id: s.label for s in dataset.ready("perturbation")}
    if not labels:
        st.info("No perturbation data set is prepared.", icon=":material/database:")
        return None
    id = st.selectbox(
        "Data set",
        list(labels),
        format_func=labels.__getitem__,
        key="screen-dataset",
        help="Every compound of it is screened: a quick check, since the model knows many of them.",
    )
    n = int(dataset.table(id).obs["SMILES"].nunique())
    st.caption(f"{n:,} structures.")
    return Library(id, n_rows=n)


def _pasted() -> Path | None:
    text = st.text_area(
        "SMILES, one a line; a name may follow",
        key="screen-text",
        height=150,
        max_chars=LONGEST,
        placeholder="CC(=O)Oc1ccccc1C(=O)O aspirin",
    )
    if not (text or "").strip():
        st.button(
            "Insert an example",
            icon=":material/edit_note:",
            type="tertiary",
            key="screen-example",
            on_click=lambda: st.session_state.update({"screen-text": EXAMPLE}),
        )
        return None
    return uploads.keep_text(str(text))


def _uploaded() -> Path | None:
    upload = st.file_uploader(
        "CSV, TSV, SMI or SDF, gzipped or not",
        type=list(SUFFIXES),
        max_upload_size=get_settings().upload_limit_mb,
        key="screen-upload",
    )
    return None if upload is None else uploads.keep(upload)


@st.cache_data(max_entries=16, show_spinner="Looking into the file …")
def _preview(path: str) -> FilePreview:
    return preview(Path(path))


def _file(path: Path) -> Library:
    about = _preview(str(path))
    smiles, name = about.smiles_column, about.id_column or about.name_column
    st.caption(f":material/description: {plain(about.words())}")
    if len(about.columns) > 1 or about.kind == SDF:
        left, right = st.columns(2)
        columns = list(about.columns)
        if about.kind != SDF:
            with left:
                smiles = st.selectbox(
                    "Structures are in",
                    columns,
                    index=columns.index(smiles) if smiles in columns else None,
                    placeholder="choose a column",
                    key=f"screen-smiles-{path.name}",
                )
        with right:
            name = st.selectbox(
                "Identifiers are in",
                columns,
                index=columns.index(name) if name in columns else None,
                placeholder="row numbers",
                key=f"screen-id-{path.name}",
            )
    if smiles is None and about.kind != SDF:
        st.warning("Choose the column that holds the structures.", icon=":material/table:")
    _first_rows(path, smiles, name)
    return Library(path.name, smiles, name, about.n_rows, about.exact)


@st.cache_data(max_entries=32, show_spinner=False)
def first_rows(path: str, smiles: str | None, name: str | None) -> pd.DataFrame:
    """The first rows of a file as the screen will read them: ``id``, ``smiles``, ``fault``."""
    chunks = read_molecules(Path(path), smiles, name, chunk_size=LOOKED_AT)
    frame = next(iter(islice(chunks, 1)), pd.DataFrame(columns=["id", "smiles", "fault"]))
    faults = [
        fault or parse_line(text).reason
        for text, fault in zip(frame["smiles"], frame["fault"], strict=True)
    ]
    return frame[["id", "smiles"]].assign(fault=faults)


def _first_rows(path: Path, smiles: str | None, name: str | None) -> None:
    rows = first_rows(str(path), smiles, name)
    drawn = structures.images(
        [
            text if not fault else ""
            for text, fault in zip(rows["smiles"], rows["fault"], strict=True)
        ],
        dark=figure.colours().mode == "dark",
    )
    column = st.column_config
    st.dataframe(
        pd.DataFrame({"structure": drawn, **{key: rows[key] for key in ("id", "fault", "smiles")}}),
        hide_index=True,
        row_height=60,
        height=min(38 + 60 * len(rows), 260),
        key="screen-first-rows",
        column_config={
            "structure": column.ImageColumn("Structure", width=110),
            "id": column.TextColumn("Identifier", width=130),
            "fault": column.TextColumn("Will be rejected because", width=170),
            "smiles": column.TextColumn("As given", width=220),
        },
        alt="First rows as they will be read",
    )
