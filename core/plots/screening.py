"""Figures of a screen: its hits as a whole, and one hit's predicted response."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, label, labels, shorten, style

#: More points than this are sampled: a selection in a browser sends every chosen point back.
MOST_POINTS = 20_000
#: Of a sample, this share are the best ranked, the rest is drawn at random from all others.
BEST_SHARE = 0.25
#: False-discovery rate below which a gene set counts as enriched.
ALPHA = 0.05


def sample_hits(n: int, limit: int = MOST_POINTS, seed: int = 0) -> np.ndarray:
    """Positions of ranked hits to draw: all, or the best quarter of ``limit`` and a random rest.

    Returns
    -------
    numpy.ndarray
        int64, ascending, at most ``limit``; the same for the same seed.
    """
    if n <= limit:
        return np.arange(n)
    best = int(limit * BEST_SHARE)
    rng = np.random.default_rng(seed)
    rest = rng.choice(np.arange(best, n), limit - best, replace=False)
    return np.concatenate([np.arange(best), np.sort(rest)])


def score_similarity(
    hits: pd.DataFrame,
    *,
    threshold: float | None = None,
    score_label: str = "score",
    selected: int | None = None,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Score against similarity to the nearest training compound; a point is a molecule.

    Parameters
    ----------
    hits
        ``id``, ``score``, ``similarity``, ``nearest``, ``in_domain`` and ``rank``; at most
        :data:`MOST_POINTS` rows.
    threshold
        Tanimoto similarity from which a molecule counts as within the training chemistry.
    selected
        Rank of a hit that is ringed.

    Notes
    -----
    ``customdata`` of every point is its rank, so that a selection names the molecule.
    """
    fig = go.Figure()
    inside = hits["in_domain"].to_numpy(dtype=bool)
    for name, mask, colour, symbol in (
        ("outside the training chemistry", ~inside, palette.categorical[1], "circle-open"),
        ("within the training chemistry", inside, palette.accent, "circle"),
    ):
        part = hits[mask]
        if part.empty:
            continue
        nearest = part["nearest"].map(lambda text: shorten(text, 40))
        fig.add_trace(
            go.Scattergl(
                x=part["similarity"].to_numpy(dtype=np.float32),
                y=part["score"].to_numpy(dtype=np.float32),
                mode="markers",
                name=f"{name} ({len(part):,})",
                text=[
                    f"{shorten(id, 40)}<br>nearest: {near}"
                    for id, near in zip(part["id"], nearest, strict=True)
                ],
                customdata=part["rank"].to_numpy(dtype=np.int64),
                marker={"size": 7, "color": colour, "opacity": 0.75, "symbol": symbol},
                hovertemplate="%{text}<br>Tanimoto %{x:.2f}<br>score %{y:.4g}<br>"
                "rank %{customdata}<extra></extra>",
            )
        )
    ringed = hits[hits["rank"] == selected] if selected is not None else hits.iloc[:0]
    if len(ringed):
        fig.add_trace(
            go.Scattergl(
                x=ringed["similarity"].to_numpy(dtype=np.float32),
                y=ringed["score"].to_numpy(dtype=np.float32),
                mode="markers",
                name="open below",
                hoverinfo="skip",
                customdata=ringed["rank"].to_numpy(dtype=np.int64),
                marker={
                    "size": 16,
                    "color": palette.text,
                    "symbol": "circle-open",
                    "line": {"width": 2.5},
                },
            )
        )
    if threshold is not None:
        fig.add_vline(x=threshold, line={"color": palette.muted, "width": 1, "dash": "dot"})
    style(fig, palette, height=400)
    fig.update_layout(
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0},
        clickmode="event+select",
    )
    fig.update_xaxes(
        title="Tanimoto similarity to the nearest training compound", range=[-0.02, 1.03]
    )
    fig.update_yaxes(title=label(score_label), zeroline=True)
    return fig


def cell_type_scores(
    scores: Mapping[str, float], *, score_label: str = "score", palette: Palette = LIGHT
) -> go.Figure:
    """One hit's score in each cell type."""
    names = list(scores)
    fig = go.Figure(
        go.Bar(
            x=np.array([scores[name] for name in names], dtype=np.float32),
            y=labels(names),
            orientation="h",
            marker={"color": palette.accent},
            hovertemplate="%{y}<br>%{x:.4g}<extra></extra>",
        )
    )
    style(fig, palette, height=90 + 30 * len(names))
    fig.update_xaxes(title=label(score_label))
    fig.update_yaxes(autorange="reversed", type="category", dtick=1, showgrid=False)
    return fig


