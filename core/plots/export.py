"""Figures and their numbers as files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette

_STEM = re.compile(r"[^A-Za-z0-9]+")


def file_stem(*parts: object) -> str:
    """A file name without suffix made of words: ``("CD69", "T cells CD4+")`` → ``CD69-T-cells-CD4``.

    Holds ASCII letters, digits and hyphens only, at most 80 characters, never empty.
    """
    words = (_STEM.sub("-", str(part)).strip("-") for part in parts)
    return "-".join(word for word in words if word)[:80].strip("-") or "figure"


def csv_bytes(data: pd.DataFrame) -> bytes:
    """A frame as UTF-8 CSV with a header, without its index where that is a plain count."""
    index = not isinstance(data.index, pd.RangeIndex)
    return data.to_csv(index=index, lineterminator="\n").encode("utf-8")


def write_html(fig: go.Figure, path: Path, *, palette: Palette = LIGHT) -> Path:
    """Write a figure as one HTML file that opens without internet (about 4 MB).

    Parameters
    ----------
    fig
        A figure of :mod:`core.plots`.
    path
        File to write; its folder must exist.
    palette
        Colours of words and background.

    Returns
    -------
    Path
        ``path``.
    """
    dressed = go.Figure(fig)
    dressed.update_layout(
        template="none",
        paper_bgcolor=palette.background,
        plot_bgcolor=palette.background,
        font={"color": palette.text},
    )
    dressed.write_html(path, include_plotlyjs=True, full_html=True)
    return path
