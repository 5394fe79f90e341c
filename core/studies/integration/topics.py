"""What topics of an integration are made of: genes, cell types, processes, neighbours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from core.data.gene_sets import go_biological_process
from core.errors import DataError
from core.metrics.enrichment import EnrichmentIndex


def topic_names(n: int) -> list[str]:
    """Names ``"Topic 1"`` and so on."""
    return [f"Topic {i + 1}" for i in range(n)]


def top_genes(weights: np.ndarray, genes: list[str], n: int = 20) -> pd.DataFrame:
    """The genes of highest weight in each topic.

    Parameters
    ----------
    weights
        ``(n_topics, n_genes)``.

    Returns
    -------
    DataFrame
        ``topic, rank, gene, weight, specificity``: the last is the weight minus the gene's mean
        over all topics.
    """
    weights = np.asarray(weights, dtype=np.float64)
    own = weights - weights.mean(axis=0)
    order = np.argsort(-weights, axis=1, kind="stable")[:, :n]
    rows = [
        {
            "topic": name,
            "rank": rank + 1,
            "gene": genes[gene],
            "weight": weights[k, gene],
            "specificity": own[k, gene],
        }
        for k, name in enumerate(topic_names(len(weights)))
        for rank, gene in enumerate(order[k])
    ]
    return pd.DataFrame(rows)


def by_group(topics: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    """Mean share of each topic (columns) in each group of cells (rows)."""
    names = topic_names(topics.shape[1])
    frame = pd.DataFrame(np.asarray(topics, dtype=np.float64), columns=names)
    return frame.groupby(np.asarray(groups).astype(str)).mean()


def used(topics: np.ndarray, share: float = 0.01) -> np.ndarray:
    """Topics that carry at least ``share`` of some cell type's mass or of all cells, descending.

    Returns
    -------
    numpy.ndarray
        int64 indices; those whose mean over all cells is highest come first.
    """
    mean = np.asarray(topics, dtype=np.float64).mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    kept = order[mean[order] >= share]
    return kept if len(kept) else order[:1]


def gene_neighbours(
    embedding: np.ndarray, genes: list[str], gene: str, n: int = 15
) -> pd.DataFrame:
    """Genes closest in the gene embedding: ``gene, cosine``, the closest first.

    Raises
    ------
    DataError
        Where the run did not see the gene.
    """
    if gene not in genes:
        raise DataError(f"The gene '{gene}' is not among the {len(genes):,} genes of this run.")
    points = np.asarray(embedding, dtype=np.float64)
    norms = np.linalg.norm(points, axis=1)
    at = genes.index(gene)
    cosine = points @ points[at] / np.maximum(norms * norms[at], 1e-12)
    order = np.argsort(-cosine, kind="stable")
    order = order[order != at][:n]
    return pd.DataFrame({"gene": [genes[i] for i in order], "cosine": cosine[order]})


@lru_cache(maxsize=4)
def _index(background: tuple[str, ...]) -> EnrichmentIndex:
    return EnrichmentIndex.build(go_biological_process(), background)


def enrichment(
    weights: np.ndarray, genes: list[str], topic: int, *, organism: str, n: int = 50
) -> pd.DataFrame:
    """GO biological processes over-represented among a topic's ``n`` strongest genes.

    The background is the run's genes. Mouse symbols are taken for the human ones written in
    capitals, which holds for most orthologues.

    Returns
    -------
    DataFrame
        As :meth:`core.metrics.enrichment.EnrichmentIndex.test`.
    """
    human = [g.upper() if organism == "mouse" else g for g in genes]
    order = np.argsort(-np.asarray(weights)[topic], kind="stable")[:n]
    return _index(tuple(human)).test([human[i] for i in order])
