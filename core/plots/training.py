"""Training curves: loss over epochs, several runs overlaid, train against validation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.theme import Palette, label, style
from core.runs.compare import curve_summary

FoldView = Literal["mean", "folds"]
Quantity = Literal["loss", "mrrmse"]

_COLUMNS = {"loss": ("train_loss", "val_loss"), "mrrmse": (None, "val_mrrmse")}
_VALUES = ["train_loss", "val_loss", "val_mrrmse", "seconds"]


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average without the start-up bias.

    Parameters
    ----------
    values
        Curve ``(n,)``; NaN where nothing was measured (kept NaN, and passed over).
    weight
        0 (no smoothing) to below 1; the share of the past in each smoothed value.

    Returns
    -------
    numpy.ndarray
        float32 ``(n,)``. The debiasing is that of Adam (Kingma & Ba 2015, section 3): the sum
        of weights seen so far divides the running sum.

    Raises
    ------
    ValueError
        Where ``weight`` is not in ``[0, 1)``.
    """
    if not 0.0 <= weight < 1.0:
        raise ValueError(f"the smoothing weight must be in [0, 1), not {weight}")
    out = np.full(len(values), np.nan, dtype=np.float32)
    total = mass = 0.0
    for i, value in enumerate(np.asarray(values, dtype=np.float64)):
        if np.isfinite(value):
            total = weight * total + (1.0 - weight) * value
            mass = weight * mass + (1.0 - weight)
            out[i] = total / mass
    return out


def mean_over_folds(history: pd.DataFrame) -> pd.DataFrame:
    """Mean curve over the folds of each (run, model).

    Parameters
    ----------
    history
        Columns ``run``, ``model``, ``fold``, ``epoch``, ``train_loss``, ``val_loss``,
        ``val_mrrmse``, ``seconds``; one row an epoch and fold. The fit on all training rows (fold
        ``"final"``) has no validation rows and is left out.

    Returns
    -------
    pandas.DataFrame
        ``run``, ``model``, ``epoch``, the means, ``n_folds`` (folds that reached the
        epoch: after an early stop the mean is over fewer) and ``complete`` (whether all did).
    """
    folds = history[history["fold"].astype(str) != "final"]
    if folds.empty:
        columns = ["run", "model", "epoch", *_VALUES, "n_folds", "complete"]
        return pd.DataFrame({name: [] for name in columns})
    grouped = folds.groupby(["run", "model", "epoch"], sort=True, observed=True)
    mean = grouped[_VALUES].mean()
    mean["n_folds"] = grouped["fold"].nunique()
    mean = mean.reset_index()
    most = mean.groupby(["run", "model"], observed=True)["n_folds"].transform("max")
    mean["complete"] = mean["n_folds"] == most
    return mean


def loss_curves(
    history: pd.DataFrame,
    palette: Palette,
    *,
    quantity: Quantity = "loss",
    folds: FoldView = "mean",
    smoothing: float = 0.0,
    colours: Mapping[str, str] | None = None,
    log_y: bool = False,
) -> go.Figure:
    """Loss over epochs: one panel a model, one colour a run, training dashed.

    Parameters
    ----------
    history
        One row an epoch and fold, see :func:`mean_over_folds`; ``run`` names the run.
    palette
        Colours of the page.
    quantity
        ``"loss"`` (training and validation, in each run's own loss) or ``"mrrmse"``
        (validation MRRMSE, comparable between runs of the same folds).
    folds
        ``"mean"`` over folds, or every one of ``"folds"``.
    smoothing
        Weight of :func:`smooth`; the raw curve stays behind it, faint.
    colours
        Colour of each run; default: the palette's, in order of appearance.

    Returns
    -------
    plotly.graph_objects.Figure
        A star marks the best epoch (lowest unsmoothed validation MRRMSE, as
        :func:`core.runs.compare.curve_summary` finds it), a dotted bar beside it the gap between
        training and validation loss. A mean curve is judged only where all folds take part.
    """
    curves = mean_over_folds(history) if folds == "mean" else history
    models = list(dict.fromkeys(curves["model"])) if len(curves) else []
    runs = list(dict.fromkeys(history["run"])) if len(curves) else []
    shades: Mapping[Any, str] = colours or palette.colours(runs)
    figure = make_subplots(
        cols=max(len(models), 1),
        shared_yaxes=True,
        subplot_titles=[label(model) for model in models] if len(models) > 1 else None,
        horizontal_spacing=0.04,
    )
    keys = ["model", "run"] + (["fold"] if folds == "folds" else [])
    for key, curve in curves.groupby(keys, sort=False, observed=True):
        model, run = key[0], key[1]
        name = label(run) + (f", fold {key[2]}" if folds == "folds" else "")
        _curve(
            figure,
            curve.sort_values("epoch"),
            col=models.index(model) + 1,
            name=name,
            colour=shades[run],
            quantity=quantity,
            smoothing=smoothing,
            thin=folds == "folds",
        )
    for run in runs:
        _legend(figure, label(run), shades[run], "solid")
    if quantity == "loss":
        _legend(figure, "training", palette.muted, "dash")
        _legend(figure, "validation", palette.muted, "solid")
        _legend(figure, "overfitting gap", palette.muted, "dot")
    _legend(figure, "best epoch", palette.muted, None)
    figure.update_xaxes(title_text="epoch", rangemode="tozero")
    title = "loss" if quantity == "loss" else "validation MRRMSE"
    figure.update_yaxes(title_text=title, col=1)
    if log_y:
        figure.update_yaxes(type="log")
    return style(figure, palette)


