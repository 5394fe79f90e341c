"""Scores of the selected runs: train, validation and test; every model with every metric."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.plots.comparison import weight_bars
from core.runs import RunRecord, curve_summary
from core.studies.perturbation.grouping import CHOSEN, gains, summarise
from pages.components import figure
from pages.components.run_labels import model_label, names
from pages.components.run_results import (
    SPLITS,
    USUAL,
    choose_split,
    finished,
    result,
    rows,
)

TRAINING = "Training loss"


def scores(records: Sequence[RunRecord]) -> None:
    """Table of splits × models, then models × metrics, then ensemble weights."""
    done = finished(records)
    if not done:
        return
    frame = rows(done)
    _by_split(done, frame)
    _by_metric(frame)
    _weights(done)


def _by_split(done: Sequence[RunRecord], frame: pd.DataFrame) -> None:
    st.markdown("##### Train, validation and test")
    chosen = frame[(frame["kind"] == CHOSEN) & ~frame["repeated"]]
    summary = summarise(chosen, ("series", "split"))
    summary["text"] = [
        f"{m:.4f} ({low:.3f} – {high:.3f})"
        for m, low, high in zip(summary["mrrmse"], summary["low"], summary["high"], strict=True)
    ]
    table = summary.pivot_table(
        index="split", columns="series", values="text", aggfunc="first", sort=False
    )
    table = table.reindex([split for split in SPLITS if split in table.index])
    table.index = pd.Index([SPLITS[split] for split in table.index], name="MRRMSE")
    training = _training(done, frame)
    if training:
        first = pd.DataFrame([training], index=pd.Index([TRAINING], name="MRRMSE"))
        table = pd.concat([first.reindex(columns=table.columns), table])
    st.dataframe(table, key="scores-splits", placeholder="")
    st.caption(
        "MRRMSE with its 95 % bootstrap interval (rows resampled; rows of one compound are not "
        "independent, so the interval is on the narrow side). Validation: each training pair "
        "predicted while it was held out. Test: predicted by the final fit."
        + (
            " Training loss: mean over folds at the best epoch, measured in training (with "
            "dropout); only of networks that minimise MRRMSE itself."
            if training
            else ""
        )
    )


def _training(done: Sequence[RunRecord], frame: pd.DataFrame) -> dict[str, str]:
    """Training MRRMSE of each network, where MRRMSE is the loss it was trained with."""
    found: dict[str, str] = {}
    labels = names(done)
    for record in done:
        config = result(record).config
        if config.training.loss != "mrrmse" or config.target.clip is not None:
            continue
        curves = curve_summary(result(record).history())
        curves = curves[curves["fold"].astype(str) != "final"]
        for model, folds in curves.groupby("model", sort=False):
            mine = frame[(frame["run"] == labels[record.id]) & (frame["model"] == model)]
            if len(mine):
                found[mine["series"].iloc[0]] = f"{folds['train_loss'].mean():.4f}"
    return found


def _by_metric(frame: pd.DataFrame) -> None:
    st.markdown("##### Every model")
    split = choose_split(frame, "pairs")
    inside = frame[frame["split"] == split]
    drawn = inside[~inside["repeated"]]
    table = summarise(drawn, ("series", "run", "model"))
    over = 100 * gains(inside, USUAL)
    table = table.join(over, on=["run", "model"]).sort_values("mrrmse", ignore_index=True)
    column = st.column_config
    gain = "How much lower the MRRMSE is than this baseline's on the same pairs."
    st.dataframe(
        table.drop(columns=["run", "model"]),
        hide_index=True,
        key="scores-metrics",
        placeholder="",
        height="content" if len(table) < 16 else "auto",
        column_config={
            "series": "Model",
            "mrrmse": column.NumberColumn("MRRMSE", format="%.4f"),
            "low": column.NumberColumn("95 % from", format="%.4f"),
            "high": column.NumberColumn("to", format="%.4f"),
            "mean": column.NumberColumn("vs mean", format="%+.1f %%", help=gain),
            "geometric_median": column.NumberColumn("vs geo. median", format="%+.1f %%", help=gain),
            "pearson": column.NumberColumn(
                "Row Pearson", format="%.3f", help="Mean over pairs of the correlation over genes."
            ),
            "cosine": column.NumberColumn(
                "Row cosine", format="%.3f", help="Mean over pairs of the cosine over genes."
            ),
            "n": column.NumberColumn("Pairs"),
            "mrrmse_truth": column.NumberColumn(
                "MRRMSE to truth",
                format="%.4f",
                help="Of a simulation: the error against its noiseless truth, which no measured "
                "data can show.",
            ),
        },
        column_order=(
            "series",
            "mrrmse",
            "low",
            "high",
            *USUAL,
            "pearson",
            "cosine",
            "mrrmse_truth",
            "n",
        ),
    )


def _weights(done: Sequence[RunRecord]) -> None:
    labels = names(done)
    parts = []
    for record in done:
        ensemble = result(record).scores().get("ensemble")
        if ensemble:
            members = [model_label(key) for key in ensemble["members"]]
            frame = pd.DataFrame({"model": members, "weight": ensemble["weights"]})
            parts.append(frame.assign(series=labels[record.id]))
    if not parts:
        return
    weights = pd.concat(parts, ignore_index=True)
    st.markdown("##### Ensemble weights")
    chart = weight_bars(weights, figure.colours())
    figure.show(chart, key="ensemble-weights", data=weights, name="ensemble-weights")
    st.caption(
        "Weights of least MRRMSE on out-of-fold predictions, never negative, sum 1. The ensemble's "
        "validation score is cross-fitted: a fold's weights come from the other folds."
    )
