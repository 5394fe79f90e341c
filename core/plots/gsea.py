"""Figure of a pre-ranked GSEA: the terms at both ends of the ranking."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, label, shorten, style


def gsea_bars(table: pd.DataFrame, n: int = 10, *, palette: Palette = LIGHT) -> go.Figure:
    """Normalised enrichment scores of the strongest terms of either end of the ranking.

    Parameters
    ----------
    table
        Of :func:`core.metrics.gsea.prerank`.
    n
        Most terms of either end, least FDR first.
    """
    parts = [table[table["nes"] > 0].head(n), table[table["nes"] < 0].head(n)]
    drawn = pd.concat(parts).sort_values("nes", ignore_index=True)
    sure = drawn["fdr"].to_numpy(dtype=float) < 0.05
    up = drawn["nes"].to_numpy(dtype=float) > 0
    colours = np.where(up, palette.up, palette.down)
    text = [
        f"{label(row.term)}<br>NES {row.nes:.2f}, FDR {row.fdr:.3f}, {row.size} genes"
        for row in drawn[["term", "nes", "fdr", "size"]].itertuples(index=False, name="Row")
    ]
    fig = go.Figure(
        go.Bar(
            x=drawn["nes"],
            y=np.arange(len(drawn)),
            orientation="h",
            marker={"color": colours, "opacity": np.where(sure, 1.0, 0.35)},
            hovertext=text,
            hoverinfo="text",
            showlegend=False,
        )
    )
    style(fig, palette, height=110 + 24 * max(len(drawn), 3))
    fig.update_xaxes(title="normalised enrichment score (faint: FDR 0.05 or more)", zeroline=True)
    fig.update_yaxes(
        tickvals=np.arange(len(drawn)),
        ticktext=[shorten(term, 58) for term in drawn["term"]],
        range=[-0.7, max(len(drawn), 3) - 0.3],
        showgrid=False,
    )
    return fig
