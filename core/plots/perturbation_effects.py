"""Figures of single genes and single pairs, and of how alike responses are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: Fewer points than this are drawn as points only: a violin of them would be invented shape.
_VIOLIN_FROM = 8


def gene_effect(
    effect: pd.DataFrame, symbol: str, target: str, *, palette: Palette = LIGHT
) -> go.Figure:
    """One gene's response by cell type: a violin with quartiles, and every compound as a point.

    Parameters
    ----------
    effect
        ``cell_type``, ``sm_name``, ``value``: one row a pair.
    symbol, target
        The gene, and what a value is.
    """
    fig = go.Figure()
    cell_types = sorted(effect["cell_type"].astype(str).unique())
    colours = palette.colours(cell_types)
    for name in cell_types:
        part = effect[effect["cell_type"] == name]
        common = {
            "y": part["value"].to_numpy(dtype=np.float32),
            "name": f"{shorten(name)}<br>n = {len(part)}",
            "pointpos": 0,
            "jitter": 0.45,
            "marker": {"size": 4.5, "color": colours[name], "opacity": 0.7},
            "text": labels(part["sm_name"]),
            "hovertemplate": "%{text}<br>%{y:.2f}<extra></extra>",
            "hoveron": "points",
        }
        if len(part) < _VIOLIN_FROM:
            hidden = {"line": {"width": 0}, "fillcolor": "rgba(0,0,0,0)"}
            fig.add_trace(go.Box(boxpoints="all", **common, **hidden))
            continue
        fig.add_trace(
            go.Violin(
                points="all",
                width=0.85,
                spanmode="hard",
                box={"visible": True, "width": 0.12},
                line={"color": colours[name], "width": 1.2},
                fillcolor=_translucent(colours[name], 0.18),
                **common,
            )
        )
    style(fig, palette, height=440)
    fig.update_layout(showlegend=False, violingap=0.15)
    fig.update_yaxes(title=f"{label(symbol)}: {label(target)}", zeroline=True)
    return fig


def _translucent(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def strength_specificity(
    response: pd.DataFrame, target: str, *, n_labels: int = 8, palette: Palette = LIGHT
) -> go.Figure:
    """One pair's genes: how strong a response is, against how much it is the compound's own.

    Where a value is a signed −log10 p there is no fold change to draw, so a true volcano plot
    is not possible; the height here is the absolute value, and the side is the specificity of
    :func:`core.studies.perturbation.explore.pair_response`.

    Parameters
    ----------
    response
        Index: genes; ``value``, ``typical``, ``specificity``.
    target
        What a value is.
    n_labels
        Genes named on each side.
    """
    value = response["value"].to_numpy(dtype=np.float32)
    specificity = response["specificity"].to_numpy(dtype=np.float32)
    height = np.abs(value)
    genes = np.array(labels(response.index), dtype=object)
    fig = go.Figure()
    for mask, name, colour in (
        (value > 0, "up", palette.up),
        (value < 0, "down", palette.down),
    ):
        fig.add_trace(
            go.Scattergl(
                x=specificity[mask],
                y=height[mask],
                mode="markers",
                name=name,
                text=genes[mask],
                customdata=response["typical"].to_numpy(dtype=np.float32)[mask],
                marker={"size": 4, "color": colour, "opacity": 0.55},
                hovertemplate=(
                    "%{text}<br>|value| %{y:.2f}<br>specificity %{x:.1f}"
                    "<br>typical value %{customdata:.2f}<extra>%{fullData.name}</extra>"
                ),
            )
        )
    for i in _named(specificity, height, n_labels):
        side = 1 if specificity[i] > 0 else -1
        fig.add_annotation(
            x=float(specificity[i]),
            y=float(height[i]),
            text=str(genes[i]),
            showarrow=False,
            xshift=5 * side,
            xanchor="left" if side > 0 else "right",
            font={"size": 10},
        )
    style(fig, palette, height=480)
    fig.update_layout(
        legend={
            "orientation": "h",
            "y": 1.01,
            "yanchor": "bottom",
            "x": 0,
            "itemsizing": "constant",
        }
    )
    fig.update_xaxes(title="specificity: robust SDs from the gene's median over other compounds")
    fig.update_yaxes(title=f"strength: |{label(target)}|", rangemode="tozero")
    return fig


def _named(x: np.ndarray, y: np.ndarray, n: int) -> list[int]:
    """Up to ``n`` points on each side that are far out and high, with room for their names."""
    room = 0.035 * float(np.ptp(y) or 1.0)
    named: list[int] = []
    for side in (-1, 1):
        mine = np.flatnonzero(np.sign(x) == side)
        order = mine[np.argsort(-np.minimum(y[mine], np.abs(x[mine])), kind="stable")]
        taken: list[int] = []
        for i in order[: 20 * n]:
            if len(taken) == n:
                break
            if all(abs(y[i] - y[j]) >= room for j in taken):
                taken.append(int(i))
        named += taken
    return named


def correlation(
    matrix: pd.DataFrame,
    *,
    counts: pd.DataFrame | None = None,
    palette: Palette = LIGHT,
    height: int | None = None,
) -> go.Figure:
    """A correlation matrix between −1 and 1; numbers stand in it where there is room.

    Parameters
    ----------
    matrix
        Square, in the order to draw; NaN where unknown.
    counts
        How many compounds each number is a mean of, for the hover text.
    """
    n = len(matrix)
    names = labels(matrix.index)
    z = matrix.to_numpy(dtype=np.float32)
    extra: dict[str, Any] = {}
    hover = "%{y}<br>%{x}<br>r = %{z:.2f}"
    if counts is not None:
        extra["customdata"] = counts.loc[matrix.index, matrix.columns].to_numpy()
        hover += "<br>compounds in both: %{customdata}"
    if n <= 12:
        extra["texttemplate"] = "%{z:.2f}"
    fig = go.Figure(
        go.Heatmap(
            z=z,
            x=names,
            y=names,
            zmin=-1,
            zmax=1,
            colorscale=scale(palette.diverging),
            colorbar={"title": {"text": "Pearson r", "side": "right"}, "thickness": 12},
            hovertemplate=hover + "<extra></extra>",
            **extra,
        )
    )
    style(fig, palette, height=height or (160 + 44 * n if n <= 12 else 720))
    shown = n <= 60
    fig.update_xaxes(showgrid=False, type="category", showticklabels=shown, tickangle=-35)
    fig.update_yaxes(autorange="reversed", showgrid=False, type="category", showticklabels=shown)
    if shown:
        fig.update_xaxes(dtick=1)
        fig.update_yaxes(dtick=1)
    return fig
