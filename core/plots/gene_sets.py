"""Sets of genes: how they overlap, what they are enriched in, how they score."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import LIGHT, Palette, label, labels, scale, shorten, style

#: Most bars of an UpSet figure.
MOST_BARS = 30
#: Of the points of sets that may coincide.
SHAPES = ("circle", "diamond-open", "square-open", "triangle-up-open", "cross-open", "x-open")


def venn(
    only_a: int, both: int, only_b: int, names: tuple[str, str], *, palette: Palette = LIGHT
) -> go.Figure:
    """Two overlapping circles whose areas, and the area of their overlap, follow the counts.

    Parameters
    ----------
    only_a, both, only_b
        Genes of the first set alone, of both, and of the second alone.
    names
        Of the sets.
    """
    a, b = only_a + both, only_b + both
    r1, r2 = np.sqrt(max(a, 1) / np.pi), np.sqrt(max(b, 1) / np.pi)
    distance = circle_distance(r1, r2, both)
    fig = go.Figure()
    for x, r, colour in ((0.0, r1, palette.categorical[0]), (distance, r2, palette.categorical[1])):
        fig.add_shape(
            type="circle",
            x0=x - r,
            x1=x + r,
            y0=-r,
            y1=r,
            line={"color": colour, "width": 2},
            fillcolor=colour,
            opacity=0.28,
        )
    left, right = -r1, distance + r2
    middle = (max(distance - r2, -r1) + min(r1, distance + r2)) / 2
    if both == 0:
        middle = (r1 + distance - r2) / 2
    spots = [
        ((left + min(distance - r2, r1)) / 2, only_a, f"only {names[0]}"),
        (middle, both, "in both"),
        ((max(r1, distance - r2) + right) / 2, only_b, f"only {names[1]}"),
    ]
    shown = [spot for i, spot in enumerate(spots) if spot[1] or i == 1]
    fig.add_trace(
        go.Scatter(
            x=[x for x, _, _ in shown],
            y=[0.0] * len(shown),
            mode="text",
            text=[f"<b>{n:,}</b>" for _, n, _ in shown],
            hovertext=[f"{n:,} {label(words)}" for _, n, words in shown],
            hoverinfo="text",
            textfont={"size": 18},
            showlegend=False,
        )
    )
    top = 1.14 * max(r1, r2)
    fig.add_trace(
        go.Scatter(
            x=[
                0.0 if distance > 0.3 * r1 else -r1 / 2,
                distance + (0 if distance > 0.3 * r1 else r2 / 2),
            ],
            y=[top, top],
            mode="text",
            text=[f"{shorten(names[0], 26)} ({a:,})", f"{shorten(names[1], 26)} ({b:,})"],
            textposition=["top left", "top right"],
            hoverinfo="skip",
            showlegend=False,
        )
    )
    style(fig, palette, height=360)
    room = 0.5 * max(r1, r2)
    fig.update_xaxes(visible=False, range=[left - room, right + room])
    fig.update_yaxes(visible=False, scaleanchor="x", range=[-1.1 * max(r1, r2), 1.35 * top])
    return fig


def circle_distance(r1: float, r2: float, shared: float) -> float:
    """Distance of two circles whose overlap has the area ``shared``; by bisection."""
    if shared <= 0:
        return r1 + r2
    low, high = abs(r1 - r2), r1 + r2
    if shared >= np.pi * min(r1, r2) ** 2:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        if lens_area(r1, r2, middle) > shared:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def lens_area(r1: float, r2: float, d: float) -> float:
    """Area that two circles at distance ``d`` share."""
    if d >= r1 + r2:
        return 0.0
    if d <= abs(r1 - r2):
        return float(np.pi * min(r1, r2) ** 2)
    a = np.arccos(np.clip((d**2 + r1**2 - r2**2) / (2 * d * r1), -1, 1))
    b = np.arccos(np.clip((d**2 + r2**2 - r1**2) / (2 * d * r2), -1, 1))
    kite = (-d + r1 + r2) * (d + r1 - r2) * (d - r1 + r2) * (d + r1 + r2)
    return float(r1**2 * a + r2**2 * b - 0.5 * np.sqrt(max(kite, 0.0)))


def upset(
    intersections: pd.DataFrame, sizes: Mapping[str, int], *, palette: Palette = LIGHT
) -> go.Figure:
    """UpSet: bars of exclusive intersections over a matrix of the sets that make each.

    Parameters
    ----------
    intersections
        ``members`` (tuple of set names) and ``n``, largest first; see
        :func:`core.metrics.gene_sets_overlap.intersections`.
    sizes
        Genes of each set, in the order of the rows.
    """
    table = intersections.head(MOST_BARS)
    names = list(sizes)[::-1]
    columns = np.arange(len(table))
    fig = make_subplots(
        rows=2,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.62, 0.38],
        column_widths=[0.2, 0.8],
        horizontal_spacing=0.02,
        vertical_spacing=0.02,
    )
    members = [set(m) for m in table["members"]]
    words = [" ∩ ".join(labels(m)) for m in table["members"]]
    fig.add_trace(
        go.Bar(
            x=columns,
            y=table["n"],
            text=[f"{n:,}" for n in table["n"]],
            textposition="outside",
            cliponaxis=False,
            marker_color=palette.accent,
            hovertext=words,
            hovertemplate="%{hovertext}: %{y:,} genes<extra></extra>",
            showlegend=False,
        ),
        row=1,
        col=2,
    )
    for inside, colour in ((False, palette.grid), (True, palette.text)):
        spots = [
            (x, name)
            for x, m in zip(columns, members, strict=True)
            for name in names
            if (name in m) == inside
        ]
        fig.add_trace(
            go.Scatter(
                x=[x for x, _ in spots],
                y=[names.index(name) for _, name in spots],
                mode="markers",
                marker={"size": 10, "color": colour},
                hoverinfo="skip",
                showlegend=False,
            ),
            row=2,
            col=2,
        )
    for x, m in zip(columns, members, strict=True):
        rows = [names.index(name) for name in m]
        if len(rows) > 1:
            fig.add_trace(
                go.Scatter(
                    x=[x, x],
                    y=[min(rows), max(rows)],
                    mode="lines",
                    line={"color": palette.text, "width": 2},
                    hoverinfo="skip",
                    showlegend=False,
                ),
                row=2,
                col=2,
            )
    fig.add_trace(
        go.Bar(
            x=[-sizes[name] for name in names],
            y=np.arange(len(names)),
            orientation="h",
            marker_color=palette.muted,
            customdata=[sizes[name] for name in names],
            hovertemplate="%{customdata:,} genes<extra></extra>",
            showlegend=False,
        ),
        row=2,
        col=1,
    )
    style(fig, palette, height=340 + 26 * len(names))
    fig.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    fig.update_yaxes(title="genes", row=1, col=2, rangemode="tozero")
    ticks = {"tickvals": list(range(len(names))), "ticktext": [shorten(n, 26) for n in names]}
    fig.update_yaxes(**ticks, row=2, col=1, showgrid=False, range=[-0.6, len(names) - 0.4])
    fig.update_yaxes(showgrid=False, zeroline=False, row=2, col=2)
    fig.update_yaxes(visible=False, row=1, col=1)
    fig.update_xaxes(visible=False, row=1, col=1)
    return fig


def term_dots(terms: pd.DataFrame, sets: list[str], *, palette: Palette = LIGHT) -> go.Figure:
    """Enriched terms side by side: a dot a set and term, its size the hits, its colour −log10 q.

    Parameters
    ----------
    terms
        ``set, term, overlap, size, fold, p_value, q_value``; every (set, term) at most once.
    sets
        Columns, in order.
    """
    order = list(dict.fromkeys(terms["term"]))[::-1]
    strength = -np.log10(np.maximum(terms["q_value"].to_numpy(dtype=float), 1e-300))
    overlap = terms["overlap"].to_numpy(dtype=float)
    largest = max(float(overlap.max(initial=1.0)), 1.0)
    text = [
        f"{label(row.term)}<br>{label(row.set)}: {row.overlap} of {row.size} genes, "
        f"{row.fold:.2g}-fold<br>p {row.p_value:.2g}, q {row.q_value:.2g}"
        for row in terms.itertuples()
    ]
    fig = go.Figure(
        go.Scatter(
            x=[sets.index(name) for name in terms["set"]],
            y=[order.index(term) for term in terms["term"]],
            mode="markers",
            marker={
                "size": 6 + 22 * np.sqrt(overlap / largest),
                "color": strength,
                "colorscale": scale(palette.sequential[2:]),
                "cmin": 0,
                "cmax": max(float(strength.max(initial=1.0)), 2.0),
                "colorbar": {"title": {"text": "−log10 q", "side": "right"}, "thickness": 12},
                "line": {
                    "width": np.where(terms["q_value"].to_numpy(dtype=float) < 0.05, 1.5, 0.3),
                    "color": palette.text,
                },
            },
            hovertext=text,
            hoverinfo="text",
            showlegend=False,
        )
    )
    style(fig, palette, height=110 + 26 * max(len(order), 3))
    fig.update_xaxes(
        tickvals=list(range(len(sets))),
        ticktext=[shorten(name, 22) for name in sets],
        range=[-0.6, len(sets) - 0.4],
        side="top",
    )
    fig.update_yaxes(
        tickvals=list(range(len(order))),
        ticktext=[shorten(term, 58) for term in order],
        range=[-0.7, len(order) - 0.3],
    )
    return fig


def selection_scores(
    table: pd.DataFrame, *, reference: str | None = None, palette: Palette = LIGHT
) -> go.Figure:
    """Sets by their two scores, with 95 % intervals over splits.

    Parameters
    ----------
    table
        Of :func:`core.studies.landmarks.judging.summarise`.
    reference
        Draw what each set gains over this one, split by split (upper right is better), instead of
        the scores themselves (lower left is better).
    """
    colours = palette.colours(table["set"])
    # Two methods may find the same set: shapes show through where points lie on each other.
    shapes = dict(zip(table["set"], itertools.cycle(SHAPES)))
    x, y = ("held_mse", "panel_left") if reference is None else ("held_mse_gain", "panel_left_gain")
    fig = go.Figure()
    for row in table.to_dict("records"):
        bars = {}
        for axis, column in (("x", x), ("y", y)):
            low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
            if low is not None and np.isfinite(low):
                bars[f"error_{axis}"] = {
                    "type": "data",
                    "array": [high - row[column]],
                    "arrayminus": [row[column] - low],
                    "thickness": 1,
                    "width": 3,
                }
        fig.add_trace(
            go.Scatter(
                x=[row[x]],
                y=[row[y]],
                mode="markers",
                name=f"{shorten(row['set'], 30)} ({row['n_genes']:,.0f})",
                marker={
                    "size": 12,
                    "color": colours[row["set"]],
                    "symbol": shapes[row["set"]],
                    "line": {"width": 2, "color": colours[row["set"]]},
                },
                hovertemplate="held-out error %{x:.4f}<br>variance left %{y:.4f}"
                "<extra>%{fullData.name}</extra>",
                **bars,
            )
        )
    style(fig, palette, height=440)
    if reference is None:
        fig.update_xaxes(title="mean squared error of held-out genes", zeroline=False)
        fig.update_yaxes(title="variance of all genes left", zeroline=False)
    else:
        fig.update_xaxes(title=f"held-out error less than {label(reference)}", zeroline=True)
        fig.update_yaxes(title=f"variance left less than {label(reference)}", zeroline=True)
    fig.update_layout(showlegend=True)
    return fig


def selection_path(paths: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Genes kept against the error that is left, one line a selector.

    Parameters
    ----------
    paths
        ``set, n_genes, error`` and, where measured, ``penalty``, ``validation_error``.
    """
    fig = go.Figure()
    known = paths.dropna(subset=["error"])
    colours = palette.colours(known["set"])
    for name, group in known.groupby("set", sort=False):
        columns = [("error", "solid", "")]
        if "validation_error" in group and group["validation_error"].notna().any():
            columns.append(("validation_error", "dot", ", validation cells"))
        for column, dash, words in columns:
            line = group.sort_values("n_genes")
            penalty = line["penalty"] if "penalty" in line else pd.Series(np.nan, line.index)
            fig.add_trace(
                go.Scatter(
                    x=line["n_genes"],
                    y=line[column],
                    mode="lines+markers" if len(line) < 80 else "lines",
                    name=shorten(name, 30) + words,
                    line={"color": colours[name], "dash": dash},
                    marker={"size": 5},
                    customdata=penalty,
                    hovertemplate="%{x:,} genes: %{y:.4f}<br>penalty %{customdata:.3g}"
                    "<extra>%{fullData.name}</extra>",
                )
            )
    style(fig, palette, height=380)
    fig.update_xaxes(title="genes kept")
    fig.update_yaxes(title="error (each method's own)", rangemode="tozero")
    fig.update_layout(showlegend=True)
    return fig


