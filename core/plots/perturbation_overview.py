"""Figures of a whole perturbation table: its design, its genes, its strongest rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.data.table import PRIVATE_TEST, PUBLIC_TEST, SPLITS, TRAIN
from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

SPLIT_LABELS = {TRAIN: "train", PUBLIC_TEST: "public test", PRIVATE_TEST: "private test"}
#: Above so many compounds their names are left to the hover text.
_NAMES_SHOWN = 70
#: Above so many compounds a cell is narrower than the gap between two.
_GAPS_DRAWN = 250


def design_matrix(matrix: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Cell types × compounds, coloured by split, empty where the pair is not in the design.

    Parameters
    ----------
    matrix
        Strings of :data:`core.data.table.SPLITS` or ``""``: rows cell types, columns compounds.
    """
    codes = {split: i for i, split in enumerate(SPLITS)}
    z = np.array(
        [[codes.get(value, np.nan) for value in row] for row in matrix.to_numpy()], dtype=np.float32
    ).reshape(matrix.shape)
    colours = [palette.splits[split] for split in SPLITS]
    steps: list[list[float | str]] = []
    for i, colour in enumerate(colours):
        steps += [[i / 3, colour], [(i + 1) / 3, colour]]
    words = np.array(
        [[SPLIT_LABELS.get(value, "not in the design") for value in row] for row in matrix.values]
    ).reshape(matrix.shape)
    fig = go.Figure(
        go.Heatmap(
            z=z,
            x=labels(matrix.columns),
            y=labels(matrix.index),
            text=words,
            colorscale=steps,
            zmin=-0.5,
            zmax=2.5,
            showscale=False,
            xgap=1 if len(matrix.columns) <= _GAPS_DRAWN else 0,
            ygap=2,
            hoverongaps=False,
            hovertemplate="%{x}<br>%{y}: %{text}<extra></extra>",
        )
    )
    for split in SPLITS:
        if (matrix == split).to_numpy().any():
            fig.add_trace(
                go.Scatter(
                    x=[None],
                    y=[None],
                    mode="markers",
                    name=SPLIT_LABELS[split],
                    marker={"color": palette.splits[split], "symbol": "square", "size": 11},
                )
            )
    style(fig, palette, height=int(150 + 34 * len(matrix)))
    shown = len(matrix.columns) <= _NAMES_SHOWN
    fig.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, showlegend=True
    )
    fig.update_xaxes(
        title=f"{len(matrix.columns)} compounds",
        showticklabels=shown,
        showgrid=False,
        tickangle=-60,
        tickfont={"size": 9},
    )
    fig.update_yaxes(autorange="reversed", showgrid=False, dtick=1)
    return fig


