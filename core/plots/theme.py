"""Colours of the house, in light and dark, and the words that Plotly may not interpret.

The categorical colours follow Okabe & Ito (https://jfly.uni-koeln.de/color/), moved in lightness
until each has a contrast of 3:1 or more with the page, and any two stay apart also for red- and
green-blind eyes (tests/plots/test_perturbation_theme.py); the diverging scale runs from blue to
orange, which all common forms of colour blindness keep apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from core.data.table import PRIVATE_TEST, PUBLIC_TEST, TRAIN

#: Height of a figure in pixels where nothing asks for another one.
HEIGHT = 420


@dataclass(frozen=True)
class Palette:
    """Colours of one mode.

    Attributes
    ----------
    mode
        ``"light"`` or ``"dark"``.
    background, text, grid, muted
        Page, words, grid lines, and marks that stand back.
    categorical
        Colours of categories, in order.
    sequential, diverging
        Colours from low to high; the middle of ``diverging`` is the page's own shade.
    """

    mode: str
    background: str
    text: str
    grid: str
    muted: str
    categorical: tuple[str, ...]
    sequential: tuple[str, ...]
    diverging: tuple[str, ...]

    @property
    def accent(self) -> str:
        """The colour of a single series."""
        return self.categorical[0]

    @property
    def up(self) -> str:
        """Up-regulated."""
        return self.diverging[-2]

    @property
    def down(self) -> str:
        """Down-regulated."""
        return self.diverging[1]

    def colours(self, names: Iterable[Hashable]) -> dict[Hashable, str]:
        """A colour for each of the names, in their order; they repeat after the last one."""
        return {
            name: self.categorical[i % len(self.categorical)]
            for i, name in enumerate(dict.fromkeys(names))
        }

    @property
    def splits(self) -> Mapping[str, str]:
        """Colours of train, public and private test rows."""
        return {
            TRAIN: self.categorical[0],
            PUBLIC_TEST: self.categorical[1],
            PRIVATE_TEST: self.categorical[2],
        }


LIGHT = Palette(
    mode="light",
    background="#ffffff",
    text="#1d2733",
    grid="#e3e8ee",
    muted="#8a94a1",
    categorical=(
        "#0072b2",
        "#d55e00",
        "#00916a",
        "#9a3d8f",
        "#5c3a00",
        "#6f7dff",
        "#3b9cb3",
        "#8e1b3a",
        "#23288c",
        "#7c8794",
    ),
    sequential=(
        "#eef4fa",
        "#d5e5f3",
        "#b5d1e9",
        "#8fb9dd",
        "#669ecf",
        "#4283be",
        "#2668a8",
        "#144f8c",
        "#0a396c",
        "#06264b",
    ),
    diverging=(
        "#0b4a86",
        "#2b7bba",
        "#6aaad6",
        "#a9cfe9",
        "#dbe9f4",
        "#fbe6d3",
        "#f7be8b",
        "#ec8d47",
        "#cf5f14",
        "#8f3a04",
    ),
)

DARK = Palette(
    mode="dark",
    background="#12171e",
    text="#e6ebf1",
    grid="#2b3441",
    muted="#7f8b99",
    categorical=(
        "#56b4e9",
        "#f0883e",
        "#2fc79a",
        "#e58fc8",
        "#ffe14d",
        "#4f7df5",
        "#b3743f",
        "#c4f5d4",
        "#a04fd0",
        "#8b97a5",
    ),
    sequential=(
        "#1b2633",
        "#1d3348",
        "#1f4462",
        "#21577f",
        "#2a6d9d",
        "#3f86b8",
        "#60a1cd",
        "#87bbdd",
        "#b1d4ea",
        "#dcecf7",
    ),
    diverging=(
        "#a6d8ff",
        "#62b2ec",
        "#3585bf",
        "#25587f",
        "#1d3145",
        "#402a1c",
        "#824a1c",
        "#c26f27",
        "#f09a4d",
        "#ffd0a1",
    ),
)


def palette(mode: str | None) -> Palette:
    """The palette of a mode; light where the mode is not known."""
    return DARK if mode == "dark" else LIGHT


def scale(colours: tuple[str, ...]) -> list[list[float | str]]:
    """A Plotly colour scale of evenly spaced colours."""
    last = len(colours) - 1
    return [[i / last, colour] for i, colour in enumerate(colours)]


def label(text: object) -> str:
    """``text`` as Plotly shall draw it: its small HTML subset is not interpreted."""
    return escape(str(text), quote=False)


def labels(texts: Iterable[object]) -> list[str]:
    """:func:`label` of each."""
    return [label(text) for text in texts]


def shorten(text: object, limit: int = 28) -> str:
    """``text`` in at most ``limit`` characters, cut with an ellipsis, as a label."""
    words = str(text)
    return label(words if len(words) <= limit else words[: limit - 1] + "…")


def style(fig: go.Figure, palette: Palette, *, height: int = HEIGHT) -> go.Figure:
    """Give a figure the house's fonts, lines and margins; returns the same figure.

    Words and backgrounds are left to the page's theme where Streamlit draws the figure;
    :func:`core.plots.export.write_html` sets them for files.
    """
    fig.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        colorway=list(palette.categorical),
        legend={"title": None, "tracegroupgap": 4},
        hoverlabel={"align": "left"},
        modebar={"orientation": "v"},
    )
    fig.update_xaxes(gridcolor=palette.grid, zerolinecolor=palette.muted, automargin=True)
    fig.update_yaxes(gridcolor=palette.grid, zerolinecolor=palette.muted, automargin=True)
    return fig