def stability_bars(sets: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """How often the bootstraps chose each gene of each final set, as a histogram.

    Parameters
    ----------
    sets
        ``set``, ``frequency``; rows without a frequency are left out.
    """
    fig = go.Figure()
    known = sets.dropna(subset=["frequency"])
    colours = palette.colours(known["set"])
    bins = np.linspace(0, 1, 11)
    for name, group in known.groupby("set", sort=False):
        counts, _ = np.histogram(group["frequency"], bins=bins)
        fig.add_trace(
            go.Bar(
                x=[f"{int(100 * b)}–{int(100 * b + 10)} %" for b in bins[:-1]],
                y=counts,
                name=shorten(name, 30),
                marker_color=colours[name],
                hovertemplate="%{y:,} genes chosen in %{x} of the bootstraps"
                "<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=340)
    fig.update_layout(barmode="group", showlegend=True)
    fig.update_xaxes(title="share of bootstraps that chose the gene")
    fig.update_yaxes(title="genes of the final set")
    return fig


def level_and_dispersion(
    genes: pd.DataFrame, chosen: Mapping[str, np.ndarray], *, palette: Palette = LIGHT
) -> go.Figure:
    """Expression level and dispersion of chosen genes against all others, as box plots.

    Parameters
    ----------
    genes
        ``mean`` and ``dispersion`` of every measured gene.
    chosen
        Set → mask over the rows of ``genes``.
    """
    fig = make_subplots(
        rows=1,
        cols=2,
        subplot_titles=("mean log expression", "normalised dispersion"),
        horizontal_spacing=0.1,
    )
    colours = palette.colours(chosen)
    groups = {name: (mask, colours[name]) for name, mask in chosen.items()}
    for column, place in (("mean", 1), ("dispersion", 2)):
        values = genes[column].replace([np.inf, -np.inf], np.nan)
        for name, (mask, colour) in groups.items():
            for inside, words in ((True, ""), (False, "not ")):
                part = values[mask if inside else ~mask].dropna().to_numpy(dtype=np.float32)
                fig.add_trace(
                    go.Box(
                        y=part,
                        name=f"{words}{shorten(name, 20)}",
                        marker_color=colour if inside else palette.muted,
                        boxpoints=False,
                        showlegend=False,
                    ),
                    row=1,
                    col=place,
                )
    style(fig, palette, height=380)
    fig.update_layout(margin={"t": 40})
    return fig
