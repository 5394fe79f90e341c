"""Violins of one number in groups of cells, drawn from densities that were computed here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.densities import Distribution
from core.plots.theme import LIGHT, Palette, label, shorten, style


def violins(
    left: Distribution,
    title: str,
    *,
    right: Distribution | None = None,
    names: tuple[str, str] = ("", ""),
    palette: Palette = LIGHT,
) -> go.Figure:
    """A violin a group, with quartiles, median (line) and mean (dot).

    Parameters
    ----------
    left
        Whole violins, or left halves where ``right`` is given.
    title
        What a value is.
    right, names
        A second condition in the right halves, and what the two are called.
    """
    groups = list(
        dict.fromkeys([*left.summary["group"], *(right.summary["group"] if right else [])])
    )
    position = {name: i for i, name in enumerate(groups)}
    colours = palette.colours(groups)
    fig = go.Figure()
    sides = [(left, -1 if right else 0, names[0]), *([(right, 1, names[1])] if right else [])]
    for found, side, name in sides:
        single = palette.categorical[0 if side < 0 else 1]
        for group, curve in found.density.groupby("group", sort=False):
            colour = colours[group] if side == 0 else single
            fig.add_trace(_half(curve, position[group], side, colour, shorten(group)))
        fig.add_traces(_quartiles(found.summary, position, side, palette))
        if side:
            fig.add_trace(
                go.Scatter(
                    x=[None],
                    y=[None],
                    mode="markers",
                    marker={"symbol": "square", "size": 11, "color": single},
                    name=label(name),
                )
            )
    style(fig, palette, height=440)
    counts = left.summary.set_index("group")["n_cells"]
    if right is not None:
        counts = counts.add(right.summary.set_index("group")["n_cells"], fill_value=0)
    fig.update_layout(
        showlegend=right is not None,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    fig.update_xaxes(
        tickmode="array",
        tickvals=list(position.values()),
        ticktext=[f"{shorten(g, 22)}<br>n = {int(counts[g]):,}" for g in groups],
        showgrid=False,
        zeroline=False,
        range=[-0.6, len(groups) - 0.4],
    )
    fig.update_yaxes(title=label(title))
    return fig


def _half(curve: pd.DataFrame, at: int, side: int, colour: str, name: str) -> go.Scatter:
    value = curve["value"].to_numpy(np.float32)
    width = 0.42 * curve["density"].to_numpy(np.float32)
    outer = at + (width if side >= 0 else -width)
    inner = at - width if side == 0 else np.full_like(width, at)
    return go.Scatter(
        x=np.concatenate([outer, inner[::-1]]),
        y=np.concatenate([value, value[::-1]]),
        mode="lines",
        fill="toself",
        line={"color": colour, "width": 1.2},
        opacity=0.75,
        name=name,
        hoverinfo="skip",
        showlegend=False,
    )


def _quartiles(
    summary: pd.DataFrame, position: dict[str, int], side: int, palette: Palette
) -> list[go.Scatter]:
    x = summary["group"].map(position).to_numpy(np.float32) + 0.06 * side
    gap = np.full(len(x), np.nan)
    box = np.column_stack([summary["q1"], summary["q3"], gap]).ravel()
    hover = [
        f"{label(r.group)}<br>mean {r.mean_:.3g}, median {r.median:.3g}<br>"
        f"quartiles {r.q1:.3g} to {r.q3:.3g}<br>not 0 in {r.share:.0%} of {r.n_cells:,} cells"
        for r in summary.rename(columns={"mean": "mean_"}).itertuples()
    ]
    return [
        go.Scatter(
            x=np.repeat(x, 3),
            y=box.astype(np.float32),
            mode="lines",
            line={"color": palette.text, "width": 4},
            hoverinfo="skip",
            showlegend=False,
        ),
        go.Scatter(
            x=x,
            y=summary["median"].to_numpy(np.float32),
            mode="markers",
            marker={
                "symbol": "line-ew",
                "size": 14,
                "line": {"color": palette.text, "width": 2},
            },
            hoverinfo="skip",
            showlegend=False,
        ),
        go.Scatter(
            x=x,
            y=summary["mean"].to_numpy(np.float32),
            mode="markers",
            marker={
                "size": 7,
                "color": palette.background,
                "line": {"color": palette.text, "width": 1.5},
            },
            text=hover,
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        ),
    ]
