"""Rank-based gene set enrichment (GSEA, pre-ranked), through gseapy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.gene_sets import GeneSets
from core.errors import DataError


def prerank(
    ranking: pd.Series,
    sets: GeneSets,
    *,
    min_size: int = 15,
    max_size: int = 500,
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """GSEA of a ranking of genes (Subramanian et al., *PNAS* 102, 2005).

    Parameters
    ----------
    ranking
        Value of each gene, indexed by symbol; missing and infinite ones are left out.
    sets
        Sets to test; those with fewer than ``min_size`` or more than ``max_size`` ranked genes are
        not tested.
    n_permutations
        Random gene sets for the p-values.

    Returns
    -------
    DataFrame
        One row a tested term, least FDR first: ``term``, ``es``, ``nes``, ``p_value``, ``fdr``,
        ``size``, ``leading`` (genes of the leading edge, joined by ``;``).

    Raises
    ------
    DataError
        Where fewer than ten genes are ranked, or no set is left to test.
    """
    import gseapy

    known = ranking.replace([np.inf, -np.inf], np.nan).dropna()
    known = known[~known.index.duplicated()].sort_values(ascending=False)
    if len(known) < 10:
        raise DataError(f"Only {len(known)} genes have a value to be ranked by; 10 are needed.")
    ranked = sets.genes.isin(known.index)
    sizes = np.asarray(sets.membership[:, np.flatnonzero(ranked)].sum(axis=1)).ravel()
    tested = np.flatnonzero((sizes >= min_size) & (sizes <= max_size))
    if not len(tested):
        raise DataError(
            f"None of the {len(sets):,} gene sets of '{sets.name}' has {min_size} to {max_size} "
            "genes among the ranked ones; are the identifiers human gene symbols?"
        )
    members = {str(term): sets.members(term) for term in sets.terms[tested]}
    done = gseapy.prerank(
        rnk=known,
        gene_sets=members,
        min_size=min_size,
        max_size=max_size,
        permutation_num=n_permutations,
        threads=1,
        seed=seed,
        outdir=None,
        no_plot=True,
        verbose=False,
    ).res2d
    frame = pd.DataFrame(
        {
            "term": done["Term"].astype(str),
            "es": done["ES"].astype(float),
            "nes": done["NES"].astype(float),
            "p_value": done["NOM p-val"].astype(float),
            "fdr": done["FDR q-val"].astype(float),
            "size": done["Tag %"].astype(str).str.rpartition("/")[2].astype(int),
            "leading": done["Lead_genes"].astype(str),
        }
    )
    order = np.lexsort((-frame["nes"].abs().to_numpy(), frame["fdr"].to_numpy()))
    return frame.iloc[order].reset_index(drop=True)
