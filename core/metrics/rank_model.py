"""What a rank transformer has learned: perplexity beside baselines, and labels of neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

#: Weight of the unigram model that keeps every baseline's probabilities above 0.
SMOOTHING = 0.1


def perplexity(log_probabilities: np.ndarray) -> float:
    """``exp`` of the mean negative log probability of the right tokens, ``(n,)`` in nats."""
    return float(np.exp(-np.mean(log_probabilities)))


def token_frequency(cells: Sequence[np.ndarray], size: int) -> np.ndarray:
    """How often each token is met, float64 ``(size,)``."""
    return np.bincount(np.concatenate(list(cells)), minlength=size).astype(np.float64)


class Unigram:
    """Each token as often as in training, whatever the cell.

    Parameters
    ----------
    cells
        Ranked training cells.
    gene_tokens
        Tokens that may be guessed.
    size
        Rows of the embedding table.
    """

    def __init__(self, cells: Sequence[np.ndarray], gene_tokens: np.ndarray, size: int) -> None:
        share = np.zeros(size)
        share[gene_tokens] = token_frequency(cells, size)[gene_tokens] + 0.5
        self.share = share / share.sum()

    def log_probability(
        self, visible: np.ndarray, positions: np.ndarray, answers: np.ndarray
    ) -> np.ndarray:
        """Log probability of each answer, given that visible genes cannot be it, ``(n,)``."""
        return exclude_visible(np.tile(self.share, (len(answers), 1)), visible, answers)


class RankUnigram:
    """Each token as often as near that rank in training: what rank alone tells.

    Parameters
    ----------
    width
        Ranks that share one distribution.
    """

    def __init__(
        self,
        cells: Sequence[np.ndarray],
        gene_tokens: np.ndarray,
        size: int,
        *,
        width: int = 50,
    ) -> None:
        self.width = width
        self.base = Unigram(cells, gene_tokens, size).share
        bins = max(len(cell) for cell in cells) // width + 1
        table = np.zeros((bins, size))
        for cell in cells:
            np.add.at(table, (np.arange(len(cell)) // width, cell), 1.0)
        total = table.sum(axis=1, keepdims=True)
        self.table = (1 - SMOOTHING) * table / np.maximum(total, 1) + SMOOTHING * self.base

    def log_probability(
        self, visible: np.ndarray, positions: np.ndarray, answers: np.ndarray
    ) -> np.ndarray:
        """As :meth:`Unigram.log_probability`, by the rank of each answer."""
        rows = np.minimum(positions // self.width, len(self.table) - 1)
        return exclude_visible(self.table[rows].copy(), visible, answers)


class NearestCells:
    """Each token as near its rank in the training cells most like the visible genes.

    Cells are compared by the cosine of their genes, each weighted by the logarithm of one over
    its share of cells and falling with the rank. A token's probability is a Gaussian kernel in
    rank over the neighbours' ranks, mixed with :class:`RankUnigram`.

    Parameters
    ----------
    n_neighbours
        Training cells that are asked.
    bandwidth
        Of the kernel, as a share of the rank, at least 10 ranks.
    """

    def __init__(
        self,
        cells: Sequence[np.ndarray],
        gene_tokens: np.ndarray,
        size: int,
        *,
        n_neighbours: int = 200,
        bandwidth: float = 0.5,
        weight: float = 0.5,
    ) -> None:
        self.cells, self.size = list(cells), size
        self.n_neighbours = min(n_neighbours, len(self.cells))
        self.bandwidth, self.weight = bandwidth, weight
        self.rank = RankUnigram(cells, gene_tokens, size)
        seen = token_frequency(cells, size)
        self.rarity = np.log((len(self.cells) + 1) / (seen + 1)) + 0.1
        rows = [self._vector(cell, np.arange(len(cell))) for cell in self.cells]
        self.matrix = sparse.vstack(rows, format="csr")

    def _vector(self, tokens: np.ndarray, positions: np.ndarray) -> sparse.csr_matrix:
        weights = self.rarity[tokens] / np.log2(2.0 + positions / 50.0)
        weights = weights / np.linalg.norm(weights)
        return sparse.csr_matrix(
            (weights, (np.zeros(len(tokens), dtype=int), tokens)), shape=(1, self.size)
        )

    def neighbours(self, visible: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Training cells most like the visible genes, nearest first."""
        vector = self._vector(visible, positions)
        similarity = np.asarray((self.matrix @ vector.T).todense()).ravel()
        return np.argsort(-similarity, kind="stable")[: self.n_neighbours]

    def log_probability(
        self,
        visible: np.ndarray,
        positions: np.ndarray,
        answers: np.ndarray,
        visible_positions: np.ndarray | None = None,
    ) -> np.ndarray:
        """As :meth:`Unigram.log_probability`; ``visible_positions`` weigh the visible genes."""
        at = np.zeros(len(visible), dtype=int) if visible_positions is None else visible_positions
        near = self.neighbours(visible, at)
        tokens = np.concatenate([self.cells[i] for i in near])
        ranks = np.concatenate([np.arange(len(self.cells[i])) for i in near])
        hidden = ~np.isin(tokens, visible)
        tokens, ranks = tokens[hidden], ranks[hidden]
        spread = np.maximum(10.0, self.bandwidth * positions)[:, None]
        kernel = np.exp(-0.5 * ((ranks[None] - positions[:, None]) / spread) ** 2)
        onto = sparse.csr_matrix(
            (np.ones(len(tokens)), (np.arange(len(tokens)), tokens)),
            shape=(len(tokens), self.size),
        )
        local = np.asarray(kernel @ onto)
        local /= np.maximum(local.sum(axis=1, keepdims=True), 1e-300)
        rows = np.minimum(positions // self.rank.width, len(self.rank.table) - 1)
        mixed = self.weight * local + (1 - self.weight) * self.rank.table[rows]
        return exclude_visible(mixed, visible, answers)


def exclude_visible(
    probabilities: np.ndarray, visible: np.ndarray, answers: np.ndarray
) -> np.ndarray:
    """Log probabilities of the answers once visible genes are ruled out (a gene stands once).

    Parameters
    ----------
    probabilities
        ``(n, size)``, changed in place.
    visible
        Tokens seen in the cell.
    answers
        Right tokens ``(n,)``, none of them visible.
    """
    probabilities[:, visible] = 0.0
    total = probabilities.sum(axis=1)
    right = probabilities[np.arange(len(answers)), answers]
    return np.log(np.maximum(right, 1e-300)) - np.log(np.maximum(total, 1e-300))


def knn_accuracy(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    *,
    k: int = 15,
    metric: str = "cosine",
) -> float:
    """Share of test cells whose ``k`` nearest training cells vote for their label.

    Parameters
    ----------
    train, test
        Embeddings, ``(n, d)`` and ``(m, d)``.
    metric
        ``"cosine"`` or ``"euclidean"``.
    """
    from sklearn.neighbors import KNeighborsClassifier

    vote = KNeighborsClassifier(n_neighbors=min(k, len(train)), metric=metric)
    vote.fit(train, np.asarray(train_labels).astype(str))
    predicted = vote.predict(test)
    return float(np.mean(predicted == np.asarray(test_labels).astype(str)))
