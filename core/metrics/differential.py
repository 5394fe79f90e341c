"""Differential expression between groups of cells: rank-sum and t-tests, gene by gene.

Scores, p-values and log fold changes are those of ``scanpy.tl.rank_genes_groups`` (Wolf et al.
2018, https://doi.org/10.1186/s13059-017-1382-0), whose column names the tables carry; an effect
size that does not grow with the number of cells stands beside them. The unit of these tests is
the cell: cells of one donor are no independent replicates (Squair et al. 2021,
https://doi.org/10.1038/s41467-021-25960-2); where donors are known see
:mod:`core.metrics.pseudobulk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from core.errors import DataError
from core.metrics.enrichment import benjamini_hochberg
from core.metrics.sparse_moments import GroupMoments, group_moments, shape_of
from core.progress import OnProgress, silent

Test = Literal["wilcoxon", "t-test", "t-test_overestim_var"]
Scale = Literal["log1p", "log2", "log10", "linear"]
TESTS: tuple[Test, ...] = get_args(Test)
#: Natural logarithm of the base in which values stand; linear values have none.
_LOG_BASE = {"log1p": 1.0, "log2": float(np.log(2)), "log10": float(np.log(10))}
#: Fewest cells of a group: with fewer, no variance and no ranking means anything.
MIN_CELLS = 3
#: scanpy's offset, which keeps a fold change finite where a mean is 0.
OFFSET = 1e-9
REST = "rest"


@dataclass(frozen=True)
class _Side:
    """Moments of one side of a comparison over all genes; the side may join several groups."""

    n: int
    mean: np.ndarray
    variance: np.ndarray
    n_nonzero: np.ndarray


def compare_groups(
    matrix: Any,
    group: np.ndarray,
    reference: np.ndarray,
    *,
    genes: Sequence[str] | pd.Index,
    names: tuple[str, str] = ("group", "reference"),
    test: Test = "wilcoxon",
    tie_correct: bool = False,
    scale: Scale = "log1p",
    effect_size: bool = True,
    on_progress: OnProgress = silent,
) -> pd.DataFrame:
    """Test every gene between two sets of cells.

    Parameters
    ----------
    matrix
        Log-normalised expression, CSR, CSC or dense ``(n_cells, n_genes)``, or an
        :class:`~core.data.expression.Expression`.
    group, reference
        Boolean masks ``(n_cells,)`` or positions of cells; a cell is in one of them at most.
    genes
        Names, ``(n_genes,)``.
    names
        What the two are called in messages and in the column ``group``.
    test
        ``"wilcoxon"`` (rank sum, normal approximation without continuity correction),
        ``"t-test"`` (Welch) or ``"t-test_overestim_var"`` (the reference's number of cells taken
        as the group's).
    tie_correct
        Correct the rank sum's variance for ties; scanpy's default is not to.
    scale
        What values are, for the fold change: ``"log1p"`` (natural), ``"log2"`` or ``"log10"`` of
        1 + x, or ``"linear"``.
    effect_size
        Whether t-tests also rank, to give ``auc`` and ``cliffs_delta``.
    on_progress
        Called with genes done, genes in all.

    Returns
    -------
    pandas.DataFrame
        One row a gene, highest score first: ``group``, ``names``, ``scores``,
        ``logfoldchanges`` (log2), ``pvals``, ``pvals_adj`` (Benjamini–Hochberg over all genes),
        ``pct_nz_group``, ``pct_nz_reference`` (shares from 0 to 1), ``mean_group``,
        ``mean_reference``, ``auc`` (probability that a cell of the group exceeds one of the
        reference, ties half) and ``cliffs_delta`` (2 auc − 1). A gene that is constant over
        both has score 0, p 1 and auc 0.5.

    Raises
    ------
    DataError
        Fewer than :data:`MIN_CELLS` cells in one of them, cells in both, values that are not
        finite, an unknown test.
    """
    _known(test)
    masks = [_mask(cells, shape_of(matrix)[0]) for cells in (group, reference)]
    shared = int((masks[0] & masks[1]).sum())
    if shared:
        raise DataError(
            f"{shared:,} cells are in both '{names[0]}' and '{names[1]}': a cell can stand on one "
            "side of a comparison only."
        )
    for mask, name in zip(masks, names, strict=True):
        _enough(int(mask.sum()), name)
    codes = np.where(masks[0], 0, np.where(masks[1], 1, -1))
    ranks = test == "wilcoxon" or effect_size
    moments = group_moments(matrix, codes, 2, ranks=ranks, on_progress=on_progress)
    return _table(
        moments,
        0,
        [1],
        _index(genes, shape_of(matrix)[1]),
        names[0],
        test=test,
        tie_correct=tie_correct,
        scale=scale,
    )


def rank_genes(
    matrix: Any,
    labels: pd.Series | np.ndarray | Sequence[str],
    *,
    genes: Sequence[str] | pd.Index,
    groups: Sequence[str] | None = None,
    test: Test = "wilcoxon",
    tie_correct: bool = False,
    scale: Scale = "log1p",
    effect_size: bool = True,
    on_progress: OnProgress = silent,
) -> pd.DataFrame:
    """Test every gene in each group against the rest, all groups from one ranking.

    Parameters
    ----------
    matrix, genes, test, tie_correct, scale, effect_size, on_progress
        As :func:`compare_groups`.
    labels
        Group of each cell, ``(n_cells,)``. Cells without a label take no part (scanpy counts
        them to the rest).
    groups
        Which groups to report, in that order; default: all, sorted. The rest is all other
        labelled cells in any case.

    Returns
    -------
    pandas.DataFrame
        The rows of :func:`compare_groups` for each group, one group after the other.

    Raises
    ------
    DataError
        Fewer than two groups, a group that does not exist or has fewer than :data:`MIN_CELLS`
        cells, values that are not finite, an unknown test.
    """
    _known(test)
    codes, known = group_codes(labels)
    asked = known if groups is None else [str(name) for name in groups]
    if len(known) < 2:
        what = f"all cells are in '{known[0]}'" if known else "no cell has a label"
        raise DataError(f"Two groups or more are needed to compare, but {what}.")
    for name in asked:
        if name not in known:
            raise DataError(f"There is no group '{name}'; the groups are {', '.join(known[:12])}.")
        size = int((codes == known.index(name)).sum())
        _enough(size, name)
        _enough(int((codes >= 0).sum()) - size, f"rest of '{name}'")
    ranks = test == "wilcoxon" or effect_size
    moments = group_moments(matrix, codes, len(known), ranks=ranks, on_progress=on_progress)
    index = _index(genes, shape_of(matrix)[1])
    tables = []
    for name in asked:
        own = known.index(name)
        rest = [i for i in range(len(known)) if i != own]
        tables.append(
            _table(moments, own, rest, index, name, test=test, tie_correct=tie_correct, scale=scale)
        )
    return pd.concat(tables, ignore_index=True)


def group_codes(labels: pd.Series | np.ndarray | Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Codes from 0 (-1: no label) and the names of groups that have cells, in sorted order.

    Categories keep their own order.
    """
    series = pd.Series(labels).reset_index(drop=True)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.cat.remove_unused_categories()
        order = list(series.cat.categories)
        codes = series.cat.codes.to_numpy(np.int32)
        return codes, [str(name) for name in order]
    text = series.map(str, na_action="ignore")
    codes, names = pd.factorize(text, sort=True)
    return codes.astype(np.int32), [str(name) for name in names]


def _known(test: str) -> None:
    if test not in TESTS:
        raise DataError(f"There is no test '{test}'; choose {', '.join(TESTS)}.")


def _enough(n: int, name: str) -> None:
    if n < MIN_CELLS:
        cells = "1 cell" if n == 1 else f"{n} cells"
        raise DataError(f"The group '{name}' has {cells}: a test needs {MIN_CELLS} or more.")


def _mask(cells: np.ndarray, n: int) -> np.ndarray:
    cells = np.asarray(cells)
    if cells.dtype == bool:
        if len(cells) != n:
            raise DataError(f"A group is a mask of {len(cells):,} cells; the matrix has {n:,}.")
        return cells
    mask = np.zeros(n, dtype=bool)
    mask[cells.astype(np.int64)] = True
    return mask


def _index(genes: Sequence[str] | pd.Index, n: int) -> pd.Index:
    if len(genes) != n:
        raise DataError(f"There are {len(genes):,} gene names for {n:,} columns.")
    return pd.Index(genes).astype(str)


def _side(moments: GroupMoments, groups: list[int]) -> _Side:
    """Several groups as one (Chan et al. 1983), without cancellation."""
    n = int(moments.sizes[groups].sum())
    mean = moments.mean[groups]
    weights = moments.sizes[groups][:, None] / max(n, 1)
    low, high = moments.low[groups].min(axis=0), moments.high[groups].max(axis=0)
    constant = low == high
    together = np.where(constant, low, (weights * mean).sum(axis=0))
    apart = (moments.sizes[groups][:, None] * (mean - together) ** 2).sum(axis=0)
    m2 = np.where(constant, 0.0, moments.m2[groups].sum(axis=0) + apart)
    return _Side(n, together, m2 / max(n - 1, 1), moments.n_nonzero[groups].sum(axis=0))


def _table(
    moments: GroupMoments,
    own: int,
    rest: list[int],
    genes: pd.Index,
    name: str,
    *,
    test: Test,
    tie_correct: bool,
    scale: Scale,
) -> pd.DataFrame:
    group, reference = _side(moments, [own]), _side(moments, rest)
    if test == "wilcoxon":
        scores, pvals = _rank_sum(moments, own, group.n, reference.n, tie_correct)
    else:
        scores, pvals = _welch(group, reference, overestimate=test == "t-test_overestim_var")
    columns = {
        "group": name,
        "names": genes.to_numpy(),
        "scores": scores,
        "logfoldchanges": log_fold_change(group.mean, reference.mean, scale),
        "pvals": pvals,
        "pvals_adj": benjamini_hochberg(pvals),
        "pct_nz_group": group.n_nonzero / group.n,
        "pct_nz_reference": reference.n_nonzero / reference.n,
        "mean_group": group.mean,
        "mean_reference": reference.mean,
    }
    if moments.rank_sum is not None:
        above = moments.rank_sum[own] - group.n * (group.n + 1) / 2
        auc = above / (float(group.n) * reference.n)
        columns |= {"auc": auc, "cliffs_delta": 2 * auc - 1}
    order = np.argsort(-scores, kind="stable")
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def log_fold_change(group: np.ndarray, reference: np.ndarray, scale: Scale) -> np.ndarray:
    """log2 ratio of two mean expressions, each offset by 1e-9, as scanpy.

    On a log scale it is the means of the logarithms that are taken back to the linear scale.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if scale == "linear":
            above, below = group, reference
        else:
            base = _LOG_BASE[scale]
            above, below = np.expm1(group * base), np.expm1(reference * base)
        return np.log2((above + OFFSET) / (below + OFFSET))


def _rank_sum(
    moments: GroupMoments, own: int, n: int, m: int, tie_correct: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The z of the rank sum (Wilcoxon 1945; Mann & Whitney 1947) and its two-sided p."""
    assert moments.rank_sum is not None
    assert moments.ties is not None
    total = float(n + m)
    correction = 1.0 - moments.ties / (total**3 - total) if tie_correct else 1.0
    spread = np.sqrt(correction * n * float(m) * (total + 1) / 12.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = (moments.rank_sum[own] - n * (total + 1) / 2.0) / spread
    scores = np.where(np.isnan(scores), 0.0, scores)
    return scores, 2 * stats.norm.sf(np.abs(scores))


def _welch(group: _Side, reference: _Side, *, overestimate: bool) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        scores, pvals = stats.ttest_ind_from_stats(
            mean1=group.mean,
            std1=np.sqrt(group.variance),
            nobs1=group.n,
            mean2=reference.mean,
            std2=np.sqrt(reference.variance),
            nobs2=group.n if overestimate else reference.n,
            equal_var=False,
        )
    same = np.isnan(scores)
    return np.where(same, 0.0, scores), np.where(same | np.isnan(pvals), 1.0, pvals)
