"""Errors of predicted expression, plain and weighted, by gene, by cell type, and over splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.metrics.regression import Metric

EXPRESSION_METRICS: Mapping[str, Metric] = {
    "mse": Metric(
        "MSE", "Mean over test cells and predicted genes of the squared error (log scale).", False
    ),
    "weighted_mse": Metric(
        "Weighted MSE",
        "Mean of (t + 1)(p − t)², the paper's loss: its optimum is E[(t+1)t|x] / E[t+1|x], not the "
        "mean, so a model that is best by one metric is not best by the other.",
        False,
    ),
    "r2": Metric(
        "Variance explained",
        "1 − squared error / squared error of the training mean, over all genes together.",
        True,
    ),
    "gene_r2": Metric(
        "Median gene R²",
        "Median over genes of 1 − squared error / squared error of the gene's training mean.",
        True,
    ),
}


@dataclass(frozen=True)
class ExpressionScore:
    """Errors of one model on one test set.

    Attributes
    ----------
    mse, weighted_mse
        Over all cells and genes.
    r2, gene_r2
        See :data:`EXPRESSION_METRICS`.
    by_gene, weighted_by_gene, r2_by_gene
        ``(n_targets,)``; R² is NaN for a gene that is constant in the test cells.
    by_type
        Cell type → (mse, weighted mse, number of cells).
    """

    mse: float
    weighted_mse: float
    r2: float
    gene_r2: float
    by_gene: np.ndarray
    weighted_by_gene: np.ndarray
    r2_by_gene: np.ndarray
    by_type: dict[str, tuple[float, float, int]]


def score_expression(
    predicted: np.ndarray,
    observed: np.ndarray,
    training_mean: np.ndarray,
    cell_types: np.ndarray,
) -> ExpressionScore:
    """Score predictions ``(n, m)`` against observed log-normalised expression ``(n, m)``.

    Parameters
    ----------
    training_mean
        Of each gene over the training cells, ``(m,)``: what R² is held against.
    cell_types
        Names ``(n,)``.
    """
    if predicted.shape != observed.shape:
        raise ValueError(f"predicted {predicted.shape} and observed {observed.shape} differ")
    squared = np.square(predicted - observed)
    weighted = squared * (observed + 1.0)
    null = np.square(observed - training_mean).mean(axis=0, dtype=np.float64)
    by_gene = squared.mean(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(observed.std(axis=0) > 0, 1.0 - by_gene / null, np.nan)
    rows, weighted_rows = (a.mean(axis=1, dtype=np.float64) for a in (squared, weighted))
    names = cell_types.astype(str)
    by_type = {}
    for name in np.unique(names):
        mask = names == name
        pair = float(rows[mask].mean()), float(weighted_rows[mask].mean())
        by_type[str(name)] = (*pair, int(mask.sum()))
    return ExpressionScore(
        mse=float(rows.mean()),
        weighted_mse=float(weighted_rows.mean()),
        r2=float(1.0 - by_gene.sum() / max(null.sum(), 1e-12)),
        gene_r2=float(np.nanmedian(r2)) if np.isfinite(r2).any() else float("nan"),
        by_gene=by_gene,
        weighted_by_gene=weighted.mean(axis=0, dtype=np.float64),
        r2_by_gene=r2,
        by_type=by_type,
    )


@dataclass(frozen=True)
class Interval:
    """A mean over splits with its interval; ``low`` and ``high`` are NaN for a single split."""

    mean: float
    low: float
    high: float


def split_interval(
    values: Sequence[float], test_share: float = 0.2, level: float = 0.95
) -> Interval:
    """Mean over random train-test splits with the corrected resampled t interval.

    Training sets of random splits overlap, so the plain standard error is too small: the
    variance is taken ``1/k + n_test/n_train`` times (Nadeau & Bengio, Machine Learning 2003).

    Parameters
    ----------
    values
        One score, or paired difference of scores, a split.
    test_share
        Share of the cells that is tested.
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean, k = float(numbers.mean()), len(numbers)
    if k < 2:
        return Interval(mean, float("nan"), float("nan"))
    factor = 1.0 / k + test_share / (1.0 - test_share)
    half = stats.t.ppf(0.5 + level / 2.0, k - 1) * np.sqrt(factor * numbers.var(ddof=1))
    return Interval(mean, float(mean - half), float(mean + half))
