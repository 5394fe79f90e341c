"""Differential expression between samples: counts summed by sample, then a test on few replicates.

Cells of one donor are no replicates; sums over a donor's cells are one each, and tests on them
keep their error rate where tests on cells do not (Squair et al. 2021,
https://doi.org/10.1038/s41467-021-25960-2; Crowell et al. 2020,
https://doi.org/10.1038/s41467-020-19894-4).

What is done here: log2 counts per million as voom's (Law et al. 2014,
https://doi.org/10.1186/gb-2014-15-2-r29: half a count added, library sizes as they are, no TMM),
a linear model of condition and, where given, of a block (the donor), and limma's moderated t
(Smyth 2004, https://doi.org/10.2202/1544-6115.1027) with one prior variance for all genes (no
trend, no voom weights). Welch's t on the same values is the alternative without a prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.special import digamma, polygamma

from core.errors import DataError
from core.metrics.enrichment import benjamini_hochberg

BulkTest = Literal["moderated-t", "welch"]
BULK_TESTS: tuple[BulkTest, ...] = get_args(BulkTest)
PER_MILLION = 1e6


@dataclass(frozen=True)
class Pseudobulk:
    """Summed counts.

    Attributes
    ----------
    counts
        float64 ``(n_samples, n_genes)``.
    samples
        One row a sample: ``sample``, ``condition``, ``block`` (or missing), ``n_cells``,
        ``library_size``.
    left_out
        Sentences on samples that were not used.
    """

    counts: np.ndarray
    samples: pd.DataFrame
    left_out: list[str]


def sum_by_sample(
    counts: Any,
    sample: pd.Series | np.ndarray | Sequence[str],
    condition: pd.Series | np.ndarray | Sequence[str],
    *,
    block: pd.Series | np.ndarray | Sequence[str] | None = None,
    min_cells: int = 10,
) -> Pseudobulk:
    """Sum raw counts over the cells of each sample and condition.

    Parameters
    ----------
    counts
        Raw counts, sparse or dense ``(n_cells, n_genes)``.
    sample, condition
        Of each cell, ``(n_cells,)``; cells without one of them take no part. A sample that has
        cells in two conditions is summed in each apart.
    block
        What pairs samples, such as the donor; constant within a sample.
    min_cells
        Sums of fewer cells are left out.

    Raises
    ------
    DataError
        Values that are no counts, or a block that changes within a sample.
    """
    matrix = counts if sparse.issparse(counts) else sparse.csr_matrix(np.asarray(counts))
    _are_counts(matrix)
    obs = pd.DataFrame({"sample": _words(sample), "condition": _words(condition)})
    if len(obs) != matrix.shape[0]:
        raise DataError(f"{len(obs):,} cells are described, but counts are of {matrix.shape[0]:,}.")
    obs["block"] = _words(block) if block is not None else None
    kept = obs[["sample", "condition"]].notna().all(axis=1).to_numpy()
    groups = obs[kept].groupby(["sample", "condition"], sort=True)
    rows, sums, left_out = [], [], []
    positions = np.flatnonzero(kept)
    for key, cells in groups.indices.items():
        name, where = map(str, key)  # type: ignore[call-overload]
        if len(cells) < min_cells:
            left_out.append(f"{name} ({where}) has {len(cells)} cells, fewer than {min_cells}.")
            continue
        blocks = obs["block"].iloc[positions[cells]].dropna().unique()
        if len(blocks) > 1:
            raise DataError(
                f"The sample '{name}' belongs to several blocks ({', '.join(blocks[:3])}): a block "
                "must be the same for all cells of a sample."
            )
        total = np.asarray(matrix[positions[cells]].sum(axis=0, dtype=np.float64)).ravel()
        rows.append((name, where, blocks[0] if len(blocks) else None, len(cells), total.sum()))
        sums.append(total)
    columns = ["sample", "condition", "block", "n_cells", "library_size"]
    samples = pd.DataFrame(rows, columns=columns)
    stacked = np.array(sums) if sums else np.zeros((0, matrix.shape[1]))
    return Pseudobulk(stacked, samples, left_out)


def _are_counts(matrix: Any) -> None:
    values = matrix.data
    if len(values) and (
        not np.isfinite(values).all() or values.min() < 0 or (values != np.round(values)).any()
    ):
        raise DataError(
            "Pseudobulk needs raw counts, but the values are not whole numbers from 0 up: the data "
            "set holds normalised expression."
        )


def _words(values: pd.Series | np.ndarray | Sequence[str]) -> np.ndarray:
    series = pd.Series(values).reset_index(drop=True).astype(object)
    return series.map(str, na_action="ignore").to_numpy()


def compare_pseudobulk(
    bulk: Pseudobulk,
    group: str,
    reference: str,
    *,
    genes: Sequence[str] | pd.Index,
    test: BulkTest = "moderated-t",
    min_count: int = 10,
) -> pd.DataFrame:
    """Test every gene between two conditions, samples being the replicates.

    Parameters
    ----------
    bulk
        Of :func:`sum_by_sample`. Where its samples have blocks in both conditions, the block is
        part of the model (a paired comparison); ``"welch"`` ignores it.
    group, reference
        Two conditions, each with two samples or more.
    genes
        Names, ``(n_genes,)``.
    min_count
        Genes that reach this count in fewer samples than the smaller condition has are not
        tested: without counts there is nothing to model.

    Returns
    -------
    pandas.DataFrame
        One row a tested gene, highest score first: ``names``, ``scores`` (t), ``logfoldchanges``
        (log2, of the model), ``pvals``, ``pvals_adj`` (Benjamini–Hochberg over the tested genes),
        ``mean_group``, ``mean_reference`` (log2 counts per million) and ``df`` (degrees of freedom).

    Raises
    ------
    DataError
        Fewer than two samples in a condition, too few samples for the blocks, no gene left.
    """
    if test not in BULK_TESTS:
        raise DataError(f"There is no test '{test}'; choose {', '.join(BULK_TESTS)}.")
    if group == reference:
        raise DataError(f"'{group}' cannot be compared with itself: choose two conditions.")
    condition = bulk.samples["condition"].to_numpy()
    for name in (group, reference):
        n = int((condition == name).sum())
        if n < 2:
            raise DataError(
                f"The condition '{name}' has {'one sample' if n == 1 else 'no sample'} with enough "
                "cells: pseudobulk needs two or more replicates a condition."
            )
    used = np.isin(condition, [group, reference])
    counts, samples = bulk.counts[used], bulk.samples[used]
    first = (condition[used] == group).astype(float)
    enough = min(int(first.sum()), int((1 - first).sum()))
    kept = (counts >= min_count).sum(axis=0) >= enough
    if not kept.any():
        raise DataError(f"No gene reaches {min_count} counts in {enough} samples.")
    library = counts.sum(axis=1, keepdims=True)
    values = np.log2((counts[:, kept] + 0.5) / (library + 1.0) * PER_MILLION)
    if test == "welch":
        result = stats.ttest_ind(values[first == 1], values[first == 0], equal_var=False)
        change = values[first == 1].mean(axis=0) - values[first == 0].mean(axis=0)
        scores, pvals, df = result.statistic, result.pvalue, result.df
    else:
        change, scores, pvals, df = _moderated(values, _design(first, samples["block"]))
    flat = np.isnan(scores) | np.isnan(pvals)
    scores, pvals = np.where(flat, 0.0, scores), np.where(flat, 1.0, pvals)
    table = pd.DataFrame(
        {
            "names": np.asarray(pd.Index(genes).astype(str))[kept],
            "scores": scores,
            "logfoldchanges": change,
            "pvals": pvals,
            "pvals_adj": benjamini_hochberg(pvals),
            "mean_group": values[first == 1].mean(axis=0),
            "mean_reference": values[first == 0].mean(axis=0),
            "df": df,
        }
    )
    return table.sort_values("scores", ascending=False, kind="stable").reset_index(drop=True)


def _design(first: np.ndarray, block: pd.Series) -> np.ndarray:
    """Columns: the condition, then the intercept and the blocks that span both conditions."""
    columns = [first, np.ones_like(first)]
    if block.notna().all():
        spanning = block.groupby(block).transform(
            lambda own: len(set(first[block.index.get_indexer(own.index)])) == 2
        )
        names = list(dict.fromkeys(block[spanning.astype(bool)]))
        columns += [(block == name).to_numpy(float) for name in names[1:]]
    design = np.stack(columns, axis=1)
    if len(design) - np.linalg.matrix_rank(design) < 1:
        raise DataError(
            f"{len(design)} samples are too few for their blocks: no degree of freedom is left to "
            "estimate a variance; test without blocks."
        )
    return design


def _moderated(
    values: np.ndarray, design: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Coefficient of the first column, its moderated t, p and degrees of freedom."""
    inverse = np.linalg.pinv(design)
    coefficients = inverse @ values
    df = len(design) - int(np.linalg.matrix_rank(design))
    variance = ((values - design @ coefficients) ** 2).sum(axis=0) / df
    prior_df, prior_variance = variance_prior(variance, df)
    if np.isinf(prior_df):
        posterior = np.full_like(variance, prior_variance)
    else:
        posterior = (prior_df * prior_variance + df * variance) / (prior_df + df)
    total = min(prior_df + df, df * len(variance))
    scale = np.sqrt((inverse[0] ** 2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = coefficients[0] / (np.sqrt(posterior) * scale)
    return (
        coefficients[0],
        scores,
        2 * stats.t.sf(np.abs(scores), total),
        np.full(len(scores), total),
    )


def variance_prior(variance: np.ndarray, df: int) -> tuple[float, float]:
    """Degrees of freedom and variance of the prior that genes share.

    Moments of log s² under s² ~ s0² F(df, d0): equations of Smyth 2004, section 6.2.

    Parameters
    ----------
    variance
        Residual variances, ``(n_genes,)``.
    df
        Their degrees of freedom.

    Returns
    -------
    tuple of float
        ``d0`` (infinite where variances vary no more than by chance) and ``s0²``.
    """
    middle = np.median(variance)
    floor = 1e-5 * middle if middle > 0 else np.finfo(float).tiny
    e = np.log(np.maximum(variance, floor)) - digamma(df / 2) + np.log(df / 2)
    spread = (e.var(ddof=1) if len(e) > 1 else 0.0) - float(polygamma(1, df / 2))
    if spread <= 0:
        return float("inf"), float(np.exp(e.mean()))
    d0 = 2 * _trigamma_inverse(spread)
    return d0, float(np.exp(e.mean() + digamma(d0 / 2) - np.log(d0 / 2)))


def _trigamma_inverse(x: float) -> float:
    """Newton's method on 1 / trigamma, which is convex (Smyth 2004, appendix)."""
    if x > 1e7:
        return float(1 / np.sqrt(x))
    if x < 1e-6:
        return 1 / x
    y = 0.5 + 1 / x
    for _ in range(50):
        trigamma = float(polygamma(1, y))
        step = trigamma * (1 - trigamma / x) / float(polygamma(2, y))
        y += step
        if -step / y < 1e-8:
            break
    return y
