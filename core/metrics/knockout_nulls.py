"""Nulls of knock-outs: goal-state shifts, partners and gene sets against rank-matched genes.

A response that follows from the rank is shared by every gene of that rank, so a knock-out is
compared with genes of nearly the same rank. A null pooled over all ranks lets the rank leak into
the p-values; both are given side by side.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from core.errors import DataError
from core.metrics.enrichment import EnrichmentIndex, benjamini_hochberg
from core.metrics.knockout import auc, spearman

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
            null = _draws(values, at, start[at], stop[at], n_draws, rng, trend)
            row[f"null_{kind}"] = float(null.mean()) if len(null) else np.nan
            row[f"p_{kind}"] = _p_value(mean, null, alternative)
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


def partner_test(
    shift: np.ndarray,
    genes: Iterable[str],
    partners: Iterable[str],
    *,
    window: int = 50,
    n_draws: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """Whether known partners of a knocked gene respond more than genes of their ranks.

    Parameters
    ----------
    shift
        Response ``(l,)`` by rank; NaN is left out.
    genes
        Gene of each rank, ``(l,)``.
    partners
        Genes that are expected to respond.

    Returns
    -------
    dict
        ``n`` partners found; ``auc`` of partners against all other genes; ``excess``: mean
        percentile of partners within their rank windows less 0.5; ``p_matched``, one-sided,
        against random genes of the same windows.
    """
    names = np.asarray(list(genes), dtype=object)
    wanted = set(partners)
    there = np.array([name in wanted for name in names]) & np.isfinite(shift)
    at = np.flatnonzero(there)
    if not len(at):
        return {"n": 0, "auc": np.nan, "excess": np.nan, "p_matched": np.nan}
    local = local_percentile(shift, window)
    observed = float(local[at].mean())
    rng = np.random.default_rng(seed)
    valid = np.flatnonzero(np.isfinite(shift))
    place = np.searchsorted(valid, at)
    low = np.searchsorted(valid, at - window, side="left")
    high = np.searchsorted(valid, at + window, side="right")
    null = _draws(local[valid], place, low, high, n_draws, rng)
    others = np.isfinite(shift) & ~there
    return {
        "n": len(at),
        "auc": auc(shift[at], shift[others]),
        "excess": observed - 0.5,
        "p_matched": _p_value(observed, null, "greater"),
    }


def local_percentile(shift: np.ndarray, window: int = 50) -> np.ndarray:
    """Share of genes within ``window`` ranks that respond less than each gene, ``(l,)``.

    Ties count as half; NaN where the gene has no response or no neighbour.
    """
    length = len(shift)
    out = np.full(length, np.nan)
    for i in np.flatnonzero(np.isfinite(shift)):
        near = shift[max(0, i - window) : min(length, i + window + 1)]
        near = near[np.isfinite(near)]
        if len(near) > 1:
            less, same = (near < shift[i]).sum(), (near == shift[i]).sum() - 1
            out[i] = (less + 0.5 * same) / (len(near) - 1)
    return out


def responders(shift: np.ndarray, genes: Iterable[str], *, window: int = 50) -> pd.DataFrame:
    """Genes by response, beside how they stand among genes of their rank.

    Parameters
    ----------
    shift
        Response ``(l,)``, or of several knock-outs or cells on one ranking, averaged by the
        caller.

    Returns
    -------
    pandas.DataFrame
        ``gene, rank, shift, percentile_in_rank``, largest response first.
    """
    table = pd.DataFrame(
        {
            "gene": np.asarray(list(genes), dtype=object),
            "rank": np.arange(len(shift)),
            "shift": shift,
            "percentile_in_rank": local_percentile(shift, window),
        }
    )
    table = table[np.isfinite(table["shift"])]
    return table.sort_values("shift", ascending=False, kind="stable", ignore_index=True)


def responder_enrichment(
    shift: np.ndarray,
    genes: Iterable[str],
    index: EnrichmentIndex,
    *,
    top: int = 100,
    bin_size: int = 100,
    n_draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Gene sets among the genes that respond most, against rank-matched random genes.

    The usual hypergeometric test takes every gene as equally likely. The matched null draws as
    many genes from each bin of ranks as the responders have there, so a set of highly ranked
    genes (ribosome) is not enriched for its ranks alone.

    Parameters
    ----------
    shift
        Response ``(l,)`` by rank.
    genes
        Symbol of each rank, ``(l,)``.
    index
        Gene sets prepared for a background; genes outside it count in no set.
    top
        Responders taken.
    bin_size
        Ranks that count as alike.

    Returns
    -------
    pandas.DataFrame
        That of :meth:`~core.metrics.enrichment.EnrichmentIndex.test`, with ``expected_matched``,
        ``p_matched`` and ``q_matched``; sets without a hit are tested too.
    """
    names = np.asarray(list(genes), dtype=object)
    valid = np.flatnonzero(np.isfinite(shift))
    names, response = names[valid], np.asarray(shift)[valid]
    top = min(top, len(names))
    chosen = np.argsort(-response, kind="stable")[:top]
    tests = index.test(names[chosen])
    columns = index.background.get_indexer(pd.Index(names))
    known = columns >= 0
    # (n_terms, n_valid): which sets each ranked gene is in
    membership = index.membership.tocsc()[:, np.where(known, columns, 0)].toarray()
    membership[:, ~known] = 0
    bins = valid // max(bin_size, 1)
    picked = np.zeros(len(names))
    picked[chosen] = 1
    rng = np.random.default_rng(seed)
    observed = membership @ picked
    total, exceed = np.zeros(len(observed)), np.zeros(len(observed))
    done = 0
    while done < n_draws:
        size = min(200, n_draws - done)
        draws = np.empty((len(names), size))
        for one in np.unique(bins):
            rows = np.flatnonzero(bins == one)
            draws[rows] = rng.permuted(np.tile(picked[rows][:, None], (1, size)), axis=0)
        overlap = membership @ draws
        total += overlap.sum(axis=1)
        exceed += (overlap >= observed[:, None]).sum(axis=1)
        done += size
    p_values = (exceed + 1) / (n_draws + 1)
    matched = pd.DataFrame(
        {
            "term": index.terms,
            "expected_matched": total / n_draws,
            "p_matched": p_values,
            "q_matched": benjamini_hochberg(p_values),
        }
    )
    joined = tests.merge(matched, on="term", how="left")
    return joined.sort_values(["p_matched", "p_value"], kind="stable", ignore_index=True)


def _draws(
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


def _p_value(observed: float, null: np.ndarray, alternative: str) -> float:
    if not len(null):
        return float("nan")
    if alternative == "two-sided":
        middle = null.mean()
        extreme = (np.abs(null - middle) >= abs(observed - middle)).sum()
    else:
        extreme = (null >= observed).sum() if alternative == "greater" else (null <= observed).sum()
    return float((extreme + 1) / (len(null) + 1))
