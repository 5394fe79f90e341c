"""Connectivity of a perturbation's response with a signature of genes.

Two families: the weighted connectivity score of the Connectivity Map, made of two running-sum
enrichment scores (Subramanian et al. 2017, 10.1016/j.cell.2017.10.049), and plain similarity with
a weighted signature (cosine, Spearman). A negative score means that the response reverses the
signature. Significance comes from random signatures of the same sizes and weights.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from core.metrics._running_sum_kernel import running_sums
from core.metrics.enrichment import benjamini_hochberg

#: Rows that are worked on at once, which bounds memory at about rows × genes × 8 bytes × 4.
CHUNK = 256


def enrichment_scores(responses: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Weighted running-sum enrichment of gene sets in ranked responses.

    Parameters
    ----------
    responses
        float ``(n, n_genes)``; each row is ranked from its largest value to its smallest.
    members
        int ``(n_sets, size)``: gene positions of sets of one size.

    Returns
    -------
    numpy.ndarray
        float64 ``(n, n_sets)`` in [−1, 1]: the largest deviation of the running sum, which rises
        at a member by its share of the members' absolute responses and falls at any other gene
        by 1 / (n_genes − size) (Subramanian et al. 2005, exponent 1).
    """
    responses = np.atleast_2d(np.asarray(responses))
    members = np.atleast_2d(np.asarray(members))
    n = len(responses)
    n_sets, size = members.shape
    if size == 0:
        return np.zeros((n, n_sets))
    scores = np.empty((n, n_sets))
    for i, row in enumerate(responses):
        order = np.argsort(-row, kind="stable")
        scores[i] = running_sums(order, np.abs(row).astype(np.float64), members)
    return scores


def weighted_connectivity(responses: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Weighted connectivity score of the Connectivity Map.

    ``(ES_up − ES_down) / 2`` where the two have opposite signs, else 0; with one list empty, the
    other's score alone (negated for ``down``).

    Parameters
    ----------
    responses
        float ``(n, n_genes)``.
    up, down
        int ``(n_up,)``, ``(n_down,)``: positions of the signature's genes; or two-dimensional,
        ``(n_signatures, n_up)`` and ``(n_signatures, n_down)``.

    Returns
    -------
    numpy.ndarray
        float64 ``(n,)``, or ``(n, n_signatures)`` for two-dimensional positions.
    """
    single = np.ndim(up) == 1 and np.ndim(down) == 1
    up, down = np.atleast_2d(up), np.atleast_2d(down)
    es_up = enrichment_scores(responses, up.astype(np.int64))
    es_down = enrichment_scores(responses, down.astype(np.int64))
    if up.shape[1] == 0:
        scores = -es_down
    elif down.shape[1] == 0:
        scores = es_up
    else:
        scores = np.where(es_up * es_down < 0, (es_up - es_down) / 2, 0.0)
    return scores[:, 0] if single else scores


def cosine_connectivity(responses: np.ndarray, signature: np.ndarray) -> np.ndarray:
    """Cosine of each response with a weighted signature; 0 where either is all zero.

    Parameters
    ----------
    responses
        float ``(n, n_genes)``.
    signature
        float ``(n_genes,)`` or ``(n_genes, n_signatures)``.

    Returns
    -------
    numpy.ndarray
        float64 ``(n,)`` or ``(n, n_signatures)``.
    """
    responses = np.asarray(responses, dtype=np.float64)
    signature = np.asarray(signature, dtype=np.float64)
    norms = np.linalg.norm(responses, axis=1)
    product = responses @ signature
    scale = np.multiply.outer(norms, np.linalg.norm(signature, axis=0))
    return np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)


def spearman_connectivity(responses: np.ndarray, signature: np.ndarray) -> np.ndarray:
    """Spearman correlation of each response with a signature, over the signature's own genes.

    Genes with weight 0 are not part of a signature and are left out. Shapes as in
    :func:`cosine_connectivity`, for one signature.
    """
    signature = np.asarray(signature, dtype=np.float64)
    used = np.flatnonzero(signature)
    ranked = rankdata(signature[used]) if len(used) else np.zeros(0)
    scores = np.zeros(len(responses))
    if len(used) < 3:
        return scores
    ranked = ranked - ranked.mean()
    for start in range(0, len(responses), CHUNK):
        block = rankdata(np.asarray(responses[start : start + CHUNK])[:, used], axis=1)
        scores[start : start + CHUNK] = cosine_connectivity(
            block - block.mean(axis=1, keepdims=True), ranked
        )
    return scores


def random_signatures(
    up: np.ndarray, down: np.ndarray, n_genes: int, n_permutations: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw signatures of the same sizes from all genes, up and down apart.

    Returns
    -------
    tuple of numpy.ndarray
        int64 ``(n_permutations, len(up))`` and ``(n_permutations, len(down))``.
    """
    rng = np.random.default_rng(seed)
    size = len(up) + len(down)
    drawn = np.stack([rng.choice(n_genes, size, replace=False) for _ in range(n_permutations)])
    return drawn[:, : len(up)], drawn[:, len(up) :]


def permutation_p_values(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Two-sided permutation p-values of scores against their own random signatures.

    Parameters
    ----------
    observed
        float ``(n,)``.
    null
        float ``(n, n_permutations)``.

    Returns
    -------
    numpy.ndarray
        float64 ``(n,)``: ``(1 + #{|null| ≥ |observed|}) / (1 + n_permutations)``, never 0
        (Phipson & Smyth 2010).
    """
    extreme = np.abs(null) >= np.abs(np.asarray(observed))[:, None]
    return (1 + extreme.sum(axis=1)) / (1 + null.shape[1])


def upper_tail_p_values(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """One-sided permutation p-values: how often a random signature scores at least as high.

    Parameters and bounds as in :func:`permutation_p_values`; for scores that are made so that
    higher is better, where a strong response in the other direction is no evidence.
    """
    extreme = np.asarray(null) >= np.asarray(observed)[:, None]
    return (1 + extreme.sum(axis=1)) / (1 + null.shape[1])


def false_discovery_rate(p_values: np.ndarray) -> np.ndarray:
    """Benjamini–Hochberg false-discovery rate over all molecules that were scored."""
    return benjamini_hochberg(p_values)
