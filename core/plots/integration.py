"""Curves, scatter and bars of batch integration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: Columns of a training's history that are no loss.
_NO_LOSS = frozenset(
    {"epoch", "seconds", "round", "kl_weight", "learning_rate", "n_pairs", "pair_distance"}
)
#: Column of a sweep → title of its panel.
CURVES = {"ari": "ARI with cell types", "nmi": "NMI with cell types", "batch_ari": "Batch ARI"}


def resolution_curves(
    sweeps: Mapping[str, pd.DataFrame],
    floor: float,
    *,
    low: float = 0.1,
    high: float = 0.3,
    palette: Palette = LIGHT,
) -> go.Figure:
    """ARI, NMI and batch ARI against resolution, a line a method.

    Parameters
    ----------
    sweeps
        Method → ``resolution, ari, nmi, batch_ari``.
    floor
        Batch ARI of the true labels, drawn where it is known.
    low, high
        The shaded range over which the mean is taken.
    """
    shown = [c for c in CURVES if any(frame[c].notna().any() for frame in sweeps.values())]
    fig = make_subplots(rows=1, cols=len(shown), subplot_titles=[CURVES[c] for c in shown])
    shades = palette.colours(sweeps)
    for at, column in enumerate(shown, start=1):
        for name, frame in sweeps.items():
            fig.add_trace(
                go.Scatter(
                    x=frame["resolution"].to_numpy(),
                    y=frame[column].to_numpy(),
                    mode="lines+markers",
                    name=shorten(name, 30),
                    legendgroup=name,
                    showlegend=at == 1,
                    line={"color": shades[name], "width": 2},
                    marker={"size": 5},
                    hovertemplate=f"{label(name)}<br>resolution %{{x:g}}: %{{y:.3f}}<extra></extra>",
                ),
                row=1,
                col=at,
            )
        fig.add_vrect(
            x0=low, x1=high, fillcolor=palette.muted, opacity=0.12, line_width=0, row=1, col=at
        )
        if column == "batch_ari" and np.isfinite(floor):
            fig.add_hline(
                y=floor,
                line={"dash": "dash", "color": palette.text, "width": 1},
                annotation_text=f"floor {floor:.3f}",
                annotation_position="top right",
                row=1,
                col=at,
            )
    style(fig, palette, height=390)
    ticks = [0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10]
    fig.update_xaxes(
        title="resolution", type="log", tickvals=ticks, ticktext=[f"{t:g}" for t in ticks]
    )
    fig.update_layout(legend={"orientation": "h", "y": -0.22, "x": 0})
    return fig


def trade_off(
    points: pd.DataFrame, x: str, y: str, *, titles: tuple[str, str], palette: Palette = LIGHT
) -> go.Figure:
    """Each method as a point: batch mixing against biology conserved.

    Parameters
    ----------
    points
        Indexed by method, with columns ``x`` and ``y`` and, where there are draws, their standard
        deviations as ``<column>_sd``.
    """
    fig = go.Figure()
    shades = palette.colours(points.index)
    for name, row in points.iterrows():
        bars = {
            f"error_{axis}": {"type": "data", "array": [row[f"{column}_sd"]], "thickness": 1}
            for axis, column in (("x", x), ("y", y))
            if f"{column}_sd" in points and np.isfinite(row[f"{column}_sd"])
        }
        fig.add_trace(
            go.Scatter(
                x=[row[x]],
                y=[row[y]],
                mode="markers+text",
                text=[shorten(name, 22)],
                textposition="top right",
                name=shorten(name, 30),
                marker={"size": 13, "color": shades[name]},
                hovertemplate=f"{label(name)}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
                **bars,
            )
        )
    style(fig, palette, height=440)
    fig.update_layout(showlegend=False)
    fig.update_xaxes(title=f"{label(titles[0])} →")
    fig.update_yaxes(title=f"{label(titles[1])} →")
    for axis, column in (("xaxis", x), ("yaxis", y)):
        values = points[column].to_numpy(dtype=float)
        reach = points.get(f"{column}_sd", pd.Series(0.0, index=points.index)).fillna(0).to_numpy()
        low, high = (values - reach).min(), (values + reach).max()
        pad = max(0.12 * (high - low), 0.02)
        # Names stand to the right of their points.
        fig.update_layout(
            {axis: {"range": [low - pad, high + (2.2 if axis == "xaxis" else 1) * pad]}}
        )
    return fig


def losses(frame: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Training losses over epochs, a line a term.

    Parameters
    ----------
    frame
        One row an epoch; ``epoch`` or the row is the horizontal axis, every other numeric column
        that is no setting is a term. ``round`` marks where pairs were searched anew.
    """
    x = frame["epoch"] if "epoch" in frame else pd.Series(np.arange(1, len(frame) + 1))
    terms = [c for c in frame if c not in _NO_LOSS and pd.api.types.is_numeric_dtype(frame[c])]
    fig = go.Figure()
    for name, colour in palette.colours(terms).items():
        fig.add_trace(
            go.Scatter(
                x=x.to_numpy(),
                y=frame[name].to_numpy(),
                mode="lines",
                name=label(str(name).replace("_", " ")),
                line={"color": colour, "width": 2},
                hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=380)
    if "round" in frame:
        for at in np.flatnonzero(np.diff(frame["round"].to_numpy())):
            fig.add_vline(
                x=float(x.iloc[at]) + 0.5, line={"dash": "dot", "color": palette.muted, "width": 1}
            )
    positive = all((frame[c].dropna() > 0).all() for c in terms) if terms else False
    fig.update_yaxes(title="loss", type="log" if positive else "linear")
    fig.update_xaxes(title="epoch")
    return fig


def gene_shift(frame: pd.DataFrame, *, n: int = 25, palette: Palette = LIGHT) -> go.Figure:
    """The genes that a correction moved most: mean change in each batch, and its spread.

    Parameters
    ----------
    frame
        Indexed by gene: a column a batch, and ``rms`` over all cells.
    """
    top = frame.nlargest(n, "rms").iloc[::-1]
    batches = [c for c in frame if c != "rms"]
    fig = go.Figure()
    for name, colour in palette.colours(batches).items():
        fig.add_trace(
            go.Scatter(
                x=top[name].to_numpy(),
                y=labels(top.index),
                mode="markers",
                name=shorten(name, 24),
                marker={"size": 9, "color": colour},
                hovertemplate=f"%{{y}}, {label(name)}: %{{x:+.3f}}<extra></extra>",
            )
        )
    for sign in (-1, 1):
        fig.add_trace(
            go.Scatter(
                x=sign * top["rms"].to_numpy(),
                y=labels(top.index),
                mode="markers",
                name="± root mean square",
                showlegend=sign == 1,
                legendgroup="rms",
                marker={"symbol": "line-ns-open", "size": 9, "color": palette.muted},
                hovertemplate="%{y}: rms %{x:.3f}<extra></extra>",
            )
        )
    fig.add_vline(x=0, line={"color": palette.muted, "width": 1})
    style(fig, palette, height=max(300, 60 + 19 * len(top)))
    fig.update_xaxes(title="change in log expression")
    return fig


def heat(
    table: pd.DataFrame, title: str, *, centre: float | None = None, palette: Palette = LIGHT
) -> go.Figure:
    """A table of numbers as colours; ``centre`` makes the scale diverge around it."""
    values = table.to_numpy(dtype=np.float32)
    colours = palette.sequential if centre is None else palette.diverging
    limits = {}
    if centre is not None and np.isfinite(values).any():
        reach = float(np.nanmax(np.abs(values - centre)))
        limits = {"zmin": centre - reach, "zmax": centre + reach}
    fig = go.Figure(
        go.Heatmap(
            z=values,
            x=labels(table.columns),
            y=labels(table.index),
            colorscale=scale(colours),
            colorbar={"title": {"text": label(title), "side": "right"}, "thickness": 12},
            hovertemplate="%{y} · %{x}: %{z:.3f}<extra></extra>",
            **limits,
        )
    )
    style(fig, palette, height=max(260, 90 + 20 * len(table)))
    fig.update_yaxes(autorange="reversed", type="category")
    fig.update_xaxes(type="category")
    return fig


def bars(values: pd.Series, title: str, *, palette: Palette = LIGHT) -> go.Figure:
    """Horizontal bars, the first on top."""
    turned = values.iloc[::-1]
    fig = go.Figure(
        go.Bar(
            x=turned.to_numpy(),
            y=labels(turned.index),
            orientation="h",
            marker={"color": palette.accent},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )
    style(fig, palette, height=max(240, 60 + 19 * len(values)))
    fig.update_xaxes(title=label(title))
    return fig
