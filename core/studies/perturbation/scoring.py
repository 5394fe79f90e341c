"""From a run's predictions to its numbers: scores row by row, nested, and flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.metrics.regression import bootstrap_ci, gain, per_group, row_rmse, row_scores
from core.studies.perturbation.plan import Spec

#: The simulation's noiseless truth as a prediction: no model can be expected to do better.
ORACLE = "oracle"
VALIDATION, TEST = "validation", "test"
#: Baselines that gains are stated over.
_COMPARED = ("mean", "geometric_median")
#: Numbers of a block that do not go into the flat summary by their own name.
_NOT_FLAT = frozenset({"mrrmse", "per_cell_type", "n_rows", "undefined_pearson"})


def score_rows(
    key: str,
    rows: np.ndarray,
    obs: pd.DataFrame,
    folds: np.ndarray,
    observed: np.ndarray,
    predicted: np.ndarray,
    truth: np.ndarray | None = None,
) -> pd.DataFrame:
    """Scores of the given rows under one model, on raw responses.

    Parameters
    ----------
    key
        The model.
    rows
        Positions in the table, ``(n,)``.
    obs
        The table's pairs (all of them).
    folds
        Fold of each row of ``rows``, −1 for test rows.
    observed, predicted
        Responses of those rows, ``(n, n_genes)``.
    truth
        A simulation's noiseless responses of those rows, if there are any.

    Returns
    -------
    pandas.DataFrame
        ``row, cell_type, sm_name, split, fold, model, rmse, pearson, cosine`` and, with
        ``truth``, ``rmse_truth``.
    """
    about = obs.iloc[rows]
    frame = pd.DataFrame(
        {
            "row": np.asarray(rows, dtype=np.int64),
            "cell_type": about["cell_type"].to_numpy(),
            "sm_name": about["sm_name"].to_numpy(),
            "split": about["split"].to_numpy(),
            "fold": np.asarray(folds, dtype=np.int64),
            "model": key,
            **row_scores(observed, predicted),
        }
    )
    if truth is not None:
        frame["rmse_truth"] = row_rmse(truth, predicted)
    return frame


def block(rows: pd.DataFrame, against: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Numbers of one model on a set of rows; ``against``: MRRMSE of baselines on the same rows.

    Rows whose correlation is undefined (a constant prediction) are left out of its mean and
    counted in ``undefined_pearson``.
    """
    rmse = rows["rmse"].to_numpy()
    low, high = bootstrap_ci(rmse)
    score = float(rmse.mean())
    pearson = rows["pearson"].to_numpy()
    found: dict[str, Any] = {
        "n_rows": len(rows),
        "mrrmse": score,
        "mrrmse_low": low,
        "mrrmse_high": high,
        "pearson": _nanmean(pearson),
        "cosine": _nanmean(rows["cosine"].to_numpy()),
        "undefined_pearson": int(np.isnan(pearson).sum()),
        "per_cell_type": per_group(rmse, rows["cell_type"].to_numpy()),
    }
    if "rmse_truth" in rows and rows["rmse_truth"].notna().all():
        found["mrrmse_truth"] = float(rows["rmse_truth"].mean())
    for name, baseline in (against or {}).items():
        found[f"gain_over_{name}"] = gain(score, baseline)
    return found


def scores(rows: pd.DataFrame, specs: Sequence[Spec], primary: str) -> dict[str, Any]:
    """Nested numbers of a run: validation, and test split by split, for every model.

    Returns
    -------
    dict
        ``{"primary", "models": {key: {"label", "kind", "chosen", "validation": block,
        "test": {"public_test": block, …, "all": block}}}, "oracle": {…}}``.
    """
    labels = {spec.key: (spec.label, spec.kind, spec.chosen) for spec in specs}
    models: dict[str, Any] = {}
    oracle: dict[str, Any] | None = None
    subsets = _subsets(rows)
    for key in rows["model"].unique():
        found: dict[str, Any] = {VALIDATION: None, TEST: {}}
        for name, subset in subsets.items():
            mine = subset[subset["model"] == key]
            if mine.empty:
                continue
            against = {
                other: float(subset.loc[subset["model"] == other, "rmse"].mean())
                for other in _COMPARED
                if other != key and (subset["model"] == other).any()
            }
            numbers = block(mine, against)
            if name == VALIDATION:
                found[VALIDATION] = numbers
            else:
                found[TEST][name] = numbers
        if key == ORACLE:
            oracle = found
        else:
            label, kind, chosen = labels.get(key, ("Ensemble", "ensemble", True))
            models[key] = {"label": label, "kind": kind, "chosen": chosen, **found}
    return {"primary": primary, "models": models, "oracle": oracle}


def summary(nested: Mapping[str, Any]) -> dict[str, float]:
    """Flat numbers for the run store.

    Plain names (``mrrmse``, ``mrrmse/B cells``, ``test/public_test/mrrmse``) are those of the
    primary model: the ensemble, or the only model. ``<model>/mrrmse`` and
    ``<model>/test/public_test/mrrmse`` hold for every model, ``<model>/mrrmse/B cells`` for the
    chosen ones, ``oracle/…`` for the floor of a simulation.
    """
    flat: dict[str, float] = {}
    models = nested["models"]
    _flatten(flat, "", models[nested["primary"]], cell_types=True, everything=True)
    for key, model in models.items():
        _flatten(flat, f"{key}/", model, cell_types=model["chosen"] and len(models) > 1)
    if nested.get("oracle"):
        _flatten(flat, f"{ORACLE}/", nested["oracle"], cell_types=False)
    return {key: value for key, value in flat.items() if value is not None and np.isfinite(value)}


def _flatten(
    flat: dict[str, float],
    prefix: str,
    model: Mapping[str, Any],
    *,
    cell_types: bool,
    everything: bool = False,
) -> None:
    blocks = {"": model[VALIDATION]}
    blocks |= {f"{TEST}/" if k == "all" else f"{TEST}/{k}/": v for k, v in model[TEST].items()}
    for place, numbers in blocks.items():
        if not numbers:
            continue
        flat[f"{prefix}{place}mrrmse"] = numbers["mrrmse"]
        if everything:
            for name, value in numbers.items():
                if name not in _NOT_FLAT:
                    flat[f"{prefix}{place}{name}"] = value
        if cell_types and place in ("", f"{TEST}/"):
            for cell_type, value in numbers["per_cell_type"].items():
                flat[f"{prefix}{place}mrrmse/{cell_type}"] = value


def _subsets(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    test = rows[rows["fold"] < 0]
    found = {VALIDATION: rows[rows["fold"] >= 0]}
    found |= {str(split): part for split, part in test.groupby("split", sort=False)}
    return found | ({"all": test} if len(test) else {})


def _nanmean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
