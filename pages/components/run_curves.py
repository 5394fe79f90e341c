"""Training curves of the selected runs, live while one of them trains."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.plots.training import loss_curves, mean_over_folds
from core.runs import RunRecord, curve_summary, get_run, history
from core.settings import get_settings
from pages.components import figure
from pages.components.guard import guard
from pages.components.run_labels import colours, model_label, names

REFRESH = 2.0
LOSS, MRRMSE = "Loss", "Validation MRRMSE"
MEAN, FOLDS = "Mean over folds", "Every fold"


def curves(records: Sequence[RunRecord]) -> None:
    """Controls, curves and their summary; refreshes by itself while a run trains."""
    active = any(record.active for record in records)
    ids = [record.id for record in records]
    st.fragment(_curves, run_every=REFRESH if active else None)(ids, active)


def _curves(ids: list[str], was_active: bool) -> None:
    with guard():
        records = [get_run(id, settings=get_settings()) for id in ids]
        if any(record.active for record in records) != was_active:
            st.rerun()
        quantity, folds, smoothing, log_y = _controls()
        epochs = _histories(records)
        if epochs.empty:
            st.info(
                "There are no training curves: no network of these runs has finished an epoch "
                "(baselines and classical models are fitted in one step).",
                icon=":material/info:",
            )
            return
        chart = loss_curves(
            epochs,
            figure.colours(),
            quantity="loss" if quantity == LOSS else "mrrmse",
            folds="mean" if folds == MEAN else "folds",
            smoothing=smoothing,
            colours=colours(records, figure.colours()),
            log_y=log_y,
        )
        chart.update_layout(uirevision="-".join(ids))
        drawn = mean_over_folds(epochs) if folds == MEAN else epochs
        figure.show(
            chart,
            key="runs-curves",
            data=drawn,
            name="training-curves",
            alt="Training and validation loss over epochs",
        )
        _words(records, quantity)
        _summary(epochs)


def _controls() -> tuple[str, str, float, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        quantity = st.segmented_control(
            "Curve", [LOSS, MRRMSE], default=LOSS, required=True, key="curve", bind="query-params"
        )
        folds = st.segmented_control(
            "Folds", [MEAN, FOLDS], default=MEAN, required=True, key="folds", bind="query-params"
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.95,
            0.0,
            0.05,
            key="smoothing",
            bind="query-params",
            width=220,
            help="Exponential moving average; the raw curve stays behind it, faint.",
        )
        log_y = st.toggle("Logarithmic", key="log", bind="query-params")
    return str(quantity), str(folds), float(smoothing), bool(log_y)


def _histories(records: Sequence[RunRecord]) -> pd.DataFrame:
    labels = names(records)
    frames = [history(r.id, settings=get_settings()).assign(run=labels[r.id]) for r in records]
    frames = [frame for frame in frames if not frame.empty]
    if not frames:
        return pd.DataFrame()
    epochs = pd.concat(frames, ignore_index=True)
    return epochs.assign(model=epochs["model"].map(model_label))


def _words(records: Sequence[RunRecord], quantity: str) -> None:
    st.caption(
        "Training loss is measured in training (with dropout). Validation rows are set apart from "
        "the fold's training rows to stop early; with patience 0 they are the fold's held-out "
        "rows, which then only watch. ★ best epoch: lowest validation MRRMSE; the dotted bar is "
        "the overfitting gap there. Faint lines: not all folds have reached the epoch."
    )
    losses = {str((r.config.get("training") or {}).get("loss")) for r in records}
    if quantity == LOSS and len(losses) > 1:
        st.caption(
            f":material/warning: These runs minimise different losses ({', '.join(sorted(losses))}): "
            "compare their validation MRRMSE instead."
        )


def _summary(epochs: pd.DataFrame) -> None:
    parts = [
        curve_summary(curves.drop(columns="run")).assign(run=run)
        for run, curves in epochs.groupby("run", sort=False)
    ]
    summary = pd.concat(parts, ignore_index=True)
    judged = summary[summary["fold"] != "final"]
    columns = ["epochs", "best_epoch", "best_val_mrrmse", "gap", "rise", "seconds"]
    mean = judged.groupby(["run", "model"], sort=False)[columns].mean()
    mean.insert(0, "folds", judged.groupby(["run", "model"], sort=False)["fold"].nunique())
    column = st.column_config
    st.dataframe(
        mean.reset_index(),
        hide_index=True,
        key="runs-curve-summary",
        column_config={
            "run": "Run",
            "model": "Model",
            "folds": column.NumberColumn("Folds", help="Folds with at least one epoch."),
            "epochs": column.NumberColumn("Epochs", format="%.1f", help="Mean over folds."),
            "best_epoch": column.NumberColumn("Best epoch", format="%.1f"),
            "best_val_mrrmse": column.NumberColumn("Best MRRMSE", format="%.4f"),
            "gap": column.NumberColumn(
                "Overfitting gap",
                format="%+.4f",
                help="Validation − training loss at the best epoch, mean over folds.",
            ),
            "rise": column.NumberColumn(
                "Cost of later epochs",
                format="%+.4f",
                help="Last − best validation MRRMSE: what training on would have cost.",
            ),
            "seconds": column.NumberColumn("Seconds a fold", format="%.1f"),
        },
    )
