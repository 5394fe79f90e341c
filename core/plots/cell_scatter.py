"""Cells in the plane of an embedding: one panel or two with linked axes and one colour scale.

Up to :data:`MOST_POINTS` visible cells are WebGL points with hover; more become an image of each
pixel's mean, count or most frequent group (:mod:`core.plots.cell_raster`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots import cell_raster as raster
from core.plots.cell_raster import Window
from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: Cells in sight up to which each is drawn as a point.
MOST_POINTS = 20_000
#: Cells up to which hovering names them: names are most of what would be sent.
MOST_NAMED = 8_000
#: Groups that get a colour of their own; the rest are drawn grey.
MOST_COLOURS = 40
#: Share of positive values above which the colour no longer changes.
CLIP = 0.99
HEIGHT = 500


def written(value: float) -> str:
    """Three digits, or a whole number with separators: 0.573, 1,440."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


@dataclass(frozen=True)
class Colour:
    """What cells are coloured by: numbers, groups or nothing.

    Attributes
    ----------
    name, unit
        Title of the colour bar or legend.
    values
        ``(n_cells,)`` float32, or None.
    groups
        ``(n_cells,)`` categorical, or None.
    """

    name: str = ""
    unit: str = ""
    values: np.ndarray | None = None
    groups: pd.Series | None = None
    signed: bool = False

    @property
    def title(self) -> str:
        """Name with unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Panel:
    """Cells that are drawn together: their positions among all cells, and a title."""

    title: str
    rows: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """A figure and how to find cells in it.

    Attributes
    ----------
    traces
        Rows of each trace, so that a clicked point can be named; empty for an image.
    points
        Whether cells are drawn one by one.
    """

    figure: go.Figure
    traces: tuple[np.ndarray, ...]
    points: bool
    window: Window
    visible: int


def colour_range(colour: Colour, rows: np.ndarray, *, clip: bool = True) -> tuple[float, float]:
    """Lowest and highest value of the colour scale over all panels together.

    Values from 0 start at 0 and end at their 99th percentile among positive cells (``clip``);
    signed values are symmetric about 0.
    """
    assert colour.values is not None
    values = colour.values[rows]
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    if colour.signed:
        top = float(np.quantile(np.abs(values), CLIP if clip else 1.0))
        return (-top, top) if top > 0 else (-1.0, 1.0)
    low = float(values.min())
    if low >= 0:
        above = values[values > 0]
        top = float(np.quantile(above, CLIP if clip else 1.0)) if len(above) else 1.0
        # A quality value far from 0 keeps its own lower end; expression starts where it is absent.
        start = 0.0 if low < 0.3 * top else low
        return start, max(top, start + 1e-6)
    top = float(np.quantile(values, CLIP if clip else 1.0))
    return low, max(top, low + 1e-6)


def draw(
    coordinates: np.ndarray,
    panels: Sequence[Panel],
    colour: Colour,
    *,
    names: Sequence[str] | pd.Index | None = None,
    axes: tuple[str, str] = ("1", "2"),
    window: Window | None = None,
    aggregate: str = "mean",
    clip: bool = True,
    size: float | None = None,
    revision: str = "",
    palette: Palette = LIGHT,
    height: int = HEIGHT,
) -> Drawn:
    """Draw one or two panels.

    Parameters
    ----------
    coordinates
        ``(n_cells, 2)`` float32.
    panels
        One, or two that are compared.
    names
        ``(n_cells,)`` names for hovering.
    window
        Part of the plane in sight; None shows all cells.
    aggregate
        ``"mean"`` or ``"count"``: what a pixel shows where there are too many cells for points.
    size
        Diameter of a point in pixels; by default from the number of cells.
    revision
        While it stays the same, the browser keeps the reader's zoom.
    """
    every = np.concatenate([panel.rows for panel in panels]) if panels else np.arange(0)
    whole = raster.window_of(coordinates[every] if len(every) else coordinates)
    seen = window or whole
    inside = [panel.rows[seen.inside(coordinates[panel.rows])] for panel in panels]
    visible = sum(map(len, inside))
    points = visible <= MOST_POINTS
    fig = make_subplots(
        cols=len(panels),
        horizontal_spacing=0.03,
        subplot_titles=[label(panel.title) for panel in panels] if len(panels) > 1 else None,
    )
    if points:
        # All cells where they are few, so that the reader can zoom out without the server.
        rows = [p.rows for p in panels] if len(every) <= MOST_POINTS else inside
        traces = _points(fig, coordinates, rows, every, colour, names, clip, size, palette)
    else:
        traces = []
        _images(fig, coordinates, inside, every, colour, aggregate, clip, seen, palette)
    style(fig, palette, height=height)
    _axes(fig, axes, seen, len(panels), palette)
    fig.update_annotations(yshift=6, font={"size": 14})
    fig.update_layout(
        dragmode="lasso",
        hovermode="closest",
        uirevision=revision or None,
        newselection={"mode": "immediate"},
        legend={"y": 1, "yanchor": "top", "itemsizing": "constant", "font": {"size": 12}},
        margin={"l": 8, "r": 8, "pad": 0, "t": 40 if len(panels) > 1 else 16, "b": 8},
    )
    return Drawn(fig, tuple(traces), points, seen, visible)


def _axes(fig: go.Figure, axes: tuple[str, str], window: Window, n: int, palette: Palette) -> None:
    quiet: dict[str, object] = {
        "showgrid": False,
        "zeroline": False,
        "showticklabels": False,
        "showline": True,
    }
    quiet |= {"linecolor": palette.grid}
    fig.update_xaxes(title=label(axes[0]), range=list(window.x_range), mirror=True, **quiet)
    fig.update_yaxes(range=list(window.y_range), mirror=True, **quiet)
    fig.update_yaxes(title=label(axes[1]), col=1)
    if n > 1:
        fig.update_xaxes(matches="x")
        fig.update_yaxes(matches="y")


def _marker_size(n: int) -> float:
    return 6.0 if n <= 3_000 else 4.5 if n <= 8_000 else 3.0


def _points(
    fig: go.Figure,
    coordinates: np.ndarray,
    rows: list[np.ndarray],
    every: np.ndarray,
    colour: Colour,
    names: Sequence[str] | pd.Index | None,
    clip: bool,
    size: float | None,
    palette: Palette,
) -> list[np.ndarray]:
    named = names is not None and sum(map(len, rows)) <= MOST_NAMED
    size = size or _marker_size(sum(map(len, rows)))
    traces: list[np.ndarray] = []

    def add(part: np.ndarray, panel: int, hover: str, marker: dict, **more: object) -> None:
        text = np.array(labels(np.asarray(names)[part]), dtype=object) if named else None
        traces.append(part)
        fig.add_trace(
            go.Scattergl(
                x=coordinates[part, 0],
                y=coordinates[part, 1],
                mode="markers",
                text=text,
                marker={"size": size, "line": {"width": 0}, **marker},
                # The page draws outlines of what is selected itself, in both panels.
                selected={"marker": {"opacity": marker.get("opacity", 1)}},
                unselected={"marker": {"opacity": marker.get("opacity", 1)}},
                hovertemplate=("%{text}<br>" if named else "") + hover,
                **more,
            ),
            row=1,
            col=panel + 1,
        )

    if colour.values is not None:
        low, high = colour_range(colour, every, clip=clip)
        drawn = replace(colour, values=colour.values[every])
        fig.update_layout(coloraxis=_colour_axis(drawn, low, high, palette))
        for panel, part in enumerate(rows):
            order = np.argsort(np.abs(colour.values[part]), kind="stable")
            part = part[order]
            add(
                part,
                panel,
                f"{shorten(colour.name)} %{{marker.color:.3g}}<extra></extra>",
                {"color": colour.values[part], "coloraxis": "coloraxis"},
                showlegend=False,
            )
    elif colour.groups is not None:
        places = {str(name): i for i, name in enumerate(colour.groups.cat.categories)}
        for panel, part in enumerate(rows):
            for name, shade, members in _grouped(colour.groups, part, every, palette):
                shown = panel == 0 or not any(t.legendgroup == name for t in fig.data)
                add(
                    members,
                    panel,
                    "<extra>%{fullData.name}</extra>",
                    {"color": shade, "opacity": 0.9},
                    name=shorten(name, 30),
                    legendgroup=name,
                    legendrank=1 + places[name],
                    showlegend=shown,
                )
    else:
        for panel, part in enumerate(rows):
            add(part, panel, "<extra></extra>", {"color": palette.accent}, showlegend=False)
    return traces


def _grouped(
    groups: pd.Series, part: np.ndarray, every: np.ndarray, palette: Palette
) -> list[tuple[str, str, np.ndarray]]:
    """Name, colour and rows of each group in ``part``, largest group of ``every`` first."""
    codes = groups.cat.codes.to_numpy()
    categories = list(groups.cat.categories)
    shades = group_colours(groups, palette)
    sizes = np.bincount(codes[every][codes[every] >= 0], minlength=len(categories))
    order = np.argsort(-sizes, kind="stable")
    found = []
    for code in order:
        members = part[codes[part] == code]
        if len(members):
            found.append((str(categories[code]), shades[code], members))
    return found


def group_colours(groups: pd.Series, palette: Palette) -> list[str]:
    """A colour for each category; beyond :data:`MOST_COLOURS` groups the small ones are grey."""
    n = len(groups.cat.categories)
    shades = raster.group_colours(n, palette)
    if n > MOST_COLOURS:
        sizes = np.bincount(groups.cat.codes.to_numpy().clip(0), minlength=n)
        for code in np.argsort(-sizes, kind="stable")[MOST_COLOURS:]:
            shades[code] = palette.muted
    return shades


def _scale(colour: Colour, palette: Palette) -> tuple[str, ...]:
    return palette.diverging if colour.signed else palette.sequential[1:]


def _colour_axis(colour: Colour, low: float, high: float, palette: Palette) -> dict:
    words = shorten(colour.name, 20) + (f"<br>{label(colour.unit)}" if colour.unit else "")
    assert colour.values is not None
    if np.nanmax(colour.values, initial=-np.inf) > high:
        words += f"<br>(top: {written(high)} or more)"
    return {
        "colorscale": scale(_scale(colour, palette)),
        "cmin": low,
        "cmax": high,
        "colorbar": {"title": {"text": words, "side": "top"}, "thickness": 12, "len": 0.92},
    }


def _images(
    fig: go.Figure,
    coordinates: np.ndarray,
    rows: list[np.ndarray],
    every: np.ndarray,
    colour: Colour,
    aggregate: str,
    clip: bool,
    window: Window,
    palette: Palette,
) -> None:
    width = raster.SIZE[0] if len(rows) == 1 else raster.SIZE[0] * 11 // 20
    size = (width, raster.SIZE[1])
    parts = [coordinates[part] for part in rows]
    spread = raster.spread_for(max(map(len, rows)), size)
    pictures: list[bytes]
    bar: dict | None = None
    if aggregate == "count" or (colour.values is None and colour.groups is None):
        counts = [np.asarray(raster.count_cells(p, window, size=size), float) for p in parts]
        shown = [np.where(c > 0, np.log10(np.maximum(c, 1)), np.nan) for c in counts]
        top = max(float(np.nanmax(s, initial=0.0, where=np.isfinite(s))) for s in shown) or 1.0
        ramp = palette.sequential[2:]
        pictures = [raster.paint_values(s, 0, top, ramp, spread=spread) for s in shown]
        steps = [m * 10.0**e for e in range(int(top) + 1) for m in (1, 2, 5)]
        ticks = np.log10([step for step in steps if np.log10(step) <= top])
        bar = {
            "colorscale": scale(ramp),
            "cmin": 0,
            "cmax": top,
            "colorbar": {
                "title": {"text": "cells in<br>a pixel", "side": "top"},
                "thickness": 12,
                "len": 0.92,
                "tickvals": ticks.tolist(),
                "ticktext": [f"{10**t:,.0f}" for t in ticks.tolist()],
            },
        }
    elif colour.values is not None:
        ramp = _scale(colour, palette)
        means = [
            raster.mean_values(p, colour.values[part], window, size=size)
            for p, part in zip(parts, rows, strict=True)
        ]
        # Means vary less than cells: the scale is that of the pixels in sight, in all panels.
        flat = np.concatenate([m[np.isfinite(m)] for m in means])
        pixels = replace(colour, values=flat)
        low, high = colour_range(pixels, np.arange(len(flat)), clip=clip)
        pictures = [raster.paint_values(m, low, high, ramp, spread=spread) for m in means]
        bar = _colour_axis(pixels, low, high, palette)
        bar["colorbar"]["title"]["text"] += "<br>mean of a pixel"
    else:
        assert colour.groups is not None
        shades = group_colours(colour.groups, palette)
        pictures = [
            raster.paint_groups(
                raster.count_groups(p, colour.groups.array[part], window, size=size),
                shades,
                spread=spread,
            )
            for p, part in zip(parts, rows, strict=True)
        ]
        _legend(fig, colour.groups, every, palette)
    for i, picture in enumerate(pictures):
        at = "" if i == 0 else str(i + 1)
        fig.add_layout_image(
            source=raster.data_uri(picture),
            xref=f"x{at}",
            yref=f"y{at}",
            x=window.x0,
            y=window.y1,
            sizex=window.x1 - window.x0,
            sizey=window.y1 - window.y0,
            sizing="stretch",
            layer="below",
        )
        # Two points that nobody sees carry the panel's lasso and colour bar.
        fig.add_trace(
            go.Scatter(
                x=[window.x0, window.x1],
                y=[window.y0, window.y1],
                mode="markers",
                marker={
                    "opacity": 0,
                    **({"color": [0, 0], "coloraxis": "coloraxis"} if bar else {}),
                },
                hoverinfo="skip",
                showlegend=False,
            ),
            row=1,
            col=i + 1,
        )
    if bar:
        fig.update_layout(coloraxis=bar)


def _legend(fig: go.Figure, groups: pd.Series, every: np.ndarray, palette: Palette) -> None:
    """Entries of a legend for an image, which has none of its own."""
    order = {str(name): i for i, name in enumerate(groups.cat.categories)}
    for name, shade, _ in _grouped(groups, every, every, palette)[:MOST_COLOURS]:
        fig.add_trace(
            go.Scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=shorten(name, 30),
                marker={"size": 8, "color": shade},
                legendrank=1 + order[name],
                hoverinfo="skip",
            ),
            row=1,
            col=1,
        )
