"""Figures of in-silico knock-outs: who answers, at which rank, in which mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: The zoom of the question that this page answers: cosines from here to 1.
ZOOM = 0.975
#: Smallest distance that is drawn on a logarithmic axis.
FLOOR = 1e-12


def cosine_by_rank(
    responses: Mapping[str, np.ndarray],
    genes: Sequence[str] | np.ndarray,
    knocked: Sequence[int],
    *,
    zoom: bool | float = False,
    distance: bool = False,
    highlight: Sequence[str] = (),
    palette: Palette = LIGHT,
) -> go.Figure:
    """Cosine of each gene before and after against its rank, one panel a mode on the same axes.

    Parameters
    ----------
    responses
        Mode → cosine distance ``1 − cos`` by rank, ``(l,)``; NaN is not drawn.
    genes
        Symbol of each rank, ``(l,)``.
    knocked
        Knocked ranks, marked.
    zoom
        True for cosines from 0.975, or from a number.
    distance
        Draw ``1 − cos`` on a logarithmic axis instead: shows what a cosine near 1 hides.
    highlight
        Genes to be marked and named, such as known partners.
    """
    columns = len(responses) if len(responses) <= 5 else 4
    rows = -(-len(responses) // columns)
    fig = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=[label(name) for name in responses],
        horizontal_spacing=0.02,
        vertical_spacing=0.2,
    )
    names = np.asarray(labels(genes))
    wanted = np.isin(np.asarray(genes, dtype=str), list(highlight))
    shades = palette.colours(responses)
    # in this order two panels of zoom share one shape of numbers
    for at, (name, shift) in enumerate(responses.items()):
        row, col = at // columns + 1, at % columns + 1
        there = np.isfinite(shift)
        y = np.maximum(shift, FLOOR) if distance else 1.0 - shift
        for some, marked in ((there & ~wanted, False), (there & wanted, True)):
            if not some.any():
                continue
            fig.add_trace(
                go.Scattergl(
                    x=np.flatnonzero(some).astype(np.float32),
                    y=y[some],
                    text=names[some],
                    customdata=shift[some],
                    mode="markers+text" if marked else "markers",
                    textposition="top center",
                    texttemplate="%{text}" if marked else None,
                    marker={
                        "size": 9 if marked else 4,
                        "color": palette.text if marked else shades[name],
                        "symbol": "diamond" if marked else "circle",
                        "opacity": 1.0 if marked else 0.65,
                    },
                    name=label(name),
                    showlegend=False,
                    hovertemplate="%{text}, rank %{x:d}<br>1 − cosine %{customdata:.3g}"
                    "<extra></extra>",
                ),
                row=row,
                col=col,
            )
        for rank in knocked:
            fig.add_vline(
                x=rank,
                line={"color": palette.text, "width": 1, "dash": "dash"},
                row=row,
                col=col,
            )
    style(fig, palette, height=80 + 270 * rows)
    fig.update_xaxes(nticks=4)
    if distance:
        fig.update_yaxes(type="log", exponentformat="power", dtick=2)
    elif zoom:
        low = ZOOM if zoom is True else float(zoom)
        fig.update_yaxes(range=[low, 1 + 0.03 * (1 - low)])
    title = "1 − cosine" if distance else "cosine before and after"
    for row in range(1, rows + 1):
        fig.update_yaxes(title=title, row=row, col=1)
    last = (len(responses) - 1) // columns
    for col in range(1, columns + 1):
        below = last + 1 if (last * columns + col) <= len(responses) else last
        fig.update_xaxes(title="rank of the gene", showticklabels=True, row=below, col=col)
    return fig


def scan_heat(
    ranks: np.ndarray, shift: np.ndarray, *, bins: int = 400, palette: Palette = LIGHT
) -> go.Figure:
    """Knocked rank × affected rank, coloured by the logarithm of the response.

    Parameters
    ----------
    ranks
        Knocked ranks, ascending, ``(n,)``.
    shift
        Responses ``(n, l)``.
    bins
        Most columns that are drawn; wider cells are the median of neighbouring ranks.
    """
    length = shift.shape[1]
    edges = np.unique(np.linspace(0, length, min(bins, length) + 1).astype(int))
    values = np.maximum(shift, FLOOR)
    drawn = np.full((len(ranks), len(edges) - 1), np.nan)
    for i, (low, high) in enumerate(pairwise(edges)):
        part = values[:, low:high]
        some = np.isfinite(part).any(axis=1)
        drawn[some, i] = np.nanmedian(part[some], axis=1)
    logs = np.log10(drawn).astype(np.float32)
    low, high = np.nanpercentile(logs, [1, 99]) if np.isfinite(logs).any() else (-8, 0)
    ticks = np.arange(np.floor(low), np.ceil(high) + 1, max(1, round((high - low) / 5)))
    centre = (edges[:-1] + edges[1:] - 1) / 2
    fig = go.Figure(
        go.Heatmap(
            x=centre.astype(np.float32),
            y=ranks.astype(np.float32),
            z=logs,
            zmin=low,
            zmax=high,
            colorscale=scale(palette.sequential),
            colorbar={
                "title": {"text": "1 − cosine", "side": "right"},
                "tickvals": ticks,
                "ticktext": [f"10<sup>{int(t)}</sup>" for t in ticks],
                "thickness": 12,
            },
            hovertemplate="knocked rank %{y:d}, affected rank %{x:.0f}<br>"
            "log10(1 − cosine) %{z:.2f}<extra></extra>",
        )
    )
    fig.add_trace(
        go.Scatter(
            x=ranks,
            y=ranks,
            mode="lines",
            line={"color": palette.text, "width": 1, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    style(fig, palette, height=430)
    fig.update_xaxes(title="rank of the affected gene", range=[0, length - 1])
    fig.update_yaxes(title="rank of the knocked gene", autorange="reversed")
    return fig


def cell_shift_by_rank(
    table: pd.DataFrame, *, column: str = "cell_shift_others", palette: Palette = LIGHT
) -> go.Figure:
    """Shift of the mean-pooled cell against the knocked rank, a colour a mode.

    Parameters
    ----------
    table
        ``mode, rank, gene, cell`` and ``column``.
    """
    fig = go.Figure()
    for mode, colour in palette.colours(table["mode"]).items():
        part = table[(table["mode"] == mode) & (table["rank"] >= 0)]
        fig.add_trace(
            go.Scattergl(
                x=part["rank"].to_numpy(dtype=np.float32),
                y=np.maximum(part[column].to_numpy(), FLOOR),
                mode="markers",
                name=label(mode),
                text=labels(part["gene"]),
                customdata=labels(part["cell"]),
                marker={"size": 6, "color": colour, "opacity": 0.75},
                hovertemplate="%{text}, rank %{x:d}, %{customdata}<br>%{y:.3g}"
                f"<extra>{label(mode)}</extra>",
            )
        )
    style(fig, palette, height=400)
    fig.update_xaxes(title="rank of the knocked gene")
    fig.update_yaxes(title="1 − cosine of the cell", type="log", exponentformat="power", dtick=1)
    fig.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0})
    return fig


def mode_matrix(matrix: pd.DataFrame, title: str, *, palette: Palette = LIGHT) -> go.Figure:
    """Agreement between modes, −1 to 1 or 0 to 1, with the numbers written in."""
    values = matrix.to_numpy(dtype=float)
    negative = bool((values < 0).any()) or title.lower().startswith("spearman")
    words = np.where(np.isfinite(values), np.char.mod("%.2f", np.nan_to_num(values)), "")
    fig = go.Figure(
        go.Heatmap(
            z=values,
            x=labels(matrix.columns),
            y=labels(matrix.index),
            zmin=-1 if negative else 0,
            zmax=1,
            colorscale=scale(palette.diverging if negative else palette.sequential),
            text=words,
            texttemplate="%{text}",
            showscale=False,
            hovertemplate="%{y} · %{x}: %{z:.3f}<extra></extra>",
        )
    )
    style(fig, palette, height=120 + 42 * len(matrix))
    fig.update_layout(title={"text": label(title), "font": {"size": 14}}, margin={"t": 44})
    fig.update_yaxes(autorange="reversed")
    return fig


def intervals(
    table: pd.DataFrame, measure: str, title: str, *, palette: Palette = LIGHT
) -> go.Figure:
    """Median over cells with its interval, by knock-out, a colour a mode.

    Parameters
    ----------
    table
        ``mode, target, n``, ``measure``, ``<measure>_low`` and ``<measure>_high``.
    """
    shown = table[table[measure].notna()]
    targets = list(dict.fromkeys(shown.sort_values("rank", kind="stable")["target"]))
    modes = list(dict.fromkeys(shown["mode"]))
    shades = palette.colours(modes)
    fig = go.Figure()
    for at, mode in enumerate(modes):
        part = (
            shown[shown["mode"] == mode]
            .set_index("target")
            .reindex(targets)
            .dropna(subset=[measure])
        )
        middle = part[measure].to_numpy()
        offset = 0.5 * ((at + 0.5) / len(modes) - 0.5)
        place = np.array([targets.index(t) for t in part.index], dtype=float) + offset
        fig.add_trace(
            go.Scatter(
                x=place,
                y=middle,
                mode="markers",
                name=label(mode),
                marker={"size": 8, "color": shades[mode]},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": np.nan_to_num(part[f"{measure}_high"].to_numpy() - middle),
                    "arrayminus": np.nan_to_num(middle - part[f"{measure}_low"].to_numpy()),
                    "thickness": 1.2,
                    "width": 2,
                },
                text=[f"{label(t)}, {n} cells" for t, n in zip(part.index, part["n"], strict=True)],
                hovertemplate="%{text}: %{y:.3g}<extra>" + label(mode) + "</extra>",
            )
        )
    style(fig, palette, height=400)
    fig.update_xaxes(tickvals=list(range(len(targets))), ticktext=[shorten(t, 24) for t in targets])
    fig.update_yaxes(title=label(title))
    if measure in ("auc", "auc_near"):
        fig.add_hline(y=0.5, line={"color": palette.muted, "width": 1, "dash": "dash"})
    fig.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0})
    return fig


def null_comparison(tests: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """P-values of a goal-state shift against rank, by the matched and by the pooled null.

    Parameters
    ----------
    tests
        ``gene, rank, p_matched, p_pooled``.
    """
    fig = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        subplot_titles=["rank-matched null", "pooled null: the rank leaks in"],
        horizontal_spacing=0.03,
    )
    for col, (column, colour) in enumerate(
        (("p_matched", palette.categorical[0]), ("p_pooled", palette.categorical[1])), start=1
    ):
        fig.add_trace(
            go.Scattergl(
                x=tests["rank"].to_numpy(dtype=np.float32),
                y=tests[column].to_numpy(),
                mode="markers",
                text=labels(tests["gene"]),
                marker={"size": 6, "color": colour, "opacity": 0.8},
                hovertemplate="%{text}, rank %{x:.0f}: p %{y:.3g}<extra></extra>",
                showlegend=False,
            ),
            row=1,
            col=col,
        )
    style(fig, palette, height=340)
    fig.update_xaxes(title="rank of the knocked gene")
    fig.update_yaxes(title="p-value", range=[-0.03, 1.03], row=1, col=1)
    return fig


def responder_bars(table: pd.DataFrame, *, n: int = 20, palette: Palette = LIGHT) -> go.Figure:
    """The genes that answer most, their percentile among genes of their rank as colour.

    Parameters
    ----------
    table
        ``gene, rank, shift, percentile_in_rank``, largest first.
    """
    top = table.head(n).iloc[::-1]
    fig = go.Figure(
        go.Bar(
            x=top["shift"].to_numpy(),
            y=labels(top["gene"]),
            orientation="h",
            customdata=top[["rank", "percentile_in_rank"]].to_numpy(),
            marker={
                "color": top["percentile_in_rank"].to_numpy(),
                "cmin": 0,
                "cmax": 1,
                "colorscale": scale(palette.sequential),
                "colorbar": {
                    "title": {"text": "percentile in its ranks", "side": "right"},
                    "thickness": 12,
                },
                "line": {"color": palette.muted, "width": 0.5},
            },
            hovertemplate="%{y}, rank %{customdata[0]:.0f}: %{x:.3g}<br>above "
            "%{customdata[1]:.0%} of genes of its rank<extra></extra>",
        )
    )
    style(fig, palette, height=max(260, 70 + 19 * len(top)))
    fig.update_xaxes(title="1 − cosine", exponentformat="power")
    return fig


def enrichment_points(table: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Gene sets of the responders: rank-matched p-value against the usual one.

    Parameters
    ----------
    table
        ``term, overlap, p_value, p_matched``.
    """
    shown = table[table["overlap"] > 0]
    x, y = (-np.log10(np.clip(shown[c].to_numpy(), 1e-300, 1)) for c in ("p_value", "p_matched"))
    fig = go.Figure(
        go.Scattergl(
            x=x,
            y=y,
            mode="markers",
            text=[shorten(t, 60) for t in shown["term"]],
            customdata=shown["overlap"].to_numpy(),
            marker={
                "size": np.clip(4 + shown["overlap"].to_numpy(), 5, 20),
                "color": palette.accent,
                "opacity": 0.55,
            },
            hovertemplate="%{text}<br>%{customdata} genes<extra></extra>",
            showlegend=False,
        )
    )
    reach = float(max(x.max(initial=1), y.max(initial=1)))
    fig.add_trace(
        go.Scatter(
            x=[0, reach],
            y=[0, reach],
            mode="lines",
            line={"color": palette.muted, "dash": "dash", "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    style(fig, palette, height=360)
    fig.update_xaxes(title="−log<sub>10</sub> p, all genes equally likely")
    fig.update_yaxes(title="−log<sub>10</sub> p, rank-matched")
    return fig
