"""What users upload or paste, kept in the workspace so that a run can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from core.settings import get_settings
from core.studies.screening.library import save_upload, uploads_folder

_KEPT = "screening-uploads"


def keep(upload: Any) -> Path:
    """An uploaded file in the workspace; written once a session."""
    kept: dict[str, str] = st.session_state.setdefault(_KEPT, {})
    name = kept.get(upload.file_id)
    if name is None or not (uploads_folder(get_settings()) / name).exists():
        upload.seek(0)
        name = kept[upload.file_id] = save_upload(upload.name, upload, get_settings())
    return uploads_folder(get_settings()) / name


def keep_text(text: str) -> Path:
    """Pasted text as a file of the workspace, named by its content."""
    name = save_upload("pasted.txt", text, get_settings())
    return uploads_folder(get_settings()) / name
