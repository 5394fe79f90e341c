"""Rows in two dimensions, coloured by a category or a number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style


def scatter(
    coordinates: np.ndarray,
    hover: pd.Series,
    colour: pd.Series,
    *,
    axes: tuple[str, str] = ("PC 1", "PC 2"),
    quiet: tuple[str, ...] = (),
    log: bool = False,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Points in a plane.

    Parameters
    ----------
    coordinates
        ``(n, 2)``.
    hover
        ``(n,)``: what a point is called.
    colour
        ``(n,)``: numbers give a colour bar, anything else a legend (most frequent first).
    log
        Colour positive numbers by their logarithm: a few large ones else leave all others alike.
    axes
        Titles of the axes.
    quiet
        Categories drawn first and in grey.
    """
    x, y = np.asarray(coordinates, dtype=np.float32).T[:2]
    names = np.array(labels(hover), dtype=object)
    fig = go.Figure()
    if pd.api.types.is_numeric_dtype(colour) and not pd.api.types.is_bool_dtype(colour):
        values = colour.to_numpy(dtype=np.float32)
        order = np.argsort(values, kind="stable")
        shade = np.log10(np.maximum(values, 1e-6)) if log else values
        fig.add_trace(
            go.Scattergl(
                x=x[order],
                y=y[order],
                mode="markers",
                text=names[order],
                customdata=values[order],
                marker={
                    "size": 7,
                    "color": shade[order],
                    "colorscale": scale(palette.sequential[2:]),
                    "colorbar": {
                        "title": {"text": label(colour.name or ""), "side": "right"},
                        "thickness": 12,
                        **(_log_ticks(shade) if log else {}),
                    },
                    "line": {"width": 0.5, "color": palette.muted},
                },
                hovertemplate="%{text}<br>%{customdata:.3g}<extra></extra>",
                showlegend=False,
            )
        )
    else:
        words = colour.astype(str)
        counts = words.value_counts()
        loud = [name for name in counts.index if name not in quiet]
        colours = palette.colours(loud)
        for name in [*(q for q in quiet if q in counts.index), *loud]:
            mask = (words == name).to_numpy()
            fig.add_trace(
                go.Scattergl(
                    x=x[mask],
                    y=y[mask],
                    mode="markers",
                    name=f"{shorten(name, 34)} ({mask.sum()})",
                    text=names[mask],
                    legendrank=len(counts) + 1 if name in quiet else loud.index(name),
                    marker={
                        "size": 5 if name in quiet else 8,
                        "color": palette.muted if name in quiet else colours[name],
                        "opacity": 0.45 if name in quiet else 0.85,
                    },
                    hovertemplate="%{text}<extra>%{fullData.name}</extra>",
                )
            )
    style(fig, palette, height=560)
    fig.update_layout(legend={"y": 1, "yanchor": "top", "itemsizing": "constant"}, showlegend=True)
    fig.update_xaxes(title=axes[0], zeroline=False)
    fig.update_yaxes(title=axes[1], zeroline=False)
    return fig


def _log_ticks(shade: np.ndarray) -> dict[str, list]:
    """Ticks of a colour bar of logarithms, at 1, 2 and 5 times powers of ten."""
    low, high = float(shade.min()), float(shade.max())
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= np.log10(tick) <= high]
    return {"tickvals": [float(np.log10(t)) for t in ticks], "ticktext": [f"{t:g}" for t in ticks]}