def predicted_volcano(
    response: pd.DataFrame,
    target: str,
    *,
    marked: Collection[str] = (),
    n_named: int = 6,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Predicted response of every gene against how well the models agree on it.

    Parameters
    ----------
    response
        ``gene``, ``response``, ``spread`` (standard deviation over the ensemble's members).
    target
        What a value is.
    marked
        Genes of the screen's objective.
    n_named
        Most names on each side.

    Notes
    -----
    The height is ``|response| / (spread + s0)`` with ``s0`` the median spread over genes, the
    fudge factor of Tusher et al. 2001 (10.1073/pnas.091062498); it is no p-value. Without a
    spread (one model) the height is the absolute response.
    """
    x = response["response"].to_numpy(dtype=np.float64)
    height, title = agreement(response)
    genes = response["gene"].astype(str).to_numpy()
    wanted = np.isin(genes, list(marked))
    fig = go.Figure()
    for name, mask, colour, size in (
        ("other genes", ~wanted, palette.muted, 5),
        ("genes of the objective", wanted, palette.categorical[1], 8),
    ):
        if mask.any():
            fig.add_trace(
                go.Scattergl(
                    x=x[mask].astype(np.float32),
                    y=height[mask].astype(np.float32),
                    mode="markers",
                    name=f"{name} ({int(mask.sum()):,})",
                    text=labels(genes[mask]),
                    marker={"size": size, "color": colour, "opacity": 0.7},
                    hovertemplate="%{text}<br>%{x:.3g}<br>%{y:.3g}<extra></extra>",
                )
            )
    for i in _outermost(x, height, n_named):
        fig.add_annotation(
            x=float(x[i]),
            y=float(height[i]),
            text=label(genes[i]),
            showarrow=False,
            xshift=5 if x[i] >= 0 else -5,
            xanchor="left" if x[i] >= 0 else "right",
            font={"size": 10},
        )
    style(fig, palette, height=420)
    fig.update_layout(
        legend={
            "orientation": "h",
            "y": 1.01,
            "yanchor": "bottom",
            "x": 0,
            "itemsizing": "constant",
        }
    )
    fig.update_xaxes(title=f"predicted response ({label(target)})")
    fig.update_yaxes(title=title, rangemode="tozero")
    return fig


def agreement(response: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Heights of :func:`predicted_volcano`, float64 ``(n_genes,)``, and their axis title."""
    size = np.abs(response["response"].to_numpy(dtype=np.float64))
    spread = response["spread"].to_numpy(dtype=np.float64)
    if not np.isfinite(spread).all() or not spread.any():
        return size, "|predicted response|"
    return size / (spread + np.median(spread)), "|response| / (spread + median spread)"


def ranked_effects(
    response: pd.DataFrame,
    target: str,
    *,
    up: Collection[str] = (),
    down: Collection[str] = (),
    palette: Palette = LIGHT,
) -> go.Figure:
    """All genes in the order of their predicted response, with the spread as a band.

    Genes of the objective are marked on the curve: where a signature is reversed, its ``up``
    genes lie at the right end and its ``down`` genes at the left one.
    """
    ordered = response.sort_values("response", ascending=False, kind="stable")
    values = ordered["response"].to_numpy(dtype=np.float32)
    spread = np.nan_to_num(ordered["spread"].to_numpy(dtype=np.float32))
    rank = np.arange(1, len(values) + 1)
    genes = ordered["gene"].astype(str).to_numpy()
    fig = go.Figure()
    if spread.any():
        band: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fig.add_trace(go.Scatter(x=rank, y=values + spread, showlegend=False, **band))
        fig.add_trace(
            go.Scatter(
                x=rank,
                y=values - spread,
                fill="tonexty",
                fillcolor=_translucent(palette.accent, 0.22),
                name="± spread over models",
                **band,
            )
        )
    fig.add_trace(
        go.Scatter(
            x=rank,
            y=values,
            mode="lines",
            name="predicted response",
            text=labels(genes),
            line={"color": palette.accent, "width": 1.5},
            hovertemplate="%{text}<br>%{y:.3g}<br>rank %{x}<extra></extra>",
        )
    )
    for name, chosen, colour, symbol in (
        ("up in the objective", up, palette.up, "triangle-up"),
        ("down in the objective", down, palette.down, "triangle-down"),
    ):
        mask = np.isin(genes, list(chosen))
        if mask.any():
            fig.add_trace(
                go.Scattergl(
                    x=rank[mask],
                    y=values[mask],
                    mode="markers",
                    name=f"{name} ({int(mask.sum()):,})",
                    text=labels(genes[mask]),
                    marker={
                        "size": 11,
                        "color": colour,
                        "symbol": symbol,
                        "line": {"width": 1, "color": palette.background},
                    },
                    hovertemplate="%{text}<br>%{y:.3g}<br>rank %{x}<extra></extra>",
                )
            )
    style(fig, palette, height=420)
    fig.update_layout(legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0})
    fig.update_xaxes(title="genes, highest predicted response first")
    fig.update_yaxes(title=f"predicted response ({label(target)})")
    return fig


def top_genes(
    response: pd.DataFrame, target: str, *, n: int = 12, palette: Palette = LIGHT
) -> go.Figure:
    """The ``n`` highest and ``n`` lowest genes, with the spread over models as whiskers."""
    ordered = response.sort_values("response", ascending=False, kind="stable")
    half = min(n, len(ordered) // 2)
    part = pd.concat([ordered.head(len(ordered) - half).head(n), ordered.tail(half)])
    values = part["response"].to_numpy(dtype=np.float32)
    spread = np.nan_to_num(part["spread"].to_numpy(dtype=np.float32))
    fig = go.Figure(
        go.Bar(
            x=values,
            y=labels(part["gene"]),
            orientation="h",
            error_x={"array": spread, "color": palette.text, "thickness": 1, "width": 2}
            if spread.any()
            else None,
            marker={"color": [palette.up if value > 0 else palette.down for value in values]},
            hovertemplate="%{y}<br>%{x:.3g}<extra></extra>",
        )
    )
    style(fig, palette, height=110 + 17 * len(part))
    fig.update_xaxes(title=f"predicted response ({label(target)})")
    fig.update_yaxes(autorange="reversed", type="category", dtick=1, showgrid=False)
    return fig


def enriched_terms(terms: pd.DataFrame, *, palette: Palette = LIGHT) -> go.Figure:
    """Most significant gene sets as bars of −log10 p; pale ones do not pass the correction.

    Parameters
    ----------
    terms
        Rows of :meth:`core.metrics.enrichment.EnrichmentIndex.test`, with a column
        ``direction`` (``"up"`` or ``"down"``).
    """
    fig = go.Figure()
    terms = terms.sort_values("p_value", kind="stable")
    for direction, words, colour in (
        ("up", "raised genes", palette.up),
        ("down", "lowered genes", palette.down),
    ):
        part = terms[terms["direction"] == direction]
        if part.empty:
            continue
        p = np.clip(part["p_value"].to_numpy(dtype=np.float64), 1e-300, 1.0)
        q = part["q_value"].to_numpy(dtype=np.float64)
        fig.add_trace(
            go.Bar(
                x=-np.log10(p).astype(np.float32),
                y=[shorten(term, 52) for term in part["term"]],
                name=f"{words} ({len(part)})",
                orientation="h",
                marker={"color": colour, "opacity": np.where(q < ALPHA, 1.0, 0.4)},
                text=[f"{a} of {b}" for a, b in zip(part["overlap"], part["size"], strict=True)],
                textposition="auto",
                customdata=q.astype(np.float32),
                hovertemplate="%{y}<br>−log10 p = %{x:.2f}<br>FDR %{customdata:.2g}"
                "<br>%{text} genes<extra></extra>",
            )
        )
    style(fig, palette, height=120 + 26 * len(terms))
    fig.update_layout(legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0})
    fig.update_xaxes(title="−log10 p (full colour: false-discovery rate below 0.05)")
    fig.update_yaxes(autorange="reversed", type="category", dtick=1, showgrid=False)
    return fig


def _outermost(x: np.ndarray, height: np.ndarray, n: int) -> list[int]:
    """Up to ``n`` points on each side that are far out and high, with room for their names."""
    room = 0.035 * float(np.ptp(height) or 1.0)
    reach = np.abs(x) / (np.abs(x).max() or 1.0) + height / (height.max() or 1.0)
    named: list[int] = []
    for side in (-1, 1):
        mine = np.flatnonzero(np.sign(x) == side)
        taken: list[int] = []
        for i in mine[np.argsort(-reach[mine], kind="stable")][: 20 * n]:
            if len(taken) == n:
                break
            if all(abs(height[i] - height[j]) >= room for j in taken):
                taken.append(int(i))
        named += taken
    return named


def _translucent(colour: str, alpha: float) -> str:
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{alpha})"
