"""Agreement of predicted and observed responses, row by row (a row is a pair, over all genes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """What pages and the CLI say about a metric.

    Attributes
    ----------
    label, help
        Its name, and what it is in one sentence.
    higher_is_better
        The direction of improvement.
    """

    label: str
    help: str
    higher_is_better: bool


METRICS: Mapping[str, Metric] = {
    "mrrmse": Metric(
        "MRRMSE",
        "Mean over rows of the root mean squared error over genes: the competition's metric.",
        False,
    ),
    "rmse": Metric("Row RMSE", "Root mean squared error of one row over all genes.", False),
    "pearson": Metric(
        "Row Pearson r",
        "Pearson correlation of predicted and observed response over the genes of a row; "
        "undefined where either is constant.",
        True,
    ),
    "cosine": Metric(
        "Row cosine",
        "Cosine of the angle between predicted and observed response of a row; undefined where "
        "either is zero.",
        True,
    ),
    "gain": Metric(
        "Gain",
        "Share by which the MRRMSE is lower than a baseline's on the same rows.",
        True,
    ),
}


def row_rmse(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Root mean squared error of each row.

    Parameters
    ----------
    observed, predicted
        Responses ``(n, n_genes)``.

    Returns
    -------
    numpy.ndarray
        float64 ``(n,)``: ``sqrt(mean_j (y_ij − ŷ_ij)²)``.

    Raises
    ------
    ValueError
        If the shapes differ or there are no genes.
    """
    observed, predicted = _pair(observed, predicted)
    error = predicted - observed
    return np.sqrt(np.einsum("ij,ij->i", error, error) / observed.shape[1])


def mrrmse(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Mean rowwise root mean squared error, the metric of the NeurIPS 2023 competition.

    ``1/R Σ_i (1/n Σ_j (y_ij − ŷ_ij)²)^(1/2)`` with R rows and n genes; NaN without rows.
    """
    rows = row_rmse(observed, predicted)
    return float(rows.mean()) if len(rows) else float("nan")


def row_pearson(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson correlation over genes of each row, float64 ``(n,)``.

    NaN where either row is constant (its correlation is not defined); average with ``nanmean``
    and say how many rows were left out.
    """
    observed, predicted = _pair(observed, predicted)
    return _cosine(
        observed - observed.mean(axis=1, keepdims=True),
        predicted - predicted.mean(axis=1, keepdims=True),
        np.abs(observed).max(axis=1),
        np.abs(predicted).max(axis=1),
    )


def row_cosine(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Cosine similarity over genes of each row, float64 ``(n,)``; NaN where either is zero."""
    observed, predicted = _pair(observed, predicted)
    return _cosine(observed, predicted, np.abs(observed).max(axis=1), np.abs(predicted).max(axis=1))


def per_group(values: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Mean of row values ``(n,)`` for each group ``(n,)`` (cell type …), NaN rows left out."""
    values, groups = np.asarray(values, dtype=np.float64), np.asarray(groups).astype(str)
    means = {}
    for group in sorted(set(groups)):
        inside = values[groups == group]
        inside = inside[~np.isnan(inside)]
        means[group] = float(inside.mean()) if len(inside) else float("nan")
    return means


def bootstrap_ci(
    values: np.ndarray, *, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of row values.

    Parameters
    ----------
    values
        One value a row, ``(n,)``; NaN rows are left out.
    level
        Coverage, in (0, 1).
    n_resamples
        Resamples of the rows, with replacement.
    seed
        Seed of the resampling.

    Returns
    -------
    tuple of float
        Lower and upper bound; NaN without rows.

    Notes
    -----
    Efron (1979). Rows of one compound are not independent; the interval treats them as if.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    # How often each row is drawn is multinomial: one matrix product gives all resampled means.
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples)
    means = counts @ values / n
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return float(low), float(high)


def gain(score: float, baseline: float) -> float:
    """Relative improvement on a baseline, ``(baseline − score) / baseline``; 0.1 is 10 % better.

    For errors such as MRRMSE, of the same rows. NaN where the baseline is 0.
    """
    return (baseline - score) / baseline if baseline else float("nan")


def row_scores(observed: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """``rmse``, ``pearson`` and ``cosine`` of each row, float64 ``(n,)`` each."""
    return {
        "rmse": row_rmse(observed, predicted),
        "pearson": row_pearson(observed, predicted),
        "cosine": row_cosine(observed, predicted),
    }


def _pair(observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    observed = np.asarray(observed, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    if observed.shape != predicted.shape or observed.ndim != 2:
        raise ValueError(f"observed {observed.shape} and predicted {predicted.shape} do not match")
    if observed.shape[1] == 0:
        raise ValueError("there are no genes to compare")
    return observed, predicted


def _cosine(a: np.ndarray, b: np.ndarray, size_a: np.ndarray, size_b: np.ndarray) -> np.ndarray:
    norm_a, norm_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    # What rounding leaves of a constant row after its mean is taken off counts as nothing.
    noise = 1e-12 * np.sqrt(a.shape[1])
    defined = (norm_a > noise * size_a) & (norm_b > noise * size_b)
    cosine = np.full(len(a), np.nan)
    inner = np.einsum("ij,ij->i", a, b)
    np.divide(inner, norm_a * norm_b, out=cosine, where=defined)
    return np.clip(cosine, -1.0, 1.0)
