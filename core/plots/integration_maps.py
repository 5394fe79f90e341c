"""Cells of several methods side by side on their UMAPs, and MNN pairs drawn between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: More points than this in one panel are thinned, alike in all panels.
MOST_POINTS = 12_000
_PANEL, _GAP = 300, 34
#: Told apart by shape where there are more categories than colours.
_SYMBOLS = ("circle", "diamond", "cross", "triangle-up")


def drawn_rows(n: int, most: int, seed: int = 0) -> np.ndarray:
    """Rows that are drawn, int64, ascending: all of them, or a seeded sample."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def grid(
    maps: Mapping[str, np.ndarray],
    colours: Mapping[str, Mapping[str, np.ndarray]],
    names: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    selected: np.ndarray | None = None,
    palette: Palette = LIGHT,
) -> go.Figure:
    """A panel for each method (columns) and colouring (rows); one legend a colouring.

    Parameters
    ----------
    maps
        Method → coordinates ``(n, 2)`` of the same cells.
    colours
        Colouring → method → category of each cell ``(n,)``. Where all methods have the same
        categories the colours are the same too.
    names
        ``(n,)``: what a point is called.
    rows
        Cells to draw; default: all.
    selected
        Cells to bring forward, bool ``(n,)``; the others stand back. Each point carries its row
        as ``customdata``.
    """
    methods = list(maps)
    n = len(names)
    shown = np.arange(n) if rows is None else rows
    fig = make_subplots(
        rows=len(colours),
        cols=len(methods),
        column_titles=labels(methods),
        row_titles=labels(colours),
        horizontal_spacing=0.012,
        vertical_spacing=0.02,
    )
    size = 4.5 if len(shown) <= 4000 else 3
    for at_row, (colouring, by_method) in enumerate(colours.items(), start=1):
        words = {m: np.asarray(by_method[m]).astype(str) for m in methods}
        order = _by_size(np.concatenate([w[shown] for w in words.values()]))
        shades = palette.colours(order)
        shapes = {
            name: _SYMBOLS[(i // len(palette.categorical)) % len(_SYMBOLS)]
            for i, name in enumerate(order)
        }
        listed: set[str] = set()
        legend = "legend" if at_row == 1 else f"legend{at_row}"
        for at_col, method in enumerate(methods, start=1):
            x, y = np.asarray(maps[method], dtype=np.float32).T
            for name in order:
                members = shown[words[method][shown] == name]
                if not len(members):
                    continue
                fig.add_trace(
                    go.Scattergl(
                        x=x[members],
                        y=y[members],
                        mode="markers",
                        name=shorten(name, 22),
                        legendgroup=f"{at_row}-{name}",
                        legend=legend,
                        showlegend=name not in listed,
                        customdata=members,
                        text=labels(names[members]),
                        selectedpoints=None
                        if selected is None
                        else np.flatnonzero(selected[members]),
                        marker={
                            "size": size if shapes[name] == "circle" else size + 2,
                            "color": shades[name],
                            "symbol": shapes[name],
                            "opacity": 0.8,
                        },
                        selected={"marker": {"opacity": 1.0}},
                        unselected={"marker": {"opacity": 0.07}},
                        hovertemplate=f"%{{text}}<extra>{label(colouring)}: {label(name)}</extra>",
                    ),
                    row=at_row,
                    col=at_col,
                )
                listed.add(name)
    height = _PANEL * len(colours) + _GAP
    style(fig, palette, height=height)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    fig.update_layout(
        dragmode="lasso",
        uirevision="maps",
        margin={"l": 4, "r": 4, "t": 30, "b": 4},
        **{
            ("legend" if i == 0 else f"legend{i + 1}"): {
                "y": 1 - i / len(colours),
                "yanchor": "top",
                "x": 1.03,
                "title": None,
                "tracegroupgap": 0,
                "itemsizing": "constant",
                "font": {"size": 11},
                "maxheight": _PANEL - 10,
            }
            for i in range(len(colours))
        },
    )
    return fig


def _by_size(words: np.ndarray) -> list[str]:
    names, counts = np.unique(words, return_counts=True)
    if all(name.isdigit() for name in names):
        return sorted(map(str, names), key=int)
    return [str(name) for name in names[np.argsort(-counts, kind="stable")]]


def pairs(
    coordinates: np.ndarray,
    batches: np.ndarray,
    pairs: np.ndarray,
    same_type: np.ndarray | None,
    *,
    rows: np.ndarray | None = None,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Mutual nearest neighbours as lines on the map before correction.

    Parameters
    ----------
    coordinates
        ``(n, 2)``.
    batches
        Batch of each cell ``(n,)``.
    pairs
        Rows ``(m, 2)`` of the pairs to draw.
    same_type
        Whether both cells are of the same type, bool ``(m,)``; None where types are not known.
    """
    x, y = np.asarray(coordinates, dtype=np.float32).T
    fig = go.Figure()
    kinds: Sequence[tuple[str, np.ndarray, str, float]]
    everything = np.ones(len(pairs), dtype=bool)
    if same_type is None:
        kinds = [("pairs", everything, palette.muted, 0.35)]
    else:
        kinds = [
            (f"same cell type ({int(same_type.sum()):,})", same_type, palette.muted, 0.35),
            (f"different types ({int((~same_type).sum()):,})", ~same_type, palette.up, 0.9),
        ]
    for name, mask, colour, opacity in kinds:
        chosen = pairs[mask]
        gaps = np.full(len(chosen), np.nan, np.float32)
        fig.add_trace(
            go.Scattergl(
                x=np.column_stack([x[chosen[:, 0]], x[chosen[:, 1]], gaps]).ravel(),
                y=np.column_stack([y[chosen[:, 0]], y[chosen[:, 1]], gaps]).ravel(),
                mode="lines",
                name=name,
                opacity=opacity,
                line={"width": 1, "color": colour},
                hoverinfo="skip",
            )
        )
    shown = np.arange(len(x)) if rows is None else rows
    words = np.asarray(batches).astype(str)
    for batch, colour in palette.colours(_by_size(words)).items():
        members = shown[words[shown] == batch]
        fig.add_trace(
            go.Scattergl(
                x=x[members],
                y=y[members],
                mode="markers",
                name=shorten(batch, 22),
                marker={"size": 4.5, "color": colour, "opacity": 0.8},
                hovertemplate=f"{label(batch)}<extra></extra>",
            )
        )
    style(fig, palette, height=560)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    fig.update_layout(legend={"itemsizing": "constant"})
    return fig


def shaded(
    coordinates: np.ndarray,
    values: np.ndarray,
    title: str,
    *,
    rows: np.ndarray | None = None,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Cells coloured by a number, the highest on top.

    Parameters
    ----------
    coordinates, values
        ``(n, 2)`` and ``(n,)``.
    """
    shown = np.arange(len(values)) if rows is None else rows
    order = shown[np.argsort(values[shown], kind="stable")]
    x, y = np.asarray(coordinates, dtype=np.float32)[order].T
    fig = go.Figure(
        go.Scattergl(
            x=x,
            y=y,
            mode="markers",
            marker={
                "size": 4.5,
                "color": np.asarray(values, dtype=np.float32)[order],
                "colorscale": scale(palette.sequential[1:]),
                "colorbar": {"title": {"text": label(title), "side": "right"}, "thickness": 12},
            },
            hovertemplate="%{marker.color:.3f}<extra></extra>",
            showlegend=False,
        )
    )
    style(fig, palette, height=460)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return fig
