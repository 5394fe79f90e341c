"""Read-outs of in-silico knock-outs, which ask whether a response is the gene's or its rank's.

The question is that of discussion #337 of the Geneformer model hub: a deleted gene moves every
gene below it up one rank, and their embeddings step down together. Responses are cosine
distances ``1 − cos`` by rank, NaN where a gene has no embedding after the knock-out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

#: Genes above or below that a step is told from; fewer, and it is NaN.
FEWEST = 3
#: Genes on either side that the step itself is told from, apart from a trend along the whole cell.
NEAR = 100
#: Columns of :func:`read_outs`.
READ_OUTS = (
    "rank",
    "median_above",
    "median_below",
    "step_height",
    "auc",
    "auc_near",
    "spearman_with_rank",
    "median",
    "max",
)


@dataclass(frozen=True)
class Step:
    """How the genes above a knocked rank differ from those below it.

    Attributes
    ----------
    median_above, median_below
        Median response of genes ranked above and below.
    auc
        Probability that a gene below has moved more than a gene above (Mann–Whitney): 0.5 without
        a step or trend, 1 with a clean step down of the cosine.
    auc_near
        The same among the 100 genes on either side: a response that rises or falls smoothly along
        the cell has an ``auc`` far from 0.5, but no step at the rank.
    n_above, n_below
        Genes on either side.
    """

    rank: int
    median_above: float
    median_below: float
    auc: float
    auc_near: float
    n_above: int
    n_below: int

    @property
    def height(self) -> float:
        """Median below less median above."""
        return self.median_below - self.median_above


def step(shift: np.ndarray, rank: int) -> Step:
    """The step at ``rank`` in the response ``(l,)`` of a cell's genes.

    AUC and medians are NaN where a side has fewer than three genes.
    """
    above, below = shift[:rank], shift[rank + 1 :]
    near_above, near_below = _finite(above[-NEAR:]), _finite(below[:NEAR])
    above, below = _finite(above), _finite(below)
    if min(len(above), len(below)) < FEWEST:
        return Step(rank, np.nan, np.nan, np.nan, np.nan, len(above), len(below))
    return Step(
        rank,
        float(np.median(above)),
        float(np.median(below)),
        auc(below, above),
        auc(near_below, near_above),
        len(above),
        len(below),
    )


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Probability that a positive lies above a negative, ties counted as half."""
    n, m = len(positives), len(negatives)
    if not n or not m:
        return float("nan")
    ranks = rankdata(np.concatenate([positives, negatives]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman correlation over the entries that both have; NaN where one of them is constant."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < FEWEST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)


def rank_correlation(shift: np.ndarray, rank: int | None = None) -> float:
    """Spearman correlation of the response ``(l,)`` with the genes' own rank.

    ``rank``, the knocked one, is left out.
    """
    others = np.arange(len(shift)) != (-1 if rank is None else rank)
    return spearman(np.arange(len(shift), dtype=float)[others], shift[others])


def positional_share(delete: np.ndarray, shift_only: np.ndarray) -> float:
    """Share of the response to a deletion that the shift-only control reproduces, 0 to 1.

    ``1 − Σ |delete − shift_only| / Σ delete`` over genes, not below 0: 1 where moving the
    positions alone gives every gene the same response, 0 where it gives none of it.

    Parameters
    ----------
    delete, shift_only
        Responses of the same knock-outs, ``(l,)`` or ``(n, l)``; genes missing in one are left
        out.
    """
    both = np.isfinite(delete) & np.isfinite(shift_only)
    total = float(delete[both].sum())
    if total <= 0:
        return float("nan")
    return max(0.0, 1.0 - float(np.abs(delete - shift_only)[both].sum()) / total)


def verdict(share: float, *, what: str = "this response") -> str:
    """The positional share in words."""
    if not np.isfinite(share):
        return f"There is no response to explain in {what}."
    percent = f"{100 * share:.0f} %" if share < 0.995 else f"{100 * share:.1f} %"
    if share >= 0.5:
        return f"{percent} of {what} is explained by rank: the gene's absence is not what is seen."
    if share >= 0.05:
        return f"{percent} of {what} is explained by rank; the rest is the gene's absence."
    return f"Only {percent} of {what} is explained by rank."


def top_overlap(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Share of the ``k`` genes that respond most in ``a`` that are so in ``b`` as well."""
    both = np.flatnonzero(np.isfinite(a) & np.isfinite(b))
    k = min(k, len(both))
    if k < 1:
        return float("nan")

    def top(values: np.ndarray) -> np.ndarray:
        return both[np.argsort(-values[both], kind="stable")[:k]]

    return len(np.intersect1d(top(a), top(b))) / k


def agreement(
    first: np.ndarray, second: np.ndarray, ranks: np.ndarray, *, top: int = 50
) -> pd.DataFrame:
    """How far two modes agree on each of the same knock-outs.

    Parameters
    ----------
    first, second
        Responses ``(n, l)``.
    ranks
        Knocked ranks ``(n,)``; the knocked gene itself is left out.
    top
        Genes of the overlap.

    Returns
    -------
    pandas.DataFrame
        ``rank, spearman, top_overlap, expected_overlap`` (of two random choices), a row a
        knock-out.
    """
    rows = []
    for a, b, rank in zip(first, second, ranks, strict=True):
        a, b = a.copy(), b.copy()
        if rank >= 0:
            a[rank] = b[rank] = np.nan
        n = int((np.isfinite(a) & np.isfinite(b)).sum())
        rows.append(
            {
                "rank": int(rank),
                "spearman": spearman(a, b),
                "top_overlap": top_overlap(a, b, top),
                "expected_overlap": min(top, n) / n if n else np.nan,
            }
        )
    return pd.DataFrame(rows)


def read_outs(shift: np.ndarray, ranks: np.ndarray) -> pd.DataFrame:
    """Step and rank correlation of each knock-out.

    Parameters
    ----------
    shift
        Responses ``(n, l)``.
    ranks
        Knocked ranks ``(n,)``, from 0.

    Returns
    -------
    pandas.DataFrame
        ``rank, median_above, median_below, step_height, auc, auc_near, spearman_with_rank, median,
        max``.
    """
    rows = []
    for row, rank in zip(shift, ranks, strict=True):
        at = step(row, int(rank))
        others = _finite(np.delete(row, rank))
        rows.append(
            {
                "rank": int(rank),
                "median_above": at.median_above,
                "median_below": at.median_below,
                "step_height": at.height,
                "auc": at.auc,
                "auc_near": at.auc_near,
                "spearman_with_rank": rank_correlation(row, int(rank)),
                "median": float(np.median(others)) if len(others) else np.nan,
                "max": float(others.max()) if len(others) else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=list(READ_OUTS))


def interval(
    values: np.ndarray, *, level: float = 0.95, n_boot: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Median over cells with its percentile bootstrap interval, cells drawn with replacement.

    Returns
    -------
    tuple
        Median, low and high; the interval is NaN for fewer than two cells.
    """
    values = _finite(np.asarray(values, dtype=np.float64))
    if not len(values):
        return (float("nan"),) * 3
    middle = float(np.median(values))
    if len(values) < 2:
        return middle, float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(values), size=(n_boot, len(values)))
    medians = np.median(values[drawn], axis=1)
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
    return middle, float(low), float(high)


def over_cells(
    table: pd.DataFrame,
    by: str | list[str],
    columns: list[str],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Median and interval over cells of each column, for each group of rows.

    Parameters
    ----------
    table
        One row a cell and group, such as :func:`read_outs` of many cells below each other.
    by
        What stays apart: ``"mode"``, ``["mode", "rank"]``.

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, ``n``, and for each column ``c``: ``c``, ``c_low``, ``c_high``.
    """
    rows = []
    keys = [by] if isinstance(by, str) else by
    for key, group in table.groupby(keys, sort=False):
        row = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        row["n"] = len(group)
        for column in columns:
            middle, low, high = interval(group[column].to_numpy(), level=level, seed=seed)
            row |= {column: middle, f"{column}_low": low, f"{column}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)