def split_counts(counts: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Number of pairs in each cell type, stacked by split (seed report, figure 5)."""
    fig = go.Figure()
    for split in counts.columns:
        fig.add_trace(
            go.Bar(
                y=labels(counts.index),
                x=counts[split].to_numpy(),
                name=SPLIT_LABELS.get(split, label(split)),
                orientation="h",
                marker={"color": palette.splits.get(split, palette.muted)},
                text=[str(n) if n else "" for n in counts[split]],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                hovertemplate="%{y}: %{x} pairs<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=int(120 + 36 * len(counts)))
    fig.update_layout(
        barmode="stack",
        bargap=0.25,
        showlegend=True,
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
        },
    )
    fig.update_xaxes(title="pairs")
    fig.update_yaxes(autorange="reversed")
    return fig


def top_genes(
    statistics: pd.DataFrame, by: str, title: str, *, n: int = 25, palette: Palette = LIGHT
) -> go.Figure:
    """The ``n`` genes with the highest value of one column, as dots on lines.

    Parameters
    ----------
    statistics
        Index: genes; column ``by``.
    by, title
        The column, and what its axis says.
    """
    top = statistics.nlargest(n, by)
    y = labels(top.index)
    fig = go.Figure()
    lines_x = np.column_stack([np.zeros(len(top)), top[by], np.full(len(top), np.nan)]).ravel()
    lines_y = [gene for gene in y for _ in range(3)]
    fig.add_trace(
        go.Scatter(
            x=lines_x,
            y=lines_y,
            mode="lines",
            line={"color": palette.grid, "width": 2},
            hoverinfo="skip",
        )
    )
    fig.add_trace(
        go.Scatter(
            x=top[by].to_numpy(),
            y=y,
            mode="markers",
            marker={"color": palette.accent, "size": 9},
            hovertemplate="%{y}: %{x:.3g}<extra></extra>",
        )
    )
    style(fig, palette, height=int(90 + 19 * len(top)))
    fig.update_layout(showlegend=False)
    fig.update_xaxes(title=title, rangemode="tozero")
    fig.update_yaxes(autorange="reversed", showgrid=False, dtick=1, type="category")
    return fig


def regulated_genes(
    statistics: pd.DataFrame, threshold: float, *, n: int = 25, palette: Palette = LIGHT
) -> go.Figure:
    """The genes that pass the threshold in most pairs: pairs down to the left, up to the right."""
    top = statistics.nlargest(n, "share_regulated")
    y = labels(top.index)
    fig = go.Figure()
    for column, name, sign, colour in (
        ("n_down", f"≤ −{threshold:g}", -1, palette.down),
        ("n_up", f"≥ {threshold:g}", 1, palette.up),
    ):
        counts = top[column].to_numpy()
        fig.add_trace(
            go.Bar(
                y=y,
                x=sign * counts,
                customdata=counts,
                name=name,
                orientation="h",
                marker={"color": colour},
                hovertemplate="%{y}: %{customdata} pairs<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=int(90 + 19 * len(top)))
    fig.update_layout(
        barmode="relative",
        bargap=0.3,
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0},
    )
    fig.update_xaxes(title="pairs (down to the left, up to the right)", tickformat=",d")
    fig.update_yaxes(autorange="reversed", showgrid=False, dtick=1, type="category")
    return fig


def heatmap(
    frame: pd.DataFrame,
    title: str,
    *,
    limit: float | None = None,
    palette: Palette = LIGHT,
    row_height: int = 19,
) -> go.Figure:
    """A signed heat map: blue below zero, orange above, the page's shade at zero.

    Parameters
    ----------
    frame
        Rows from top to bottom × columns.
    title
        What a value is.
    limit
        Colours end at ± this value; default: the 99th percentile of the absolute values.
    """
    z = frame.to_numpy(dtype=np.float32)
    if limit is None:
        finite = np.abs(z[np.isfinite(z)])
        limit = float(np.percentile(finite, 99)) if finite.size else 1.0
    limit = limit or 1.0
    fig = go.Figure(
        go.Heatmap(
            z=z,
            x=labels(frame.columns),
            y=labels(frame.index),
            zmin=-limit,
            zmax=limit,
            colorscale=scale(palette.diverging),
            colorbar={"title": {"text": label(title), "side": "right"}, "thickness": 12},
            hovertemplate="%{y}<br>%{x}: %{z:.2f}<extra></extra>",
        )
    )
    style(fig, palette, height=int(max(260, 110 + row_height * len(frame))))
    fig.update_xaxes(showgrid=False, type="category", tickangle=-35)
    fig.update_yaxes(autorange="reversed", showgrid=False, type="category")
    if len(frame) * row_height < 1500:
        fig.update_yaxes(dtick=1, tickfont={"size": min(11, row_height - 6)})
    return fig


def row_norms(norms: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Strength of every pair by cell type; beside it, what share of all squares the strongest hold.

    Parameters
    ----------
    norms
        As :func:`core.studies.perturbation.explore.row_norms`, strongest first.
    """
    fig = make_subplots(
        cols=2, column_widths=[0.64, 0.36], horizontal_spacing=0.1, shared_yaxes=False
    )
    cell_types = list(dict.fromkeys(norms["cell_type"].astype(str).sort_values()))
    position = {name: i for i, name in enumerate(cell_types)}
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(norms))
    y = norms["cell_type"].astype(str).map(position).to_numpy() + jitter
    for flag, name, colour, size in (
        (False, "within the usual range", palette.accent, 6),
        (True, "outlier", palette.categorical[1], 9),
    ):
        mask = (norms["outlier"] == flag).to_numpy()
        fig.add_trace(
            go.Scatter(
                x=norms["rms"].to_numpy(dtype=np.float32)[mask],
                y=y[mask].astype(np.float32),
                mode="markers",
                name=name,
                marker={"color": colour, "size": size, "opacity": 0.75},
                text=labels(norms["sm_name"][mask]),
                hovertemplate="%{text}<br>RMS %{x:.2f}<extra></extra>",
            ),
            col=1,
            row=1,
        )
    share = norms["share"].cumsum().to_numpy(dtype=np.float32) * 100
    fig.add_trace(
        go.Scatter(
            x=np.arange(1, len(share) + 1),
            y=share,
            mode="lines",
            line={"color": palette.accent, "width": 2},
            showlegend=False,
            hovertemplate="the %{x} strongest pairs hold %{y:.0f} % of all squares<extra></extra>",
        ),
        col=2,
        row=1,
    )
    style(fig, palette, height=int(max(340, 140 + 48 * len(cell_types))))
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    fig.update_xaxes(title="root mean square over genes (log scale)", type="log", col=1, row=1)
    fig.update_yaxes(
        zeroline=False,
        autorange="reversed",
        tickmode="array",
        tickvals=list(position.values()),
        ticktext=[shorten(name) for name in cell_types],
        col=1,
        row=1,
    )
    fig.update_xaxes(title="pairs, strongest first", rangemode="tozero", col=2, row=1)
    fig.update_yaxes(title="% of the sum of squares", range=[0, 102], col=2, row=1)
    return fig
