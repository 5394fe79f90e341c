"""Figures of the molecule panel: fragment counts, fingerprint bits, similarity, chemical space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import Palette, label, labels, scale, shorten, style

#: Categories of a coloured column that get a colour of their own.
MAX_CATEGORIES = 10
OTHER = "other"
#: Bits of a fingerprint in one row of its map.
BITS_A_ROW = 64


#: A colour bar of fixed length at the top, however tall the figure is.
_TOP_BAR = {"lenmode": "pixels", "len": 200, "y": 1, "yanchor": "top"}


def substructure_heatmap(counts: pd.DataFrame, *, palette: Palette) -> go.Figure:
    """Counts of fragments and groups: compounds as rows, parts as columns, in the frame's order.

    Parameters
    ----------
    counts
        Integer counts ``(n_compounds, n_parts)``; index and columns are the words of the axes.
    """
    values = counts.to_numpy(dtype=np.float32)
    top = float(min(values.max(initial=1.0), 6.0))
    words = np.broadcast_to(np.asarray(labels(counts.columns), dtype=object), values.shape)
    rows = np.asarray(labels(counts.index), dtype=object)[:, None]
    figure = go.Figure(
        go.Heatmap(
            z=np.where(values > 0, values, np.nan),
            customdata=np.stack([np.broadcast_to(rows, values.shape), words], axis=-1),
            colorscale=scale(palette.sequential[2:]),
            zmin=1,
            zmax=max(top, 2.0),
            colorbar={"title": {"text": "Count"}, "thickness": 12, "dtick": 1} | _TOP_BAR,
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}: %{z:.0f}<extra></extra>",
            hoverongaps=False,
            xgap=0.5,
            ygap=0.5,
        )
    )
    n_rows, n_columns = values.shape
    style(figure, palette, height=int(np.clip(90 + 13 * n_rows, 320, 1400)))
    ticks = {"showgrid": False, "zeroline": False, "tickfont": {"size": 10}}
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(n_columns)),
        ticktext=[shorten(word, 22) for word in counts.columns] if n_columns <= 80 else [],
        tickangle=-60,
        side="top",
        **ticks,
    )
    shown = range(0, n_rows, max(1, n_rows // 100))
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(shown),
        ticktext=[shorten(counts.index[i], 26) for i in shown],
        autorange="reversed",
        **ticks,
    )
    return figure


def bit_map(
    size: int, bits: Sequence[int], collisions: Sequence[int], *, palette: Palette
) -> go.Figure:
    """Every bit of a fingerprint as a cell, 64 to a row: unset, set, set by several environments."""
    state = np.zeros(size, dtype=np.int8)
    state[list(bits)] = 1
    state[list(collisions)] = 2
    columns = min(BITS_A_ROW, size)
    rows = -(-size // columns)
    padded = np.full(rows * columns, np.nan, dtype=np.float32)
    padded[:size] = state
    numbers = np.arange(rows * columns).reshape(rows, columns)
    words = np.asarray(["not set", "set", "set by several environments"], dtype=object)
    told = np.full(rows * columns, "", dtype=object)
    told[:size] = words[state]
    blank, on, clash = palette.grid, palette.accent, palette.categorical[1]
    figure = go.Figure(
        go.Heatmap(
            z=padded.reshape(rows, columns),
            customdata=np.stack([numbers, told.reshape(rows, columns)], axis=-1),
            colorscale=[
                [0, blank],
                [1 / 3, blank],
                [1 / 3, on],
                [2 / 3, on],
                [2 / 3, clash],
                [1, clash],
            ],
            zmin=0,
            zmax=2,
            showscale=False,
            hovertemplate="bit %{customdata[0]}: %{customdata[1]}<extra></extra>",
            hoverongaps=False,
            xgap=1,
            ygap=1,
        )
    )
    style(figure, palette, height=int(np.clip(40 + 8 * rows, 90, 360)))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, autorange="reversed")
    return figure


def similarity_histogram(
    similarities: np.ndarray, *, palette: Palette, marked: float | None = None
) -> go.Figure:
    """How similar a molecule is to each compound of a library; ``marked`` is the k-th nearest."""
    figure = go.Figure(
        go.Histogram(
            x=np.asarray(similarities, dtype=np.float32),
            xbins={"start": 0.0, "end": 1.02, "size": 0.02},
            marker={"color": palette.accent},
            hovertemplate="Tanimoto %{x}: %{y} compounds<extra></extra>",
        )
    )
    if marked is not None:
        figure.add_vline(
            x=marked,
            line={"color": palette.categorical[1], "dash": "dot"},
            annotation={"text": "shown from here", "font": {"color": palette.categorical[1]}},
        )
    style(figure, palette, height=240)
    figure.update_xaxes(title="Tanimoto similarity", range=[0, 1.02])
    figure.update_yaxes(title="Compounds")
    return figure


def chemical_space(
    frame: pd.DataFrame,
    *,
    palette: Palette,
    colour: str | None = None,
    marked: int | None = None,
) -> go.Figure:
    """A scatter of compounds on their map.

    Parameters
    ----------
    frame
        Columns ``x``, ``y``, ``name``, and the one to colour by.
    colour
        A column: numbers get a scale, words a colour each (the ten commonest; the rest is grey).
    marked
        Row position of the compound in use, drawn as a ring.

    Notes
    -----
    ``customdata`` of every point is its row position, which a selection gives back.
    """
    figure = go.Figure()
    if colour is not None and pd.api.types.is_numeric_dtype(frame[colour]):
        _points(figure, frame, colour, frame[colour].to_numpy(dtype=np.float32), palette)
    elif colour is not None:
        _categories(figure, frame, colour, palette)
    else:
        _points(figure, frame, None, palette.accent, palette)
    if marked is not None:
        figure.add_scatter(
            x=frame["x"].iloc[[marked]],
            y=frame["y"].iloc[[marked]],
            mode="markers",
            marker={
                "size": 18,
                "color": "rgba(0,0,0,0)",
                "line": {"color": palette.categorical[1], "width": 3},
            },
            name="in use",
            hoverinfo="skip",
            showlegend=True,
        )
    style(figure, palette, height=560)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def _points(
    figure: go.Figure,
    frame: pd.DataFrame,
    column: str | None,
    colour: np.ndarray | str,
    palette: Palette,
    name: str = "",
) -> None:
    marker: dict = {"size": 7, "color": colour, "opacity": 0.85}
    told = "%{text}<extra></extra>"
    if not isinstance(colour, str):
        marker |= {
            "colorscale": scale(palette.sequential[2:]),
            "colorbar": {"title": {"text": label(column)}, "thickness": 12},
        }
        told = "%{text}<br>%{marker.color:.4g}<extra></extra>"
    figure.add_scattergl(
        x=frame["x"].to_numpy(dtype=np.float32),
        y=frame["y"].to_numpy(dtype=np.float32),
        mode="markers",
        marker=marker,
        text=labels(frame["name"]),
        customdata=frame.index.to_numpy(),
        hovertemplate=told,
        name=shorten(name, 40) if name else "",
        showlegend=bool(name),
    )


def _categories(figure: go.Figure, frame: pd.DataFrame, column: str, palette: Palette) -> None:
    words = frame[column].astype(object).where(frame[column].notna(), "unknown").astype(str)
    common = [w for w in words.value_counts().index if w != "unknown"][:MAX_CATEGORIES]
    rest = ~words.isin(common)
    if rest.any():
        only_unknown = bool((words[rest] == "unknown").all())
        name = "unknown" if only_unknown else OTHER
        _points(figure, frame[rest], column, palette.muted, palette, name)
    for word, colour in palette.colours(common).items():
        _points(figure, frame[words == word], column, colour, palette, str(word))
