"""Row scores of several runs beside one another: what a figure draws as one series, and means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.metrics.regression import bootstrap_ci, gain

#: Kinds of a model in a run: the user's, one for comparison; the third is scoring.ORACLE.
CHOSEN, BASELINE = "chosen", "baseline"


def series_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the series that each row belongs to, and mark what would be drawn twice.

    Parameters
    ----------
    rows
        One row a scored pair and model, of one or several runs: ``run`` (name), ``model`` (key),
        ``label`` (its name), ``kind`` (one of :data:`CHOSEN`, :data:`BASELINE`, ``"oracle"``),
        ``row``, ``split``, ``rmse``.

    Returns
    -------
    pandas.DataFrame
        With the columns ``series`` and ``repeated``, series of chosen models first. A chosen model
        is its own series, named by its run where several runs are there. A baseline of several
        runs is one series where its scores are the same (same data, same folds, same treatment of
        the target), with the rows of all but the first run marked as repeated; else one a run.
    """
    several = rows["run"].nunique() > 1
    groups: list[tuple[Any, pd.DataFrame]] = list(
        rows.groupby(["run", "model"], sort=False, observed=True)
    )
    firsts = {key: _first_alike(key, groups) for key, group in groups}
    parts = []
    for (run, model), group in groups:
        label, kind, repeated = group["label"].iloc[0], group["kind"].iloc[0], False
        if kind == CHOSEN:
            name = f"{run} · {label}" if several else label
        else:
            first = firsts[run, model]
            repeated = first != run
            alone = len({firsts[key] for key, _ in groups if key[1] == model}) == 1
            name = label if alone else f"{label}, folds of {first}"
        parts.append((kind != CHOSEN, group.assign(series=name, repeated=repeated)))
    parts.sort(key=lambda part: part[0])
    return pd.concat([group for _, group in parts], ignore_index=True)


def _first_alike(key: Any, groups: list[tuple[Any, pd.DataFrame]]) -> str:
    """The first run whose scores of this model are the same, but for rounding."""
    run, model = key
    mine = dict(groups)[key].set_index(["split", "row"])["rmse"].sort_index()
    for (other_run, other_model), group in groups:
        if other_model != model:
            continue
        other = group.set_index(["split", "row"])["rmse"].sort_index()
        if mine.index.equals(other.index) and np.allclose(mine, other, rtol=1e-4):
            return str(other_run)
    return str(run)


def summarise(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean scores of groups of rows, with an interval of the MRRMSE.

    Parameters
    ----------
    rows
        One row a scored pair: ``rmse``, ``pearson``, ``cosine`` and the columns ``by``.
    by
        Columns that name a group, as ``("series", "cell_type")``.

    Returns
    -------
    pandas.DataFrame
        One row a group, in order of appearance: ``by``, ``mrrmse`` with its 95 % bootstrap
        interval ``low`` and ``high`` (rows resampled), ``pearson`` and ``cosine`` (means over the
        rows where they are defined; NaN where they are nowhere), ``n`` (rows) and, for
        simulations, ``mrrmse_truth`` (the same error against the noiseless truth).
    """
    records = []
    for key, group in rows.groupby(list(by), sort=False, observed=True):
        low, high = bootstrap_ci(group["rmse"].to_numpy())
        means = group[["rmse", "pearson", "cosine"]].mean()
        n = int(group["rmse"].notna().sum())
        records.append((*key, means["rmse"], low, high, means["pearson"], means["cosine"], n))
    columns = [*by, "mrrmse", "low", "high", "pearson", "cosine", "n"]
    table = pd.DataFrame(records, columns=columns)
    if "rmse_truth" in rows and rows["rmse_truth"].notna().any():
        means = rows.groupby(list(by), sort=False, observed=True)["rmse_truth"].mean()
        table["mrrmse_truth"] = means.to_numpy()
    return table


def gains(rows: pd.DataFrame, baselines: Sequence[str]) -> pd.DataFrame:
    """Gain in MRRMSE over baselines of the same run and the same rows.

    Parameters
    ----------
    rows
        Row scores of all models: ``run``, ``model``, ``rmse``; one split.
    baselines
        Model keys.

    Returns
    -------
    pandas.DataFrame
        Index (``run``, ``model``), one column a baseline: ``(baseline − score) / baseline``.
    """
    scores = rows.groupby(["run", "model"], sort=False, observed=True)["rmse"].mean()
    runs = scores.index.get_level_values("run")
    table = {}
    for key in baselines:
        table[key] = [
            gain(score, scores[run, key]) if (run, key) in scores else float("nan")
            for run, score in zip(runs, scores, strict=True)
        ]
    return pd.DataFrame(table, index=scores.index)


def worst_rows(rows: pd.DataFrame, n: int = 15) -> pd.DataFrame:
    """The pairs of largest error: one row a pair, one column a series, largest mean error first.

    Parameters
    ----------
    rows
        Row scores of one split: ``series``, ``row``, ``cell_type``, ``sm_name``, ``rmse``.
    n
        Most pairs to return.
    """
    index = ["row", "cell_type", "sm_name"]
    table = rows.pivot_table(index=index, columns="series", values="rmse", sort=False)
    order = table.mean(axis=1).sort_values(ascending=False).index
    return table.loc[order].head(n).reset_index()


def with_strength(rows: pd.DataFrame) -> pd.DataFrame:
    """Add ``rms``, the root mean square of each observed row: the error of predicting zero.

    Parameters
    ----------
    rows
        Row scores of all models of *one* run; NaN where it has no model ``zero``.
    """
    zero = rows[rows["model"] == "zero"].drop_duplicates(["row", "split"])
    strength = zero.set_index(["row", "split"])["rmse"]
    keys = pd.MultiIndex.from_frame(rows[["row", "split"]])
    return rows.assign(rms=strength.reindex(keys).to_numpy())
