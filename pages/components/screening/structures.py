"""Structures in tables: drawings as data addresses, in which no script runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

import streamlit as st

from core.molecules.depict import draw
from core.molecules.parse import MoleculeError, parse

SIZE = (190, 110)
ROW_HEIGHT = 96


def images(smiles: Iterable[str], *, dark: bool) -> list[str | None]:
    """A ``data:`` address of each molecule's drawing; None where it cannot be drawn."""
    return [_image(str(text), dark) for text in smiles]


@st.cache_data(max_entries=5000, show_spinner=False)
def _image(smiles: str, dark: bool) -> str | None:
    try:
        svg = draw(parse(smiles), size=SIZE, dark=dark)
    except MoleculeError:
        return None
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()