def _curve(
    figure: go.Figure,
    curve: pd.DataFrame,
    *,
    col: int,
    name: str,
    colour: str,
    quantity: Quantity,
    smoothing: float,
    thin: bool,
) -> None:
    epochs = curve["epoch"].to_numpy(np.int32)
    train, validation = _COLUMNS[quantity]
    width = 1.2 if thin else 2.2
    for column, dash, kind in ((train, "dash", "training"), (validation, "solid", "validation")):
        if column is None:
            continue
        raw = curve[column].to_numpy(np.float32)
        if not np.isfinite(raw).any():
            continue
        if smoothing > 0:
            _line(figure, col, epochs, raw, colour, dash, 1.0, opacity=0.25)
        hover = f"{name}<br>{kind} %{{y:.4f}}<br>epoch %{{x}}%{{customdata}}<extra></extra>"
        smoothed = smooth(raw, smoothing) if smoothing > 0 else raw
        notes = _fold_notes(curve)
        for segment, opacity in _segments(curve):
            _line(
                figure,
                col,
                epochs[segment],
                smoothed[segment],
                colour,
                dash,
                width,
                opacity=opacity,
                hover=hover,
                customdata=notes[segment],
            )
    _marks(figure, curve, col=col, name=name, colour=colour, column=validation, gap=bool(train))


def _segments(curve: pd.DataFrame) -> list[tuple[slice, float]]:
    """Stretches of a curve with their opacity: faint where not all folds take part."""
    if "complete" not in curve:
        return [(slice(0, len(curve)), 1.0)]
    complete = curve["complete"].to_numpy(bool)
    cuts = [0, *(np.flatnonzero(np.diff(complete)) + 1).tolist(), len(curve)]
    stretches = []
    for start, stop in pairwise(cuts):
        opacity = 1.0 if complete[start] else 0.45
        stretches.append((slice(max(start - 1, 0), stop), opacity))  # joined to the one before
    return stretches


def _fold_notes(curve: pd.DataFrame) -> np.ndarray:
    if "n_folds" not in curve:
        return np.full(len(curve), "", dtype=object)
    counts = curve["n_folds"].to_numpy(int)
    words = [f"<br>mean of {n} fold{'s' if n > 1 else ''}" for n in counts]
    return np.asarray(words, dtype=object)


def _line(
    figure: go.Figure,
    col: int,
    x: np.ndarray,
    y: np.ndarray,
    colour: str,
    dash: str,
    width: float,
    *,
    opacity: float,
    hover: str | None = None,
    customdata: np.ndarray | None = None,
) -> None:
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            opacity=opacity,
            showlegend=False,
            hovertemplate=hover,
            hoverinfo=None if hover else "skip",
            customdata=customdata,
        ),
        row=1,
        col=col,
    )


def _marks(
    figure: go.Figure,
    curve: pd.DataFrame,
    *,
    col: int,
    name: str,
    colour: str,
    column: str | None,
    gap: bool,
) -> None:
    whole = curve[curve["complete"].astype(bool)] if "complete" in curve else curve
    mark = curve_summary(whole.assign(model="", fold="")).iloc[0]
    best = whole[whole["epoch"] == mark["best_epoch"]].iloc[0]
    if column is None or not np.isfinite(best[column]):
        return
    epoch = int(mark["best_epoch"])
    figure.add_trace(
        go.Scatter(
            x=np.asarray([epoch], np.int32),
            y=np.asarray([best[column]], np.float32),
            mode="markers",
            marker={"symbol": "star", "size": 11, "color": colour},
            showlegend=False,
            hovertemplate=f"{name}<br>best epoch %{{x}}: %{{y:.4f}}<br>the epochs after it: "
            f"{mark['rise']:+.4f}<extra></extra>",
        ),
        row=1,
        col=col,
    )
    if gap and np.isfinite(mark["gap"]):
        figure.add_trace(
            go.Scatter(
                x=np.asarray([epoch, epoch], np.int32),
                y=np.asarray([best["val_loss"], best["train_loss"]], np.float32),
                mode="lines+markers",
                line={"color": colour, "dash": "dot", "width": 1.2},
                marker={"symbol": "line-ew-open", "size": 8, "color": colour},
                showlegend=False,
                hovertemplate=f"{name}<br>overfitting gap at epoch {epoch}: "
                f"{mark['gap']:+.4f}<extra></extra>",
            ),
            row=1,
            col=col,
        )


def _legend(figure: go.Figure, name: str, colour: str, dash: str | None) -> None:
    """An entry of the legend with no data of its own."""
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            name=name,
            mode="lines" if dash else "markers",
            line={"color": colour, "dash": dash, "width": 2.2} if dash else None,
            marker=None if dash else {"symbol": "star", "size": 10, "color": colour},
        )
    )
