"""Figures of energy distances between groups of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: Groups up to which the values stand in the cells.
_VALUES_SHOWN = 14


def _short(value: float) -> str:
    """Three digits, without powers of ten."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def energy_heatmap(
    distance: pd.DataFrame,
    p_adjusted: pd.DataFrame,
    *,
    alpha: float = 0.05,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Energy distances between all pairs of groups; a star where the groups differ.

    Parameters
    ----------
    distance, p_adjusted
        Groups × groups, as :class:`core.metrics.energy_groups.EnergyMatrix` has them.
    alpha
        Adjusted p up to which a pair has a star.
    """
    values = distance.to_numpy(np.float64)
    p = p_adjusted.to_numpy(np.float64)
    off = ~np.eye(len(values), dtype=bool)
    stars = np.where(off & (p <= alpha), " *", "")
    shown = [
        [
            f"{_short(value)}{star}" if i != j else ""
            for j, (value, star) in enumerate(zip(*row, strict=True))
        ]
        for i, row in enumerate(zip(values, stars, strict=True))
    ]
    words = [["" if np.isnan(q) else f"adjusted p {q:.2g}" for q in row] for row in p]
    drawn = np.where(off, values, np.nan)
    names = [shorten(name, 24) for name in distance.index]
    few = len(values) <= _VALUES_SHOWN
    fig = go.Figure(
        go.Heatmap(
            z=drawn.astype(np.float32),
            x=list(range(len(names))),
            y=list(range(len(names))),
            text=shown,
            texttemplate="%{text}" if few else None,
            customdata=np.dstack(
                [
                    np.array(words, dtype=object),
                    np.tile(np.array(labels(distance.index), dtype=object)[:, None], len(names)),
                    np.tile(np.array(labels(distance.index), dtype=object)[None], (len(names), 1)),
                ]
            ),
            colorscale=scale(palette.sequential),
            colorbar={"title": {"text": "energy distance", "side": "right"}, "thickness": 12},
            hoverongaps=False,
            hovertemplate="%{customdata[1]}<br>%{customdata[2]}<br>%{z:,.4r}, %{customdata[0]}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    style(fig, palette, height=int(max(340, 140 + 30 * len(names))))
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": names}
    fig.update_xaxes(showgrid=False, zeroline=False, tickangle=-35, **ticks)
    fig.update_yaxes(showgrid=False, zeroline=False, autorange="reversed", **ticks)
    return fig


def energy_bars(
    table: pd.DataFrame,
    *,
    column: str = "energy_distance",
    alpha: float = 0.05,
    palette: Palette = LIGHT,
) -> go.Figure:
    """One bar a cell type: how far two conditions are apart in it.

    Parameters
    ----------
    table
        As :func:`core.metrics.energy_groups.energy_by_type` returns it; types that were not
        tested have no bar.
    column
        ``"energy_distance"``, ``"unbiased"`` or ``"relative"``.
    """
    tested = table[table["pvals"].notna()]
    differ = (tested["pvals_adj"] <= alpha).to_numpy()
    values = tested[column].to_numpy(np.float64)
    text = [
        f"{_short(value)}  (adjusted p {p:.2g}, {n} cells each)"
        for value, p, n in zip(values, tested["pvals_adj"], tested["n_used"], strict=True)
    ]
    fig = go.Figure(
        go.Bar(
            x=values.astype(np.float32),
            y=[shorten(name, 30) for name in tested["cell_type"]],
            orientation="h",
            marker={"color": np.where(differ, palette.accent, palette.muted).tolist()},
            text=text,
            textposition="outside",
            cliponaxis=False,
            customdata=labels(tested["cell_type"]),
            hovertemplate="%{customdata}: %{text}<extra></extra>",
        )
    )
    style(fig, palette, height=int(110 + 38 * max(len(tested), 2)))
    titles = {
        "energy_distance": "energy distance",
        "unbiased": "energy distance without self-distances",
        "relative": "share of the reference's own spread",
    }
    largest = float(values.max()) if len(values) else 1.0
    fig.update_xaxes(
        title=label(titles.get(column, column)),
        range=[min(0.0, 1.1 * values.min()) if len(values) else 0, 1.75 * max(largest, 1e-9)],
    )
    fig.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return fig


def shuffled_histogram(
    shuffled: np.ndarray, observed: float, *, palette: Palette = LIGHT
) -> go.Figure:
    """Energy distances under shuffled labels, with the line of the labels as they are."""
    counts, edges = np.histogram(shuffled, bins=40)
    fig = go.Figure(
        go.Bar(
            x=((edges[1:] + edges[:-1]) / 2).astype(np.float32),
            y=counts,
            width=float(edges[1] - edges[0]),
            marker={"color": palette.muted},
            name="shuffled labels",
            hovertemplate="about %{x:.3g}: %{y} shuffles<extra></extra>",
        )
    )
    fig.add_vline(x=observed, line={"color": palette.categorical[1], "width": 2})
    fig.add_annotation(
        x=observed,
        y=1,
        yref="paper",
        text="as measured",
        showarrow=False,
        xanchor="right",
        xshift=-6,
    )
    style(fig, palette, height=260)
    fig.update_layout(showlegend=False, bargap=0)
    fig.update_xaxes(title="energy distance")
    fig.update_yaxes(title="shuffles")
    return fig
