"""Predicted against observed responses: one pair gene by gene, or all values as a density."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import Palette, label, labels, scale, style


def span(*arrays: np.ndarray) -> np.ndarray:
    """Smallest and largest finite value of all arrays, float32 ``(2,)``."""
    low = min(float(np.nanmin(a)) for a in arrays)
    high = max(float(np.nanmax(a)) for a in arrays)
    return np.asarray([low, high], np.float32)


def equality(figure: go.Figure, ends: np.ndarray, palette: Palette) -> None:
    """Add the line on which both axes are equal."""
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"color": palette.muted, "dash": "dash", "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def predicted_against_observed(
    observed: np.ndarray,
    predicted: np.ndarray,
    names: pd.Index | np.ndarray,
    palette: Palette,
    *,
    unit: str = "response",
    mark: int = 6,
) -> go.Figure:
    """Predicted against observed response of every gene in one (cell type, compound) pair.

    Parameters
    ----------
    observed, predicted
        float32 ``(n_genes,)``.
    names
        Gene symbols ``(n_genes,)``.
    palette
        Colours of the page.
    unit
        What a value is.
    mark
        How many genes of the largest observed response are named in the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        A WebGL scatter with the line of equality; points carry their gene.
    """
    observed = np.asarray(observed, np.float32)
    predicted = np.asarray(predicted, np.float32)
    names = np.asarray(names, dtype=object)
    strongest = np.argsort(-np.abs(observed))[:mark]
    figure = go.Figure()
    figure.add_trace(
        go.Scattergl(
            x=observed,
            y=predicted,
            mode="markers",
            marker={"size": 4, "color": palette.accent, "opacity": 0.35},
            text=labels(names),
            hovertemplate="%{text}<br>observed %{x:.2f}<br>predicted %{y:.2f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=observed[strongest],
            y=predicted[strongest],
            mode="markers+text",
            marker={"size": 6, "color": palette.categorical[1]},
            text=labels(names[strongest]),
            textposition="top center",
            textfont={"size": 10},
            hovertemplate="%{text}<br>observed %{x:.2f}<br>predicted %{y:.2f}<extra></extra>",
            showlegend=False,
        )
    )
    equality(figure, span(observed, predicted), palette)
    figure.update_xaxes(title_text=f"observed {label(unit)}", range=_room(observed))
    figure.update_yaxes(title_text=f"predicted {label(unit)}", range=_room(predicted))
    return style(figure, palette)


def _room(values: np.ndarray) -> list[float]:
    """Range of an axis: all values, with room for the names of the outermost."""
    low, high = (float(end) for end in span(values))
    margin = 0.1 * max(high - low, 1e-6)
    return [low - margin, high + margin]


def density(
    observed: np.ndarray, predicted: np.ndarray, *, bins: int = 120, coverage: float = 0.9999
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two-dimensional histogram of predicted against observed values of many rows.

    Parameters
    ----------
    observed, predicted
        float ``(n_rows, n_genes)``, possibly memory maps; read in blocks of rows.
    bins
        Bins an axis.
    coverage
        The axes span this share of each array's values (a few extreme values would else leave
        all others in one bin); what lies beyond is counted in the outermost bins.

    Returns
    -------
    counts : numpy.ndarray
        int64 ``(bins, bins)``, ``counts[i, j]``: predicted bin ``i``, observed bin ``j``. Their
        sum is the number of values.
    observed_edges, predicted_edges : numpy.ndarray
        float64 ``(bins + 1,)`` each.
    """
    if observed.shape != predicted.shape:
        raise ValueError(f"shapes differ: {observed.shape} and {predicted.shape}")
    edges = [_edges(array, bins, coverage) for array in (observed, predicted)]
    counts = np.zeros(bins * bins, dtype=np.int64)
    for start in range(0, len(observed), 64):
        codes = [
            np.clip(
                ((np.asarray(array[start : start + 64], np.float64) - e[0]) / (e[1] - e[0])),
                0,
                bins - 1,
            ).astype(np.int64)
            for array, e in zip((observed, predicted), edges, strict=True)
        ]
        counts += np.bincount((codes[1] * bins + codes[0]).ravel(), minlength=bins * bins)
    return counts.reshape(bins, bins), edges[0], edges[1]


def _edges(array: np.ndarray, bins: int, coverage: float) -> np.ndarray:
    stride = max(1, array.size // 2_000_000)  # quantiles of an even sample are near enough
    sample = np.asarray(array).reshape(-1)[::stride]
    tail = (1.0 - coverage) / 2.0
    low, high = np.quantile(sample, [tail, 1.0 - tail])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(float(low), float(high), bins + 1)


def density_map(
    counts: np.ndarray,
    observed_edges: np.ndarray,
    predicted_edges: np.ndarray,
    palette: Palette,
    *,
    unit: str = "response",
) -> go.Figure:
    """Draw what :func:`density` counted, on a logarithmic colour scale."""
    shade = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).astype(np.float32)
    top = int(np.ceil(np.nanmax(shade))) if np.isfinite(shade).any() else 1
    ticks = np.arange(0, max(top, 1) + 1)
    figure = go.Figure(
        go.Heatmap(
            x=_centres(observed_edges),
            y=_centres(predicted_edges),
            z=shade,
            customdata=counts.astype(np.int32),
            colorscale=scale(palette.sequential[1:]),
            zmin=0,
            zmax=max(top, 1),
            colorbar={
                "title": {"text": "values"},
                "tickvals": ticks,
                "ticktext": [f"{10 ** int(t):,}" for t in ticks],
                "thickness": 12,
            },
            hovertemplate="observed %{x:.2f}<br>predicted %{y:.2f}<br>%{customdata:,} values"
            "<extra></extra>",
        )
    )
    low = max(observed_edges[0], predicted_edges[0])
    high = min(observed_edges[-1], predicted_edges[-1])
    if high > low:
        equality(figure, np.asarray([low, high], np.float32), palette)
    figure.update_xaxes(title_text=f"observed {label(unit)}")
    figure.update_yaxes(title_text=f"predicted {label(unit)}")
    return style(figure, palette)


def _centres(edges: np.ndarray) -> np.ndarray:
    return ((edges[:-1] + edges[1:]) / 2).astype(np.float32)
