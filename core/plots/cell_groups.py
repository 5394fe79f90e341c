"""Figures of genes in groups of cells: dot plot, heat map, composition, gene against gene."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: Cells up to which gene against gene is drawn as points.
MOST_POINTS = 20_000
_BINS = 80


def dot_plot(
    summary: pd.DataFrame,
    *,
    scaled: bool = False,
    unit: str = "mean expression",
    palette: Palette = LIGHT,
) -> go.Figure:
    """Groups × genes: a dot's size is the share of expressing cells, its colour the mean.

    Parameters
    ----------
    summary
        As :func:`core.metrics.markers.group_summary` returns it.
    scaled
        Colour by the mean from 0 in a gene's lowest group to 1 in its highest.
    unit
        What a mean is.
    """
    genes = list(dict.fromkeys(summary["gene"]))
    groups = list(dict.fromkeys(summary["group"]))
    x = summary["gene"].map({g: i for i, g in enumerate(genes)}).to_numpy(np.float32)
    y = summary["group"].map({g: i for i, g in enumerate(groups)}).to_numpy(np.float32)
    largest = 20.0
    fig = go.Figure(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            marker={
                "size": np.sqrt(summary["share"].to_numpy()) * largest,
                "color": summary["scaled" if scaled else "mean"].to_numpy(np.float32),
                "colorscale": scale(palette.sequential[1:]),
                "cmin": 0 if scaled else None,
                "cmax": 1 if scaled else None,
                "colorbar": {
                    "title": {
                        "text": "mean, 0–1 by gene" if scaled else label(unit),
                        "side": "right",
                    },
                    "thickness": 12,
                    "len": 0.6,
                    "y": 0,
                    "yanchor": "bottom",
                },
                "line": {"width": 0.6, "color": palette.muted},
            },
            customdata=np.column_stack(
                [
                    labels(summary["group"]),
                    labels(summary["gene"]),
                    [
                        f"{s:.0%} of {n:,} cells"
                        for s, n in zip(summary["share"], summary["n_cells"], strict=True)
                    ],
                    [f"{m:.3g}" for m in summary["mean"]],
                ]
            ),
            hovertemplate=(
                "%{customdata[1]} in %{customdata[0]}<br>mean %{customdata[3]}<br>"
                "expressed in %{customdata[2]}<extra></extra>"
            ),
            showlegend=False,
        )
    )
    for share in (0.25, 0.5, 1.0):
        fig.add_trace(
            go.Scatter(
                x=[None],
                y=[None],
                mode="markers",
                marker={"size": np.sqrt(share) * largest, "color": palette.muted},
                name=f"{share:.0%} expressing",
            )
        )
    style(fig, palette, height=int(max(340, 150 + 26 * len(groups))))
    fig.update_layout(showlegend=True, legend={"y": 1, "yanchor": "top", "itemsizing": "trace"})
    fig.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(genes))),
        ticktext=[shorten(g, 18) for g in genes],
        tickangle=-60,
        range=[-0.7, len(genes) - 0.3],
        zeroline=False,
    )
    fig.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(groups))),
        ticktext=[shorten(g, 26) for g in groups],
        range=[len(groups) - 0.3, -0.7],
        zeroline=False,
    )
    return fig


def cell_heatmap(
    values: np.ndarray,
    genes: list[str],
    groups: pd.Series,
    *,
    unit: str = "expression",
    palette: Palette = LIGHT,
) -> go.Figure:
    """Genes × cells, the cells of a group side by side under a strip of its colour.

    Parameters
    ----------
    values
        ``(n_cells, n_genes)``, cells in the order of their groups.
    groups
        Categorical ``(n_cells,)`` in that order.
    """
    order = list(dict.fromkeys(groups))
    codes = groups.map({g: i for i, g in enumerate(order)}).to_numpy(np.float32)
    colours = palette.colours(order)
    strip: list[list[float | str]] = []
    for i, name in enumerate(order):
        strip += [[i / len(order), colours[name]], [(i + 1) / len(order), colours[name]]]
    high = float(np.percentile(values, 99)) if values.size else 1.0
    fig = make_subplots(rows=2, row_heights=[0.05, 0.95], vertical_spacing=0.01, shared_xaxes=True)
    fig.add_trace(
        go.Heatmap(
            z=codes[None],
            colorscale=strip,
            zmin=-0.5,
            zmax=len(order) - 0.5,
            showscale=False,
            text=[labels(groups)],
            hovertemplate="%{text}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    fig.add_trace(
        go.Heatmap(
            z=values.T.astype(np.float32),
            y=labels(genes),
            zmin=min(0.0, float(values.min())) if values.size else 0,
            zmax=high or 1.0,
            colorscale=scale(palette.sequential),
            colorbar={"title": {"text": label(unit), "side": "right"}, "thickness": 12},
            hovertemplate="%{y}: %{z:.2f}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    style(fig, palette, height=int(max(340, 130 + 17 * len(genes))))
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    middles = (starts + np.r_[starts[1:], len(codes)]) / 2
    fig.update_xaxes(showticklabels=False, showgrid=False)
    fig.update_xaxes(
        showticklabels=True,
        tickmode="array",
        tickvals=middles.tolist(),
        ticktext=[shorten(g, 20) for g in order],
        tickangle=-35,
        row=2,
        col=1,
    )
    fig.update_yaxes(showgrid=False, showticklabels=False, row=1, col=1)
    fig.update_yaxes(showgrid=False, autorange="reversed", type="category", dtick=1, row=2, col=1)
    return fig


def composition_bars(
    table: pd.DataFrame, *, counts: bool = False, palette: Palette = LIGHT
) -> go.Figure:
    """A bar a group, stacked by what its cells are.

    Parameters
    ----------
    table
        As :func:`core.metrics.markers.composition` returns it.
    counts
        Numbers of cells instead of shares.
    """
    parts = list(dict.fromkeys(table["part"]))
    colours = palette.colours(parts)
    fig = go.Figure()
    for part in parts:
        own = table[table["part"] == part]
        fig.add_trace(
            go.Bar(
                y=[shorten(g, 28) for g in own["group"]],
                x=own["n_cells"] if counts else 100 * own["share"],
                name=shorten(part, 30),
                orientation="h",
                marker={
                    "color": colours[part],
                    "line": {"color": palette.background, "width": 0.5},
                },
                customdata=np.column_stack(
                    [labels(own["group"]), own["n_cells"], 100 * own["share"]]
                ),
                hovertemplate=(
                    "%{customdata[0]}: %{customdata[1]:,} cells, %{customdata[2]:.1f} %"
                    "<extra>%{fullData.name}</extra>"
                ),
            )
        )
    style(fig, palette, height=int(max(300, 130 + 30 * table["group"].nunique())))
    fig.update_layout(barmode="stack", bargap=0.2, legend={"traceorder": "normal"}, showlegend=True)
    fig.update_xaxes(title="cells" if counts else "% of the group's cells")
    fig.update_yaxes(autorange="reversed", type="category", showgrid=False)
    return fig


def gene_against_gene(
    x: np.ndarray,
    y: np.ndarray,
    names: tuple[str, str],
    groups: pd.Series | None = None,
    *,
    palette: Palette = LIGHT,
) -> go.Figure:
    """One gene against another: a point a cell, or counts in bins above :data:`MOST_POINTS`.

    Parameters
    ----------
    x, y
        Expression ``(n_cells,)``.
    names
        The two genes.
    groups
        Categorical ``(n_cells,)`` to colour points by.
    """
    fig = go.Figure()
    if len(x) > MOST_POINTS:
        counts, x_edges, y_edges = np.histogram2d(x, y, bins=_BINS)
        z = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).T
        ticks = np.arange(0, np.nanmax(z) + 1)
        fig.add_trace(
            go.Heatmap(
                x=((x_edges[1:] + x_edges[:-1]) / 2).astype(np.float32),
                y=((y_edges[1:] + y_edges[:-1]) / 2).astype(np.float32),
                z=z.astype(np.float32),
                customdata=counts.T.astype(np.int32),
                colorscale=scale(palette.sequential[1:]),
                colorbar={
                    "title": {"text": "cells", "side": "right"},
                    "thickness": 12,
                    "tickvals": ticks,
                    "ticktext": [f"{10**t:,.0f}" for t in ticks],
                },
                hoverongaps=False,
                hovertemplate="about %{x:.2f}, %{y:.2f}: %{customdata:,} cells<extra></extra>",
            )
        )
    else:
        words = pd.Series("cells", index=range(len(x))) if groups is None else groups.astype(str)
        # The largest group below the others; colours and legend in the groups' own order.
        order = words.value_counts().index
        own = [] if groups is None else [str(name) for name in groups.cat.categories]
        places = {name: i for i, name in enumerate(dict.fromkeys([*own, *order]))}
        colours = palette.colours(places)
        for name in order:
            mask = (words == name).to_numpy()
            fig.add_trace(
                go.Scattergl(
                    x=x[mask].astype(np.float32),
                    y=y[mask].astype(np.float32),
                    mode="markers",
                    name=f"{shorten(name, 28)} ({mask.sum():,})",
                    marker={"size": 5, "opacity": 0.6, "color": colours[name]},
                    legendrank=1 + places[name],
                    hovertemplate="%{x:.2f}, %{y:.2f}<extra>%{fullData.name}</extra>",
                )
            )
    style(fig, palette, height=480)
    fig.update_layout(legend={"itemsizing": "constant"}, showlegend=groups is not None)
    fig.update_xaxes(title=label(names[0]))
    fig.update_yaxes(title=label(names[1]))
    return fig
