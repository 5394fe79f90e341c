"""Who answers a knock-out: known partners and gene sets, against genes of the same ranks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from core.metrics.enrichment import EnrichmentIndex, benjamini_hochberg
from core.metrics.knockout import auc
from core.metrics.knockout_nulls import draw_means, p_value


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
    null = draw_means(local[valid], place, low, high, n_draws, rng)
    others = np.isfinite(shift) & ~there
    return {
        "n": len(at),
        "auc": auc(shift[at], shift[others]),
        "excess": observed - 0.5,
        "p_matched": p_value(observed, null, "greater"),
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
        drawn = np.empty((len(names), size))
        for one in np.unique(bins):
            rows = np.flatnonzero(bins == one)
            drawn[rows] = rng.permuted(np.tile(picked[rows][:, None], (1, size)), axis=0)
        overlap = membership @ drawn
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
