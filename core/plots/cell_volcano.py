"""The volcano plot of a differential expression table, from which genes are picked."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, labels, shorten, style

#: p-values below this are 0 in float64; they are drawn at its height.
SMALLEST = 1e-300
#: Share of cells that must express a gene on both sides for its fold change to set the axis.
SEEN = 0.01
HEIGHT = 520
#: Pixels of the narrowest plot area on a desktop, and of a character and a line of a gene's name.
_AREA, _CHARACTER = (440.0, 380.0), (6.6, 13.0)
#: Characters of a gene's name.
_LONGEST = 14


def volcano(
    table: pd.DataFrame,
    *,
    names: tuple[str, str] = ("group", "reference"),
    max_p_adjusted: float = 0.05,
    min_log_fold_change: float = 1.0,
    picked: str | None = None,
    n_labels: int = 8,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Log2 fold change against −log10 of the adjusted p-value; a point is a gene.

    Parameters
    ----------
    table
        ``names``, ``logfoldchanges``, ``pvals_adj``, ``scores``; shares ``pct_nz_group`` and
        ``pct_nz_reference`` where there are any.
    names
        What is higher to the right and to the left.
    max_p_adjusted, min_log_fold_change
        Beyond both a gene is coloured.
    picked
        A gene that gets a ring and its name.
    n_labels
        Genes named on each side, where their names find room.

    Notes
    -----
    A gene that one side does not express has a fold change of 2^20 and more, by the offset alone.
    Such points stand as triangles at the rim of the axis, which ends a tenth beyond the largest
    fold change of a gene seen on both sides. The names of genes are ``customdata``: a selection's
    points say which gene they are.
    """
    change = table["logfoldchanges"].to_numpy(np.float64)
    height = -np.log10(np.maximum(table["pvals_adj"].to_numpy(np.float64), SMALLEST))
    genes = table["names"].astype(str).to_numpy(object)
    limit = _limit(table, change, min_log_fold_change)
    beyond = np.abs(change) > limit
    x = np.clip(np.nan_to_num(change), -limit, limit).astype(np.float32)
    passed = (table["pvals_adj"].to_numpy() <= max_p_adjusted) & (
        np.abs(change) >= min_log_fold_change
    )
    sides = (
        (~passed, "not beyond both lines", palette.muted, 4, 0.45),
        (passed & (change > 0), f"higher in {names[0]}", palette.up, 6, 0.85),
        (passed & (change < 0), f"higher in {names[1]}", palette.down, 6, 0.85),
    )
    text = np.array(labels(genes), dtype=object)
    hover = _hover(table)
    fig = go.Figure()
    for mask, name, colour, size, opacity in sides:
        fig.add_trace(
            go.Scattergl(
                x=x[mask],
                y=height[mask].astype(np.float32),
                mode="markers",
                name=f"{labels([name])[0]} ({mask.sum():,})",
                customdata=genes[mask],
                text=[f"{t}<br>{h}" for t, h in zip(text[mask], hover[mask], strict=True)],
                marker={
                    "size": size,
                    "color": colour,
                    "opacity": opacity,
                    "symbol": np.where(beyond[mask], "triangle-up", "circle").tolist(),
                },
                hovertemplate="%{text}<extra></extra>",
            )
        )
    top = float(height.max()) if len(height) else 1.0
    across, up = (-1.12 * limit, 1.12 * limit), (-0.03 * top, 1.1 * max(top, 1.5))
    named, places = _placed(
        _named(table, passed, change, n_labels, picked, genes), x, height, genes, (across, up)
    )
    fig.add_trace(
        go.Scatter(
            x=x[named],
            y=height[named].astype(np.float32),
            mode="text",
            text=[shorten(genes[i], _LONGEST) for i in named],
            textposition=places,
            textfont={"size": 11},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    at = np.flatnonzero(genes == picked) if picked is not None else np.array([], dtype=int)
    if len(at):
        fig.add_trace(
            go.Scatter(
                x=x[at],
                y=height[at].astype(np.float32),
                mode="markers",
                marker={
                    "size": 13,
                    "color": "rgba(0,0,0,0)",
                    "line": {"color": palette.text, "width": 2},
                },
                hoverinfo="skip",
                showlegend=False,
            )
        )
    for value in (-min_log_fold_change, min_log_fold_change):
        fig.add_vline(x=value, line={"color": palette.muted, "width": 1, "dash": "dot"})
    fig.add_hline(
        y=-np.log10(max_p_adjusted), line={"color": palette.muted, "width": 1, "dash": "dot"}
    )
    style(fig, palette, height=HEIGHT)
    fig.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        showlegend=True,
        dragmode="pan",
        clickmode="event+select",
    )
    fig.update_xaxes(title="log2 fold change", range=list(across))
    fig.update_yaxes(title="−log10 adjusted p", range=list(up))
    return fig


def _limit(table: pd.DataFrame, change: np.ndarray, least: float) -> float:
    seen = np.isfinite(change)
    if "pct_nz_group" in table:
        shares = table[["pct_nz_group", "pct_nz_reference"]].min(axis=1).to_numpy()
        seen &= shares >= SEEN
    largest = float(np.abs(change[seen]).max()) if seen.any() else 0.0
    return max(1.1 * largest, 1.5 * least, 1.0)


def _named(
    table: pd.DataFrame,
    passed: np.ndarray,
    change: np.ndarray,
    n: int,
    picked: str | None,
    genes: np.ndarray,
) -> list[int]:
    """Genes to name, the picked one first, then the strongest of either side in turn."""
    strength = table["scores"].abs().to_numpy()
    sides = []
    for side in (passed & (change > 0), passed & (change < 0)):
        at = np.flatnonzero(side)
        sides.append(at[np.argsort(-strength[at], kind="stable")[:n]].tolist())
    found = np.flatnonzero(genes == picked).tolist() if picked is not None else []
    found += [i for pair in zip_longest(*sides) for i in pair if i is not None]
    return list(dict.fromkeys(found))


def _placed(
    wanted: list[int],
    x: np.ndarray,
    y: np.ndarray,
    genes: np.ndarray,
    ranges: tuple[tuple[float, float], tuple[float, float]],
) -> tuple[list[int], list[str]]:
    """Those whose names find room, and where: no name covers another one or leaves the axes."""
    at = np.column_stack(
        [
            (values - low) / (high - low) * pixels
            for values, (low, high), pixels in zip((x, y), ranges, _AREA, strict=True)
        ]
    )
    taken: list[tuple[float, float, float, float]] = []
    found, places = [], []
    for i in wanted:
        width = _CHARACTER[0] * min(len(genes[i]), _LONGEST) + 4
        sides = ("left", "right") if x[i] < 0 else ("right", "left")
        for place in [f"{v} {h}" for h in sides for v in ("top", "middle", "bottom")]:
            vertical, horizontal = place.split()
            left = at[i, 0] + (4 if horizontal == "right" else -4 - width)
            lift = {"top": 3.0, "middle": -_CHARACTER[1] / 2, "bottom": -3 - _CHARACTER[1]}
            low = at[i, 1] + lift[vertical]
            box = (left, low, left + width, low + _CHARACTER[1])
            inside = box[0] >= 0 and box[2] <= _AREA[0] and box[1] >= 0 and box[3] <= _AREA[1]
            free = all(
                box[2] <= b[0] or b[2] <= box[0] or box[3] <= b[1] or b[3] <= box[1] for b in taken
            )
            if inside and free:
                taken.append(box)
                found.append(i)
                places.append(place)
                break
    return found, places


def _hover(table: pd.DataFrame) -> np.ndarray:
    parts = [
        f"log2 fold change {change:.2f}<br>adjusted p {p:.2g}"
        for change, p in zip(table["logfoldchanges"], table["pvals_adj"], strict=True)
    ]
    if "pct_nz_group" in table:
        shares = table[["pct_nz_group", "pct_nz_reference"]].to_numpy()
        parts = [
            f"{part}<br>expressed in {own:.0%} and {other:.0%}"
            for part, (own, other) in zip(parts, shares, strict=True)
        ]
    return np.array(parts, dtype=object)
