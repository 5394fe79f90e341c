"""Runs beside one another: scores, errors, ensemble weights and published figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.agreement import equality, span
from core.plots.theme import Palette, label, labels, shorten, style

#: A logarithmic axis whose numbers are written out.
_LOG = {"type": "log", "dtick": "D2", "tickformat": "~g"}


def _legend_below(figure: go.Figure, n: int) -> go.Figure:
    """Put the legend under the axes, with room for ``n`` entries in two columns."""
    figure.update_layout(
        height=int(figure.layout.height) + 14 * n,
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
    )
    return figure


def _interval(frame: pd.DataFrame, value: str, colour: str) -> dict[str, object]:
    """Error bars from columns ``low`` and ``high``; nothing where they are not known."""
    if not {"low", "high"} <= set(frame):
        return {"visible": False}
    centre = frame[value].to_numpy(np.float32)
    return {
        "type": "data",
        "symmetric": False,
        "array": frame["high"].to_numpy(np.float32) - centre,
        "arrayminus": centre - frame["low"].to_numpy(np.float32),
        "color": colour,
        "thickness": 1.2,
        "width": 3,
    }


def grouped_bars(
    frame: pd.DataFrame,
    palette: Palette,
    *,
    value: str = "mrrmse",
    unit: str = "MRRMSE",
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """Bars with intervals: one group a cell type, one colour a run or baseline.

    Parameters
    ----------
    frame
        Columns ``group`` (cell type), ``series`` (run, model or baseline), the ``value`` and,
        where known, ``low`` and ``high`` of its interval and ``n``, the rows it was computed of.
    palette
        Colours of the page.
    value, unit
        The column that is drawn and the name of its axis.
    colours
        Colour of each series; default: the palette's, in order of appearance.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars start at zero.
    """
    shades: Mapping[Any, str] = colours or palette.colours(frame["series"])
    groups = list(dict.fromkeys(frame["group"]))
    figure = go.Figure()
    for series, rows in frame.groupby("series", sort=False, observed=True):
        rows = rows.set_index("group").reindex(groups).reset_index()
        counts = rows["n"].fillna(0).astype(int) if "n" in rows else pd.Series(0, rows.index)
        hover = [
            f"{label(series)}<br>{label(group)}: {number:.4f}{_range(row)}"
            + (f"<br>{n} pairs" if n else "")
            for (_, row), group, number, n in zip(
                rows.iterrows(), rows["group"], rows[value], counts, strict=True
            )
        ]
        figure.add_bar(
            x=labels(rows["group"]),
            y=rows[value].to_numpy(np.float32),
            name=shorten(series, 42),
            marker_color=shades[series],
            error_y=_interval(rows, value, palette.text),
            hovertext=hover,
            hoverinfo="text",
        )
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.04)
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    return style(figure, palette)


def _range(row: pd.Series) -> str:
    low, high = row.get("low"), row.get("high")
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f" (95 %: {low:.4f} – {high:.4f})"


def error_distribution(
    frame: pd.DataFrame,
    palette: Palette,
    *,
    value: str = "rmse",
    unit: str = "row RMSE",
    colours: Mapping[str, str] | None = None,
    dashed: Collection[str] = (),
) -> go.Figure:
    """Share of pairs whose error is at most x, one step curve a series.

    Parameters
    ----------
    frame
        Columns ``series`` and ``value``; one row a pair.
    palette
        Colours of the page.
    value, unit
        The column that is drawn and the name of its axis.
    colours
        Colour of each series; default: the palette's, in order of appearance.
    dashed
        Series that stand back: dashed in turns, so that their greys stay apart.

    Returns
    -------
    plotly.graph_objects.Figure
        Empirical distribution functions on a logarithmic axis; a diamond marks the mean (of row
        RMSE, that is MRRMSE), which lies far right of the median where few rows carry the error.
    """
    shades: Mapping[Any, str] = colours or palette.colours(frame["series"])
    back = [name for name in shades if name in dashed]
    dashes = dict.fromkeys(shades, "solid")
    dashes |= {name: ("dash", "dot", "dashdot", "longdash")[k % 4] for k, name in enumerate(back)}
    figure = go.Figure()
    for series, rows in frame.groupby("series", sort=False, observed=True):
        errors = np.sort(rows[value].to_numpy(np.float32))
        errors = errors[np.isfinite(errors)]
        if not len(errors):
            continue
        share = np.arange(1, len(errors) + 1, dtype=np.float32) / len(errors)
        mean = float(errors.mean())
        figure.add_trace(
            go.Scatter(
                x=errors,
                y=share,
                mode="lines",
                line={"shape": "hv", "color": shades[series], "width": 2, "dash": dashes[series]},
                name=shorten(series, 42),
                legendgroup=str(series),
                hovertemplate=f"{label(series)}<br>%{{y:.0%}} of pairs at most %{{x:.3f}}"
                "<extra></extra>",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=np.asarray([mean], np.float32),
                y=np.asarray([np.searchsorted(errors, mean) / len(errors)], np.float32),
                mode="markers",
                marker={"symbol": "diamond", "size": 9, "color": shades[series]},
                legendgroup=str(series),
                showlegend=False,
                hovertemplate=f"{label(series)}<br>mean %{{x:.4f}}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text=unit, **_LOG)
    figure.update_yaxes(title_text="share of pairs", tickformat=".0%", range=[0, 1.02])
    return _legend_below(style(figure, palette), frame["series"].nunique())


def error_against_strength(
    frame: pd.DataFrame,
    palette: Palette,
    *,
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """Row RMSE against the strength of the observed response, one point a pair.

    Parameters
    ----------
    frame
        Columns ``series``, ``rms`` (root mean square of the observed row, the error of
        predicting zero), ``rmse``, ``cell_type``, ``sm_name``.
    palette
        Colours of the page.
    colours
        Colour of each series.

    Returns
    -------
    plotly.graph_objects.Figure
        Logarithmic axes; below the dashed line a prediction beats predicting zero.
    """
    shades: Mapping[Any, str] = colours or palette.colours(frame["series"])
    figure = go.Figure()
    for series, rows in frame.groupby("series", sort=False, observed=True):
        names = rows["cell_type"].astype(str) + " · " + rows["sm_name"].astype(str)
        figure.add_trace(
            go.Scattergl(
                x=rows["rms"].to_numpy(np.float32),
                y=rows["rmse"].to_numpy(np.float32),
                mode="markers",
                marker={"size": 5, "color": shades[series], "opacity": 0.6},
                name=shorten(series, 42),
                text=labels(names),
                hovertemplate="%{text}<br>strength %{x:.3f}<br>row RMSE %{y:.3f}<extra>"
                f"{shorten(series, 42)}</extra>",
            )
        )
    if len(frame):
        positive = frame.loc[(frame["rms"] > 0) & (frame["rmse"] > 0), ["rms", "rmse"]]
        if len(positive):
            equality(figure, span(positive.to_numpy(np.float32)), palette)
    figure.update_xaxes(title_text="strength of the response (root mean square)", **_LOG)
    figure.update_yaxes(title_text="row RMSE", **_LOG)
    return _legend_below(style(figure, palette), frame["series"].nunique())


def weight_bars(frame: pd.DataFrame, palette: Palette) -> go.Figure:
    """Ensemble weights: one stacked bar a run, one colour a model (``series``, ``model``, ``weight``)."""
    colours = palette.colours(frame["model"])
    figure = go.Figure()
    for model, rows in frame.groupby("model", sort=False, observed=True):
        weights = rows["weight"].to_numpy(np.float32)
        figure.add_bar(
            y=[shorten(series, 42) for series in rows["series"]],
            x=weights,
            orientation="h",
            name=label(model),
            marker_color=colours[model],
            text=[f"{w:.2f}" if abs(w) >= 0.05 else "" for w in weights],
            hovertemplate=f"{label(model)}: %{{x:.3f}}<extra></extra>",
        )
    figure.update_layout(barmode="relative", bargap=0.35)
    figure.update_xaxes(title_text="weight in the ensemble")
    n = frame["series"].nunique()
    return style(figure, palette, height=130 + 48 * max(n, 1))


def published_dots(published: pd.DataFrame, own: pd.DataFrame, palette: Palette) -> go.Figure:
    """Published figures of one benchmark with the user's own, best on top.

    Parameters
    ----------
    published
        Columns ``method``, ``value``, ``note``: figures of exactly one benchmark.
    own
        Columns ``series``, ``value`` and, where known, ``low`` and ``high``, scored on the same
        rows by the same definition; empty where there is none.
    palette
        Colours of the page.

    Returns
    -------
    plotly.graph_objects.Figure
        One row a method.
    """
    rows = [
        (label(m), float(v), True)
        for m, v in zip(published["method"], published["value"], strict=True)
    ]
    rows += [
        (label(s), float(v), False)
        for s, v in zip(own.get("series", []), own.get("value", []), strict=True)
    ]
    order = [name for name, *_ in sorted(rows, key=lambda row: -row[1])]
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=published["value"].to_numpy(np.float32),
            y=labels(published["method"]),
            mode="markers",
            marker={"size": 9, "color": palette.muted},
            name="published",
            text=labels(published["note"].fillna("")),
            hovertemplate="%{y}: %{x:.3f}<br>%{text}<extra>published</extra>",
        )
    )
    if len(own):
        figure.add_trace(
            go.Scatter(
                x=own["value"].to_numpy(np.float32),
                y=labels(own["series"]),
                mode="markers",
                marker={"size": 11, "symbol": "diamond", "color": palette.accent},
                error_x=_interval(own, "value", palette.accent),
                name="your runs",
                hovertemplate="%{y}: %{x:.4f}<extra>your run</extra>",
            )
        )
    figure.update_xaxes(title_text="MRRMSE (lower is better)")
    figure.update_yaxes(categoryorder="array", categoryarray=list(dict.fromkeys(order)))
    return style(figure, palette, height=max(220, 90 + 24 * len(order)))
