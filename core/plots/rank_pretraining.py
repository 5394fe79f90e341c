"""Figures of a rank transformer's pretraining."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.plots.theme import LIGHT, Palette, style


def learning_curves(history: pd.DataFrame, palette: Palette = LIGHT) -> go.Figure:
    """Cross-entropy of masked genes by epoch; ``epoch, train_loss, val_loss``, in nats a gene."""
    fig = go.Figure()
    colour = palette.colours(["loss"])["loss"]
    for value, name, dash in (
        ("train_loss", "training cells", "dot"),
        ("val_loss", "held-out cells", "solid"),
    ):
        fig.add_trace(
            go.Scatter(
                x=history["epoch"].to_numpy(),
                y=history[value].to_numpy(),
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                name=name,
                hovertemplate="%{y:.3f} in epoch %{x}<extra>" + name + "</extra>",
            )
        )
    style(fig, palette, height=340)
    fig.update_xaxes(title="epoch", dtick=1 if len(history) < 20 else None)
    fig.update_yaxes(title="cross-entropy, nats a masked gene")
    return fig
