"""Figures of the landmark study: cells before, predictions after."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import Palette, label, labels, scale, shorten, style

METRIC_TITLES = {"mse": "MSE", "weighted_mse": "Weighted MSE"}


def library_sizes(reads: np.ndarray, least: float, palette: Palette) -> go.Figure:
    """Histogram of reads a cell on a logarithmic axis, with the cut-off."""
    positive = np.asarray(reads, dtype=np.float64)
    positive = positive[positive > 0]
    edges = np.geomspace(positive.min(), positive.max() * 1.001, 61)
    counts, _ = np.histogram(positive, bins=edges)
    centres = np.sqrt(edges[:-1] * edges[1:])
    fig = go.Figure(
        go.Bar(
            x=centres,
            y=counts,
            width=np.diff(edges),
            marker={"color": palette.accent},
            hovertemplate="about %{x:,.0f} reads: %{y:,} cells<extra></extra>",
        )
    )
    if least > 0 and least >= edges[0]:
        fig.add_vline(x=least, line={"color": palette.up, "dash": "dash"})
    style(fig, palette, height=340)
    fig.update_layout(bargap=0, showlegend=False)
    fig.update_xaxes(type="log", title="reads a cell (library size)")
    fig.update_yaxes(title="cells")
    return fig


def type_balance(table: pd.DataFrame, palette: Palette) -> go.Figure:
    """Cells of each type, most frequent on top."""
    table = table.iloc[::-1]
    fig = go.Figure(
        go.Bar(
            x=table["n_cells"].to_numpy(),
            y=[shorten(name, 30) for name in table["cell_type"]],
            orientation="h",
            marker={"color": palette.accent},
            customdata=table["median_reads"].to_numpy(),
            hovertemplate="%{y}: %{x:,} cells, median %{customdata:,.0f} reads<extra></extra>",
        )
    )
    style(fig, palette, height=max(340, 26 * len(table) + 80))
    fig.update_xaxes(title="cells")
    return fig


def variance_curve(variance: np.ndarray, palette: Palette) -> go.Figure:
    """Cumulative share of the variance over principal components."""
    fig = go.Figure(
        go.Scatter(
            x=np.arange(1, len(variance) + 1),
            y=np.cumsum(variance),
            mode="lines+markers",
            marker={"color": palette.accent, "size": 5},
            hovertemplate="%{x} components: %{y:.1%}<extra></extra>",
        )
    )
    style(fig, palette, height=340)
    fig.update_xaxes(title="principal components")
    fig.update_yaxes(title="variance they hold", tickformat=".0%", rangemode="tozero")
    return fig


def model_scores(table: pd.DataFrame, palette: Palette) -> go.Figure:
    """Models down, both metrics side by side, with their intervals over splits.

    Parameters
    ----------
    table
        :meth:`core.studies.landmarks.result.LandmarksResult.table`.
    """
    table = table.sort_values("mse", ascending=False)
    names = [shorten(name, 40) for name in table["label"]]
    kinds = list(dict.fromkeys(table["kind"].iloc[::-1]))
    colours = palette.colours(kinds)
    fig = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for column, metric in enumerate(METRIC_TITLES, start=1):
        for kind in kinds:
            part = (table["kind"] == kind).to_numpy()
            rows = table[part]
            mean = rows[metric].to_numpy()
            fig.add_trace(
                go.Scatter(
                    x=mean,
                    y=[name for name, keep in zip(names, part, strict=True) if keep],
                    mode="markers",
                    name=str(kind),
                    legendgroup=str(kind),
                    showlegend=column == 1,
                    marker={"color": colours[kind], "size": 10},
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "array": rows[f"{metric}_high"].to_numpy() - mean,
                        "arrayminus": mean - rows[f"{metric}_low"].to_numpy(),
                        "thickness": 1.2,
                        "width": 0,
                    },
                    hovertemplate="%{y}: %{x:.4f}<extra></extra>",
                ),
                row=1,
                col=column,
            )
        fig.update_xaxes(title=METRIC_TITLES[metric], row=1, col=column)
    style(fig, palette, height=max(380, 26 * len(table) + 110))
    fig.update_yaxes(categoryorder="array", categoryarray=names)
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return fig


def type_scores(table: pd.DataFrame, metric: str, palette: Palette) -> go.Figure:
    """Heat map of models × cell types, in percent below the mean model of the same type.

    Parameters
    ----------
    table
        ``label, cell_type, gain``: rows are models in the order wanted, from the top.
    """
    wide = table.pivot(index="label", columns="cell_type", values="gain")
    wide = wide.loc[
        list(dict.fromkeys(table["label"]))[::-1], list(dict.fromkeys(table["cell_type"]))
    ]
    values = wide.to_numpy(dtype=np.float32) * 100.0
    # One odd value of a rare type would else wash out all others.
    most = max(float(np.nanpercentile(np.abs(values), 97)), 1e-6)
    fig = go.Figure(
        go.Heatmap(
            z=values,
            x=[shorten(name, 22) for name in wide.columns],
            y=[shorten(name, 40) for name in wide.index],
            colorscale=scale(palette.diverging[::-1]),
            zmin=-most,
            zmax=most,
            colorbar={"title": {"text": "% below the mean", "side": "right"}, "thickness": 12},
            hovertemplate="%{y}, %{x}: " + METRIC_TITLES[metric] + " %{z:.1f} % lower"
            "<extra></extra>",
        )
    )
    style(fig, palette, height=max(360, 24 * len(wide) + 150))
    fig.update_xaxes(showgrid=False, tickangle=-40)
    fig.update_yaxes(showgrid=False)
    return fig


def gene_cells(cells: pd.DataFrame, gene: str, palette: Palette) -> go.Figure:
    """Measured against predicted expression of one gene, a point a test cell, by type."""
    fig = go.Figure()
    most = float(max(cells["measured"].max(), cells["predicted"].max(), 0.1))
    fig.add_trace(
        go.Scatter(
            x=[0, most],
            y=[0, most],
            mode="lines",
            line={"color": palette.muted, "dash": "dot", "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    colours = palette.colours(cells["cell_type"].value_counts().index)
    for name, rows in cells.groupby("cell_type", sort=False):
        fig.add_trace(
            go.Scattergl(
                x=rows["predicted"].to_numpy(dtype=np.float32),
                y=rows["measured"].to_numpy(dtype=np.float32),
                mode="markers",
                name=shorten(name, 26),
                marker={"color": colours[name], "size": 6, "opacity": 0.7},
                text=labels(rows["cell"]),
                hovertemplate="%{text}<br>predicted %{x:.2f}, measured %{y:.2f}"
                "<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=430)
    fig.update_xaxes(title=f"{label(gene)} predicted")
    fig.update_yaxes(title=f"{label(gene)} measured")
    return fig


def gene_r2(genes: pd.DataFrame, palette: Palette, chosen: str | None = None) -> go.Figure:
    """R² of each predicted gene against its mean expression."""
    fig = go.Figure(
        go.Scattergl(
            x=genes["mean"].to_numpy(dtype=np.float32),
            y=genes["r2"].to_numpy(dtype=np.float32),
            mode="markers",
            text=labels(genes["gene"]),
            customdata=genes["detected"].to_numpy(dtype=np.float32),
            marker={
                "size": 5,
                "opacity": 0.75,
                "color": genes["detected"].to_numpy(dtype=np.float32),
                "colorscale": scale(palette.sequential[2:]),
                "colorbar": {
                    "title": {"text": "cells detecting it", "side": "right"},
                    "tickformat": ".0%",
                    "thickness": 12,
                },
            },
            hovertemplate="%{text}: R² %{y:.2f}, mean %{x:.2f}, in %{customdata:.0%} of cells"
            "<extra></extra>",
            showlegend=False,
        )
    )
    if chosen is not None and (mark := genes[genes["gene"] == chosen]).shape[0]:
        fig.add_trace(
            go.Scatter(
                x=mark["mean"].to_numpy(),
                y=mark["r2"].to_numpy(),
                mode="markers+text",
                text=[label(chosen)],
                textposition="top center",
                marker={
                    "size": 12,
                    "symbol": "circle-open",
                    "color": palette.up,
                    "line": {"width": 2},
                },
                hoverinfo="skip",
                showlegend=False,
            )
        )
    low = float(np.nanpercentile(genes["r2"], 0.5)) if genes["r2"].notna().any() else -1.0
    style(fig, palette, height=430)
    fig.update_xaxes(title="mean expression (log scale)")
    fig.update_yaxes(title="R² in test cells", range=[min(low, -0.05) * 1.1, 1.0])
    return fig


def learning_curves(history: pd.DataFrame, palette: Palette) -> go.Figure:
    """Loss of the networks over epochs: mean over splits, training dashed, a panel a network.

    Parameters
    ----------
    history
        ``label, split, epoch, train_loss, val_loss``.
    """
    names = list(dict.fromkeys(history["label"]))
    fig = make_subplots(1, len(names), subplot_titles=[shorten(n, 34) for n in names])
    colours = palette.colours(sorted(history["split"].unique()))
    for column, name in enumerate(names, start=1):
        for split, rows in history[history["label"] == name].groupby("split"):
            for value, dash in (("train_loss", "dot"), ("val_loss", "solid")):
                fig.add_trace(
                    go.Scatter(
                        x=rows["epoch"].to_numpy(),
                        y=rows[value].to_numpy(),
                        mode="lines",
                        line={"color": colours[split], "dash": dash},
                        name=f"split {split + 1}",
                        legendgroup=str(split),
                        showlegend=column == 1 and dash == "solid",
                        hovertemplate=("training" if dash == "dot" else "validation")
                        + " %{y:.4f} in epoch %{x}<extra>%{fullData.name}</extra>",
                    ),
                    row=1,
                    col=column,
                )
        best = history[history["label"] == name].groupby("split")["val_loss"].idxmin()
        points = history.loc[best]
        fig.add_trace(
            go.Scatter(
                x=points["epoch"].to_numpy(),
                y=points["val_loss"].to_numpy(),
                mode="markers",
                marker={"color": palette.text, "symbol": "circle-open", "size": 9},
                showlegend=False,
                hovertemplate="kept: epoch %{x}, %{y:.4f}<extra></extra>",
            ),
            row=1,
            col=column,
        )
    style(fig, palette, height=340)
    fig.update_xaxes(title="epoch")
    fig.update_yaxes(title="loss", col=1)
    return fig


def ensemble_weights(weights: pd.DataFrame, palette: Palette) -> go.Figure:
    """Mean weight of each member over splits; ``ensemble, label, weight``, stacked bars."""
    mean = weights.groupby(["ensemble", "label"], sort=False)["weight"].mean().reset_index()
    mean = mean[mean["weight"] > 0.005]
    colours = palette.colours(mean["label"])
    fig = go.Figure()
    for name, rows in mean.groupby("label", sort=False):
        fig.add_trace(
            go.Bar(
                y=labels(rows["ensemble"]),
                x=rows["weight"].to_numpy(),
                name=shorten(name, 34),
                orientation="h",
                marker={"color": colours[name]},
                hovertemplate="%{x:.0%}<extra>%{fullData.name}</extra>",
            )
        )
    style(fig, palette, height=230)
    fig.update_layout(barmode="stack")
    fig.update_xaxes(title="weight", tickformat=".0%", range=[0, 1])
    return fig
