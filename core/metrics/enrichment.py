"""Over-representation of gene sets in a list of genes.

The one-sided hypergeometric (Fisher) test on a prepared sparse membership matrix, with
Benjamini–Hochberg over **all tested terms**: a term without a single hit was tested too, so it
counts. (gseapy corrects only over the terms with a hit, which makes its adjusted values smaller.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import gammaln

from core.data.gene_sets import GeneSets
from core.errors import DataError

#: Terms of the tail sum below this share of the sum no longer change a float64.
NEGLIGIBLE = 1e-17


def hypergeometric_tail(
    overlap: np.ndarray, population: int, set_size: np.ndarray, drawn: int
) -> np.ndarray:
    """Upper tail ``P(X ≥ overlap)`` of the hypergeometric distribution.

    Parameters
    ----------
    overlap
        Observed hits, ``(n,)``.
    population
        Genes in the background.
    set_size
        Genes of each set in the background, ``(n,)``.
    drawn
        Genes of the list in the background.

    Returns
    -------
    numpy.ndarray
        float64 ``(n,)``; relative error about 1e-10.

    Notes
    -----
    The point mass at the overlap comes from log-gamma; the rest of the tail follows by the ratio
    of neighbouring masses, for all sets at once. Below the mean the lower tail is summed and
    subtracted from 1, so that the sum is always the short one.
    """
    k = np.asarray(overlap, dtype=np.float64)
    size = np.asarray(set_size, dtype=np.float64)
    result = np.ones(k.shape)
    lowest = np.maximum(0.0, size + drawn - population)
    highest = np.minimum(size, drawn)
    result[k > highest] = 0.0
    upper = (k > lowest) & (k <= highest) & (k > size * drawn / max(population, 1))
    lower = (k > lowest) & (k <= highest) & ~upper
    result[upper] = _tail_sum(k[upper], population, size[upper], drawn, up=True)
    result[lower] = 1.0 - _tail_sum(k[lower] - 1, population, size[lower], drawn, up=False)
    return np.clip(result, 0.0, 1.0)


def _tail_sum(
    k: np.ndarray, population: int, size: np.ndarray, drawn: int, *, up: bool
) -> np.ndarray:
    """Sum of the masses from ``k`` away from the mean, until they no longer count."""

    def log_choose(n: np.ndarray | float, r: np.ndarray | float) -> np.ndarray:
        return gammaln(n + 1.0) - gammaln(r + 1.0) - gammaln(n - r + 1.0)

    rest = population - size
    mass = np.exp(
        log_choose(size, k) + log_choose(rest, drawn - k) - log_choose(population, float(drawn))
    )
    total, i = mass.copy(), k.copy()
    while mass.size and np.any(mass > NEGLIGIBLE * total):
        if up:
            mass = mass * (size - i) * (drawn - i) / ((i + 1) * (rest - drawn + i + 1))
            i += 1
        else:
            mass = mass * i * (rest - drawn + i) / ((size - i + 1) * (drawn - i + 1))
            i -= 1
        mass = np.maximum(mass, 0.0)
        total += mass
    return total


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Benjamini–Hochberg adjusted p-values, float64 ``(n,)`` (Benjamini & Hochberg 1995)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    steps = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted


@dataclass(frozen=True)
class EnrichmentIndex:
    """Gene sets restricted to a background, ready for many tests.

    Use :meth:`build`; the attributes are its results.
    """

    sets: GeneSets
    background: pd.Index
    terms: pd.Index
    membership: sparse.csc_matrix
    sizes: np.ndarray

    @classmethod
    def build(
        cls,
        sets: GeneSets,
        background: Iterable[str] | None = None,
        *,
        min_size: int = 5,
        max_size: int = 500,
    ) -> EnrichmentIndex:
        """Prepare ``sets`` for a background of measured genes (default: all genes of the sets).

        Terms with fewer than ``min_size`` or more than ``max_size`` background genes are not
        tested and do not count in the correction.

        Raises
        ------
        DataError
            If no term is left to test.
        """
        genes = sets.genes if background is None else pd.Index(dict.fromkeys(background))
        columns = sets.genes.get_indexer(genes)
        known = np.flatnonzero(columns >= 0)
        restricted = sparse.csr_matrix(sets.membership[:, columns[known]], dtype=np.float64)
        sizes = np.diff(restricted.indptr)
        tested = np.flatnonzero((sizes >= min_size) & (sizes <= max_size))
        if not len(tested):
            raise DataError(
                f"None of the {len(sets):,} gene sets of '{sets.name}' has {min_size} to "
                f"{max_size} genes among the {len(genes):,} background genes; are the "
                "identifiers human gene symbols?"
            )
        coo = restricted[tested].tocoo()
        membership = sparse.csc_matrix(
            (coo.data, (coo.row, known[coo.col])), shape=(len(tested), len(genes))
        )
        return cls(sets, genes, sets.terms[tested], membership, sizes[tested])

    def test(self, genes: Iterable[str]) -> pd.DataFrame:
        """Test a list of genes against every term.

        Parameters
        ----------
        genes
            Gene symbols; those outside the background are left out of the test.

        Returns
        -------
        pandas.DataFrame
            One row a tested term, most significant first: ``term``, ``overlap``, ``size``,
            ``expected``, ``fold``, ``p_value``, ``q_value``, ``genes`` (hits, joined by ``;``).
        """
        chosen = self.background.get_indexer(pd.Index(dict.fromkeys(genes)))
        chosen = np.sort(chosen[chosen >= 0])
        hits = self.membership[:, chosen]
        overlap = np.asarray(hits.sum(axis=1)).ravel()
        population, drawn = len(self.background), len(chosen)
        p_values = hypergeometric_tail(overlap, population, self.sizes, drawn)
        expected = self.sizes * drawn / population
        order = np.lexsort((-overlap, p_values))
        rows = sparse.csr_matrix(hits)
        rows.sort_indices()
        # One lookup for all hits, then slices of a list: four times as fast as one a term.
        hit = self.background.to_numpy()[chosen][rows.indices].tolist()
        begin = rows.indptr.tolist()
        joined = [";".join(hit[begin[i] : begin[i + 1]]) for i in order.tolist()]
        with np.errstate(invalid="ignore", divide="ignore"):
            fold = np.where(expected > 0, overlap / expected, np.nan)
        return pd.DataFrame(
            {
                "term": self.terms.to_numpy()[order],
                "overlap": overlap[order].astype(np.int64),
                "size": self.sizes[order].astype(np.int64),
                "expected": expected[order],
                "fold": fold[order],
                "p_value": p_values[order],
                "q_value": benjamini_hochberg(p_values)[order],
                "genes": joined,
            }
        )
