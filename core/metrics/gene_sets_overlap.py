"""Sets of genes against each other: overlaps, chance, and where the chosen genes lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from core.data.gene_renames import former, renames
from core.errors import DataError
from core.metrics.enrichment import benjamini_hochberg, hypergeometric_tail


def pairwise_overlap(sets: Mapping[str, Iterable[str]], background: Iterable[str]) -> pd.DataFrame:
    """Every pair of sets against chance.

    Parameters
    ----------
    sets
        Name → genes; genes outside the background are left out and counted.
    background
        Measured genes: what the sets could have been drawn from.

    Returns
    -------
    DataFrame
        One row a pair: ``a, b, n_a, n_b`` (in the background), ``shared``, ``expected`` (mean of
        random sets of these sizes), ``fold``, ``jaccard``, ``p_more`` and ``p_less`` (one-sided
        hypergeometric: as many or more, as few or fewer), ``q`` (Benjamini–Hochberg of twice the
        smaller one, over all pairs).

    Raises
    ------
    DataError
        With an empty background.
    """
    every = pd.Index(dict.fromkeys(map(str, background)))
    if not len(every):
        raise DataError("The background holds no gene.")
    masks = {name: every.isin(list(map(str, genes))) for name, genes in sets.items()}
    names = list(masks)
    rows = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            n_a, n_b = int(masks[a].sum()), int(masks[b].sum())
            shared = int((masks[a] & masks[b]).sum())
            expected = n_a * n_b / len(every)
            union = n_a + n_b - shared
            size = np.array([n_b])
            more = hypergeometric_tail(np.array([shared]), len(every), size, n_a)[0]
            above = hypergeometric_tail(np.array([shared + 1]), len(every), size, n_a)[0]
            rows.append(
                {
                    "a": a,
                    "b": b,
                    "n_a": n_a,
                    "n_b": n_b,
                    "shared": shared,
                    "expected": expected,
                    "fold": shared / expected if expected > 0 else np.nan,
                    "jaccard": shared / union if union else np.nan,
                    "p_more": float(more),
                    "p_less": float(1 - above),
                }
            )
    frame = pd.DataFrame(rows, columns=[*_COLUMNS])
    two_sided = np.minimum(2 * np.minimum(frame["p_more"], frame["p_less"]), 1.0)
    frame["q"] = benjamini_hochberg(two_sided.to_numpy(dtype=float)) if len(frame) else []
    return frame


_COLUMNS = (
    "a",
    "b",
    "n_a",
    "n_b",
    "shared",
    "expected",
    "fold",
    "jaccard",
    "p_more",
    "p_less",
)


def intersections(sets: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Exclusive intersections: each gene counts where exactly its own sets meet.

    Returns
    -------
    DataFrame
        ``members`` (tuple of set names, in the order of ``sets``), ``n``, ``genes`` (tuple, in
        order of first occurrence); largest first, empty ones left out.
    """
    where: dict[str, list[str]] = {}
    for name, genes in sets.items():
        for gene in dict.fromkeys(map(str, genes)):
            where.setdefault(gene, []).append(name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for gene, names in where.items():
        groups.setdefault(tuple(names), []).append(gene)
    rows = [
        {"members": members, "n": len(genes), "genes": tuple(genes)}
        for members, genes in groups.items()
    ]
    frame = pd.DataFrame(rows, columns=["members", "n", "genes"])
    return frame.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def chosen_against_rest(
    genes: pd.DataFrame,
    chosen: Iterable[str],
    columns: Iterable[str] = ("mean", "dispersion", "detected"),
) -> pd.DataFrame:
    """Level and dispersion of chosen genes against the other measured ones.

    Parameters
    ----------
    genes
        ``gene`` and the ``columns``.
    chosen
        Symbols of the set.

    Returns
    -------
    DataFrame
        One row a column: ``quantity``, ``n_chosen``, ``n_rest``, ``median_chosen``,
        ``median_rest``, ``auc`` (probability that a chosen gene has the higher value), ``p_value``
        (two-sided Mann–Whitney, normal approximation).
    """
    inside = genes["gene"].isin(list(chosen)).to_numpy()
    rows = []
    for column in columns:
        values = genes[column].to_numpy(dtype=np.float64)
        finite = np.isfinite(values)
        a, b = values[inside & finite], values[~inside & finite]
        row = {"quantity": column, "n_chosen": len(a), "n_rest": len(b)}
        if len(a) and len(b):
            test = mannwhitneyu(a, b, alternative="two-sided", method="asymptotic")
            row |= {
                "median_chosen": float(np.median(a)),
                "median_rest": float(np.median(b)),
                "auc": float(test.statistic) / (len(a) * len(b)),
                "p_value": float(test.pvalue),
            }
        rows.append(row)
    order = ["quantity", "n_chosen", "n_rest", "median_chosen", "median_rest", "auc", "p_value"]
    return pd.DataFrame(rows).reindex(columns=order)


def symbol_updates(genes: Iterable[str]) -> pd.DataFrame:
    """Which symbols of a list have another name today, or had one before.

    Returns
    -------
    DataFrame
        One row a gene whose name has changed: ``given``, ``present``, ``former``. Names are those
        of :mod:`core.data.gene_renames`, approved by the HUGO Gene Nomenclature Committee.
    """
    new, old = renames(), former()
    rows = []
    for gene in dict.fromkeys(map(str, genes)):
        upper = gene.upper()
        if upper in new:
            rows.append({"given": gene, "present": new[upper], "former": upper})
        elif upper in old:
            rows.append({"given": gene, "present": upper, "former": old[upper]})
    return pd.DataFrame(rows, columns=["given", "present", "former"])
