"""The ensemble of a run, with a score that its weights have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.models.ensemble import blend, fit_weights


@dataclass(frozen=True)
class Blending:
    """Chosen models joined.

    Attributes
    ----------
    keys
        Members, in the order of the weights.
    weights
        Fitted on all out-of-fold predictions, ``(n_members,)``: for test rows and new molecules.
    fold_weights
        Row ``k`` was fitted without fold ``k``, ``(n_folds, n_members)``.
    out_of_fold
        Cross-fitted prediction ``(n_train, n_genes)``: fold ``k`` blended with row ``k``; NaN
        where a row is never held out.
    """

    keys: tuple[str, ...]
    weights: np.ndarray
    fold_weights: np.ndarray
    out_of_fold: np.ndarray


def blend_folds(
    keys: Sequence[str],
    out_of_fold: Callable[[str], np.ndarray],
    values: np.ndarray,
    folds: np.ndarray,
) -> Blending | None:
    """Fit the ensemble; ``None`` where nothing was joined.

    Parameters
    ----------
    keys
        Members; see :func:`core.studies.perturbation.plan.members`.
    out_of_fold
        Out-of-fold predictions ``(n_train, n_genes)`` of a model.
    values
        Raw training responses, ``(n_train, n_genes)``.
    folds
        Fold of each training row, −1 for never held out.
    """
    if not keys:
        return None
    scored = np.flatnonzero(folds >= 0)
    members = [out_of_fold(key)[scored] for key in keys]
    observed, fold_of = values[scored], folds[scored]
    joined = np.full(values.shape, np.nan, dtype=np.float32)
    fold_weights = []
    for fold in range(int(folds.max()) + 1):
        inside = fold_of == fold
        weights = fit_weights([member[~inside] for member in members], observed[~inside])
        joined[scored[inside]] = blend([member[inside] for member in members], weights)
        fold_weights.append(weights)
    weights = fit_weights(members, observed)
    return Blending(tuple(keys), np.asarray(weights), np.stack(fold_weights), joined)
