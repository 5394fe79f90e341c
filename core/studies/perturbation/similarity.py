"""Which responses are alike: correlations between rows, their clustering, PCA and UMAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from core.data.table import PerturbationTable
from core.errors import DataError
from core.studies.perturbation.explore import row_positions

NOT_ANNOTATED, OTHER = "not annotated", "other mechanisms"


def row_correlation(table: PerturbationTable, rows: np.ndarray | None = None) -> np.ndarray:
    """Pearson correlation over genes between pairs, float32 ``(n, n)``; 0 for a constant row."""
    values = np.array(table.values[row_positions(table, rows)], dtype=np.float32)
    values -= values.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    np.divide(values, norms, out=values, where=norms > 0)
    values[norms[:, 0] == 0] = 0
    correlation = np.clip(values @ values.T, -1, 1)
    np.fill_diagonal(correlation, 1)
    return correlation


def cell_type_correlation(
    correlation: np.ndarray, obs: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How alike cell types respond to the same compounds.

    Parameters
    ----------
    correlation
        ``(n, n)`` from :func:`row_correlation`.
    obs
        Its ``n`` rows: ``cell_type``, ``sm_name``.

    Returns
    -------
    tuple of DataFrame
        Mean correlation over the compounds measured in both cell types (NaN where there are
        none), and the number of these compounds.
    """
    position = (
        pd.Series(np.arange(len(obs)))
        .groupby([obs["cell_type"].astype(str).to_numpy(), obs["sm_name"].astype(str).to_numpy()])
        .first()
        .unstack(level=0)
    )
    names = list(position.columns)
    mean = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    shared = pd.DataFrame(0, index=names, columns=names)
    for a in names:
        for b in names:
            both = position[[a, b]].dropna().to_numpy(dtype=np.int64)
            shared.loc[a, b] = len(both)
            if a != b:
                pairs = correlation[both[:, 0], both[:, -1]]
                mean.loc[a, b] = float(pairs.mean()) if len(both) else np.nan
    return mean, shared


def cluster_order(correlation: np.ndarray) -> np.ndarray:
    """Leaf order of average linkage on ``1 − r`` with optimal leaf ordering; ``(n,)``.

    Unknown correlations (NaN) count as 0.
    """
    if len(correlation) < 3:
        return np.arange(len(correlation))
    distance = 1 - np.nan_to_num(np.asarray(correlation, dtype=np.float64))
    distance = np.maximum((distance + distance.T) / 2, 0)
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(
        squareform(distance, checks=False), method="average", optimal_ordering=True
    )
    return hierarchy.leaves_list(tree)


def compound_correlation(
    correlation: np.ndarray, obs: pd.DataFrame, cell_type: str, *, limit: int = 200
) -> tuple[pd.DataFrame, int]:
    """Correlation between compounds in one cell type, clustered.

    Parameters
    ----------
    correlation
        ``(n, n)`` from :func:`row_correlation`.
    obs
        Its ``n`` rows: ``cell_type``, ``sm_name`` and, where compounds exceed ``limit``,
        ``rms``: the strongest are kept.

    Returns
    -------
    tuple
        The clustered frame (compounds × compounds), and the number of compounds before the
        limit.
    """
    keep = np.flatnonzero((obs["cell_type"] == cell_type).to_numpy())
    names = obs["sm_name"].astype(str).to_numpy()[keep]
    _, first = np.unique(names, return_index=True)
    keep = keep[np.sort(first)]
    total = len(keep)
    if total > limit:
        keep = keep[np.argsort(-obs["rms"].to_numpy()[keep], kind="stable")[:limit]]
    block = correlation[np.ix_(keep, keep)]
    order = cluster_order(block)
    names = obs["sm_name"].astype(str).to_numpy()[keep][order]
    return pd.DataFrame(block[np.ix_(order, order)], index=names, columns=names), total


@dataclass(frozen=True)
class Embedding:
    """Rows placed in few dimensions.

    Attributes
    ----------
    coordinates
        float32 ``(n, d)``.
    explained
        Share of variance of each principal component; empty for UMAP.
    """

    coordinates: np.ndarray
    explained: np.ndarray


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean norm (a zero row stays zero), so that direction counts."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)


def principal_components(values: np.ndarray, n_components: int = 2) -> Embedding:
    """Principal components of rows, from the smaller of the two Gram matrices.

    Parameters
    ----------
    values
        ``(n, g)``; columns are centred here.
    n_components
        At most ``min(n, g)``. Each component's largest score is positive.
    """
    if values.shape[0] < 3:
        raise DataError("Principal components need at least three rows.")
    centred = np.asarray(values, dtype=np.float32)
    centred = centred - centred.mean(axis=0, keepdims=True)
    n, g = centred.shape
    k = min(n_components, n, g)
    gram = centred @ centred.T if n <= g else centred.T @ centred
    eigenvalues, vectors = np.linalg.eigh(gram.astype(np.float64))
    eigenvalues = np.maximum(eigenvalues[::-1], 0)
    vectors = vectors[:, ::-1][:, :k]
    scores = vectors * np.sqrt(eigenvalues[:k]) if n <= g else centred @ vectors
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(k)])
    signs[signs == 0] = 1
    total = eigenvalues.sum()
    explained = eigenvalues[:k] / total if total > 0 else np.zeros(k)
    return Embedding((scores * signs).astype(np.float32), explained)


def umap(values: np.ndarray, *, n_neighbors: int = 15, seed: int = 0) -> Embedding:
    """UMAP (McInnes et al. 2018, https://doi.org/10.21105/joss.00861) of the first 50 PCs.

    The same seed gives the same picture. Distances between far groups and the sizes of groups
    have no meaning in it.
    """
    if values.shape[0] < 5:
        raise DataError("UMAP needs at least five rows.")
    from umap import UMAP  # costs seconds to import: only who asks for it waits

    components = principal_components(values, 50).coordinates
    reducer = UMAP(
        n_neighbors=min(n_neighbors, len(components) - 1),
        min_dist=0.3,
        random_state=seed,
        n_jobs=1,
        init="random" if len(components) < 20 else "spectral",
    )
    return Embedding(np.asarray(reducer.fit_transform(components), dtype=np.float32), np.zeros(0))


def mechanisms(obs: pd.DataFrame, *, n: int = 8) -> pd.Series:
    """The first mechanism of each row's compound: the ``n`` most frequent, others joined.

    A compound counts once, in however many cell types it was measured. Without a column
    ``moa`` all are "not annotated".
    """
    if "moa" not in obs:
        return pd.Series(NOT_ANNOTATED, index=obs.index, dtype=object)
    first = obs["moa"].astype(object).where(obs["moa"].notna(), "")
    first = first.astype(str).str.split(";").str[0].str.strip()
    first = first.where(first != "", NOT_ANNOTATED)
    compounds = first[~obs["sm_name"].duplicated()]
    frequent = compounds[compounds != NOT_ANNOTATED].value_counts().head(n).index
    return first.where(first.isin(frequent) | (first == NOT_ANNOTATED), OTHER)
