"""Goal-state shifts of knock-outs against rank-matched genes, and against all genes.

A response that follows from the rank is shared by every gene of that rank, so a knock-out is
compared with genes of nearly the same rank. A null pooled over all ranks lets the rank leak into
the p-values; both are given side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from core.errors import DataError
from core.metrics.enrichment import benjamini_hochberg
from core.metrics.knockout import spearman
from core.models.rank_transformer.knockout import KnockoutResult

MATCHED, POOLED = "matched", "pooled"
_ALTERNATIVES = ("greater", "less", "two-sided")


def goal_shift(before: np.ndarray, after: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """How much nearer each knock-out brings a cell to a goal state.

    ``cos(after, goal) − cos(before, goal)``.

    Parameters
    ----------
    before, after
        Mean embeddings of the cell, ``(n, d)``.
    goal
        Mean embedding of the goal state's cells, ``(d,)``.

    Returns
    -------
    numpy.ndarray
        float64 ``(n,)``; positive: towards the goal.
    """
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    aim = np.asarray(goal, np.float64)
    aim = aim / np.linalg.norm(aim)
    left = before / np.linalg.norm(before, axis=1, keepdims=True)
    right = after / np.linalg.norm(after, axis=1, keepdims=True)
    # the difference first: both cosines are near 1 and their difference is small
    return (right - left) @ aim


def goal_table(
    results: Iterable[tuple[str, KnockoutResult]],
    names_of: Callable[[np.ndarray], np.ndarray],
    goal: np.ndarray,
) -> pd.DataFrame:
    """Goal-state shifts of many cells' single knock-outs, as :func:`gene_tests` takes them.

    Parameters
    ----------
    results
        Name of each cell and its knock-outs; groups and new genes are left out.
    names_of
        Tokens to gene names, such as ``vocabulary.names_of``.
    goal
        Mean embedding of the goal state's cells after the same layer, ``(d,)``.

    Returns
    -------
    pandas.DataFrame
        ``cell, gene, rank, shift``, the shift positive towards the goal.
    """
    parts = []
    for cell, result in results:
        single = np.array([len(target) == 1 for target in result.targets], dtype=bool)
        ranks = result.ranks[single]
        moved = goal_shift(result.before[single], result.after[single], goal)
        genes = names_of(result.tokens[ranks])
        parts.append(pd.DataFrame({"cell": cell, "gene": genes, "rank": ranks, "shift": moved}))
    if not parts:
        raise DataError("There are no knock-outs to compare with a goal state.")
    return pd.concat(parts, ignore_index=True)


def gene_tests(
    table: pd.DataFrame,
    value: str = "shift",
    *,
    window: int = 50,
    n_draws: int = 1000,
    min_cells: int = 1,
    alternative: str = "greater",
    seed: int = 0,
) -> pd.DataFrame:
    """Test each gene's mean value over cells against a rank-matched and a pooled null.

    A draw of the matched null replaces the gene in each of its cells by another gene of that
    cell within ``window`` ranks, less the straight trend of values over those ranks (at the top
    of a cell there are neighbours on one side only, and the trend would count as an effect); a
    draw of the pooled null by any other gene of the cell.

    Parameters
    ----------
    table
        One row a cell and knocked gene: ``cell, gene, rank`` and the ``value``.
    value
        Column that is tested, such as the goal-state shift.
    window
        Ranks on either side that count as matched.
    n_draws
        Draws of each null; the smallest p-value is ``1 / (n_draws + 1)``.
    min_cells
        Genes tested in fewer cells are left out.
    alternative
        ``"greater"``, ``"less"`` or ``"two-sided"`` (distance from the null's mean).

    Returns
    -------
    pandas.DataFrame
        ``gene, n_cells, rank`` (median), ``mean``, ``null_matched, p_matched, q_matched,
        null_pooled, p_pooled, q_pooled``; most significant by the matched null first.

    Raises
    ------
    DataError
        If a column is missing or no gene is left.
    """
    missing = [c for c in ("cell", "gene", "rank", value) if c not in table]
    if missing:
        raise DataError(f"The table of knock-outs has no column '{missing[0]}'.")
    if alternative not in _ALTERNATIVES:
        raise DataError(f"The alternative is one of {', '.join(_ALTERNATIVES)}.")
    ordered = table[np.isfinite(table[value])].sort_values(["cell", "rank"], kind="stable")
    ordered = ordered.reset_index(drop=True)
    sizes = ordered.groupby("cell", sort=False)["rank"].transform("size").to_numpy()
    codes = ordered["cell"].ne(ordered["cell"].shift()).cumsum().to_numpy()
    first = np.searchsorted(codes, codes, side="left")
    last = first + sizes
    rank = ordered["rank"].to_numpy()
    # rows of the same cell whose rank is within the window, as a range of the sorted table
    big = int(rank.max(initial=0)) + 2 * window + 2
    line = codes.astype(np.int64) * big + rank
    low = np.maximum(np.searchsorted(line, line - window, side="left"), first)
    high = np.minimum(np.searchsorted(line, line + window, side="right"), last)
    values = ordered[value].to_numpy(dtype=np.float64)
    slope = _slopes(values, rank.astype(np.float64), low, high)
    rng = np.random.default_rng(seed)
    rows = []
    for gene, at in ordered.groupby("gene", sort=True).indices.items():
        at = np.asarray(at)
        if len(at) < min_cells:
            continue
        mean = float(values[at].mean())
        row: dict[str, object] = {
            "gene": gene,
            "n_cells": len(at),
            "rank": float(np.median(rank[at])),
            "mean": mean,
        }
        for kind, start, stop in ((MATCHED, low, high), (POOLED, first, last)):
            trend = (slope[at], rank) if kind == MATCHED else None
            null = draw_means(values, at, start[at], stop[at], n_draws, rng, trend)
            row[f"null_{kind}"] = float(null.mean()) if len(null) else np.nan
            row[f"p_{kind}"] = p_value(mean, null, alternative)
        rows.append(row)
    if not rows:
        raise DataError(f"No gene was knocked out in at least {min_cells:,} cells.")
    out = pd.DataFrame(rows)
    for kind in (MATCHED, POOLED):
        p = out[f"p_{kind}"].to_numpy()
        q = np.full(len(p), np.nan)
        tested = np.isfinite(p)
        q[tested] = benjamini_hochberg(p[tested])
        out[f"q_{kind}"] = q
    order = ["gene", "n_cells", "rank", "mean"]
    order += [f"{what}_{kind}" for kind in (MATCHED, POOLED) for what in ("null", "p", "q")]
    gain = (out["mean"] - out["null_matched"]).to_numpy()
    gain = {"greater": gain, "less": -gain, "two-sided": np.abs(gain)}[alternative]
    return out[order].iloc[np.lexsort((-gain, out["p_matched"]))].reset_index(drop=True)


def rank_leak(tests: pd.DataFrame) -> dict[str, float]:
    """Spearman correlation of p-values with rank under either null: 0 where no rank leaks in."""
    rank = tests["rank"].to_numpy(dtype=np.float64)
    return {kind: spearman(rank, tests[f"p_{kind}"].to_numpy()) for kind in (MATCHED, POOLED)}


def draw_means(
    values: np.ndarray,
    at: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    n_draws: int,
    rng: np.random.Generator,
    trend: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Means of draws, each row of ``at`` replaced by another row of its range, ``(n_draws,)``.

    ``trend``: slope at each of ``at``, and rank of every row; drawn values are moved along the
    slope to the rank of the row that they replace.
    """
    choices = stop - start - 1
    usable = choices > 0
    if not usable.any():
        return np.array([])
    at, start, choices = at[usable], start[usable], choices[usable]
    drawn = start + np.floor(rng.random((n_draws, len(at))) * choices).astype(np.int64)
    drawn += drawn >= at  # skip the gene itself
    found = values[drawn]
    if trend is not None:
        slope, rank = trend[0][usable], trend[1]
        found = found + slope * (rank[at] - rank[drawn])
    return found.mean(axis=1)


def _slopes(y: np.ndarray, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Least-squares slope of ``y`` on ``x`` over the rows ``low … high − 1`` of each row."""
    y = y - y.mean()

    def over(values: np.ndarray) -> np.ndarray:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        return sums[high] - sums[low]

    n, sx, sy = (high - low).astype(np.float64), over(x), over(y)
    spread = over(x * x) - sx * sx / n
    together = over(x * y) - sx * sy / n
    return np.where(spread > 0, together / np.where(spread > 0, spread, 1.0), 0.0)


def p_value(observed: float, null: np.ndarray, alternative: str) -> float:
    """Permutation p-value, at least ``1 / (n_draws + 1)``; NaN without draws."""
    if not len(null):
        return float("nan")
    if alternative == "two-sided":
        middle = null.mean()
        extreme = (np.abs(null - middle) >= abs(observed - middle)).sum()
    else:
        extreme = (null >= observed).sum() if alternative == "greater" else (null <= observed).sum()
    return float((extreme + 1) / (len(null) + 1))
