"""Figures of cells' quality and of principal components."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import LIGHT, Palette, label, scale, shorten, style

BINS = 60
#: Cells that a scatter draws at most; an even sample of them above it.
MOST_POINTS = 5000


def bins(values: np.ndarray, *, log: bool, n: int = BINS) -> pd.DataFrame:
    """Cells by value: ``low``, ``high``, ``cells``; edges evenly spaced, in log10 with ``log``.

    Parameters
    ----------
    values
        ``(n_cells,)``; NaN are left out, and with ``log`` values below 1 count as 1.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return pd.DataFrame({"low": [], "high": [], "cells": []})
    shown = np.log10(np.maximum(known, 1)) if log else known
    low, high = float(shown.min()), float(shown.max())
    counts, edges = np.histogram(shown, bins=n, range=(low, high if high > low else low + 1))
    edges = 10**edges if log else edges
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "cells": counts})


def histogram(
    table: pd.DataFrame,
    title: str,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Cells by a quality value, with the cut-offs; what they remove stands back in grey.

    Parameters
    ----------
    table
        Of :func:`bins`.
    title
        What is measured.
    low, high
        Cut-offs: a cell below ``low`` or above ``high`` is removed.
    log
        Whether the horizontal axis is logarithmic (as the bins are).
    """
    left, right = table["low"].to_numpy(), table["high"].to_numpy()
    middle = np.sqrt(left * right) if log else (left + right) / 2
    gone = np.zeros(len(table), dtype=bool)
    if low is not None:
        gone |= right <= low
    if high is not None:
        gone |= left >= high
    fig = go.Figure(
        go.Bar(
            x=middle,
            y=table["cells"].to_numpy(),
            width=right - left,
            marker={"color": np.where(gone, palette.muted, palette.accent), "line": {"width": 0}},
            customdata=np.column_stack([left, right]),
            hovertemplate="%{customdata[0]:,.4g} to %{customdata[1]:,.4g}: "
            "%{y:,} cells<extra></extra>",
            showlegend=False,
        )
    )
    for limit in (low, high):
        if limit is not None and (limit > 0 or not log):
            # On log axes Plotly wants values for shapes, but logarithms for annotations.
            line = {"color": palette.up, "width": 2, "dash": "dash"}
            fig.add_shape(type="line", x0=limit, x1=limit, y0=0, y1=1, yref="paper", line=line)
            fig.add_annotation(
                x=np.log10(limit) if log else limit,
                y=1,
                yref="paper",
                yanchor="bottom",
                text=f"{limit:,g}",
                showarrow=False,
                font={"size": 11},
            )
    style(fig, palette, height=260)
    fig.update_layout(bargap=0)
    fig.update_xaxes(title=label(title), type="log" if log else "linear")
    fig.update_yaxes(title="cells", rangemode="tozero")
    return fig


def counts_against_genes(
    table: pd.DataFrame, kept: np.ndarray, *, palette: Palette = LIGHT
) -> go.Figure:
    """Genes against reads of each cell, coloured by mitochondrial share; removed cells in grey.

    Parameters
    ----------
    table
        Of :func:`core.data.preprocessing.quality`.
    kept
        Boolean ``(n_cells,)``.
    """
    chosen = sample(len(table))
    part, stays = table.iloc[chosen], kept[chosen]
    share = part["mito_percent"].to_numpy(dtype=np.float32)
    known = bool(np.isfinite(share).any())
    fig = go.Figure()
    for mask, name in ((~stays, "removed"), (stays, "kept")):
        grey = name == "removed" or not known
        marker = {
            "size": 4,
            "opacity": 0.45 if name == "removed" else 0.8,
            "color": (palette.muted if name == "removed" else palette.accent)
            if grey
            else share[mask],
        }
        if not grey:
            marker |= {
                "colorscale": scale(palette.sequential[2:]),
                "colorbar": {"title": {"text": "mito %", "side": "right"}, "thickness": 10},
            }
        fig.add_trace(
            go.Scattergl(
                x=part["counts"].to_numpy(dtype=np.float32)[mask],
                y=part["genes"].to_numpy(dtype=np.float32)[mask],
                mode="markers",
                name=f"{name} ({int((kept if name == 'kept' else ~kept).sum()):,})",
                marker=marker,
                hovertemplate="%{x:,} reads, %{y:,} genes<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=260)
    fig.update_xaxes(title="reads", type="log")
    fig.update_yaxes(title="genes", type="log")
    fig.update_layout(legend={"x": 0.01, "y": 0.99, "bgcolor": "rgba(0,0,0,0)"})
    return fig


def sample(n: int, most: int = MOST_POINTS) -> np.ndarray:
    """Positions of at most ``most`` of ``n`` cells, evenly spread."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)


def explained_variance(ratio: np.ndarray, *, palette: Palette = LIGHT) -> go.Figure:
    """Share of the variance by component (bars), and of all up to it (line).

    Parameters
    ----------
    ratio
        ``(n_pcs,)`` shares of the total variance.
    """
    percent = 100 * np.asarray(ratio, dtype=np.float64)
    number = np.arange(1, len(percent) + 1)
    fig = make_subplots(specs=[[{"secondary_y": True}]])
    fig.add_trace(
        go.Bar(
            x=number,
            y=percent,
            name="each",
            marker={"color": palette.accent},
            hovertemplate="PC %{x}: %{y:.2f} %<extra></extra>",
        )
    )
    fig.add_trace(
        go.Scatter(
            x=number,
            y=np.cumsum(percent),
            name="together",
            mode="lines",
            line={"color": palette.categorical[1], "width": 2},
            hovertemplate="PC 1 to %{x}: %{y:.1f} %<extra></extra>",
        ),
        secondary_y=True,
    )
    style(fig, palette, height=320)
    fig.update_xaxes(title="principal component")
    fig.update_yaxes(title="variance explained (%)", rangemode="tozero", secondary_y=False)
    fig.update_yaxes(
        title="together (%)",
        range=[0, 100],
        dtick=25,
        tickmode="linear",
        showgrid=False,
        secondary_y=True,
    )
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return fig


def top_loadings(loadings: pd.Series, n: int = 12) -> pd.DataFrame:
    """The ``n`` genes of lowest and of highest loading: ``gene``, ``loading``, rising."""
    ordered = loadings.sort_values()
    n = min(n, len(ordered) // 2)
    ends = pd.concat([ordered.head(n), ordered.tail(n)])
    return pd.DataFrame({"gene": ends.index.astype(str), "loading": ends.to_numpy()})


def loading_bars(table: pd.DataFrame, component: str, *, palette: Palette = LIGHT) -> go.Figure:
    """Bars of :func:`top_loadings`."""
    values = table["loading"].to_numpy()
    fig = go.Figure(
        go.Bar(
            x=values,
            y=np.arange(len(table)),
            orientation="h",
            marker={"color": np.where(values < 0, palette.down, palette.up)},
            customdata=[label(gene) for gene in table["gene"]],
            hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
        )
    )
    style(fig, palette, height=max(320, 18 * len(table) + 70))
    names = [shorten(gene, 18) for gene in table["gene"]]
    fig.update_yaxes(tickvals=np.arange(len(table)), ticktext=names, title=None, zeroline=False)
    fig.update_xaxes(title=f"loading on {label(component)}")
    return fig
