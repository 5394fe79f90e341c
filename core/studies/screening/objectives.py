"""What a screen looks for, in a model's genes: scores of responses, and their null.

A score is made so that higher is better: the mean response of the genes or the connectivity with
the signature, with its sign turned for ``lower`` and ``reverse``. The null of a score is the same
score with random genes in place of the chosen ones, on the same predicted response.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

from core.data.signatures import (
    GeneMatch,
    Signature,
    leukaemia_signature,
    match_genes,
    match_signature,
    read_de_table,
)
from core.errors import DataError
from core.metrics.connectivity import (
    cosine_connectivity,
    random_signatures,
    spearman_connectivity,
    weighted_connectivity,
)
from core.settings import Settings
from core.studies.screening.config import LEUKAEMIA, Direction, Kind, ObjectiveConfig, Score
from core.studies.screening.library import resolve_file


@dataclass(frozen=True)
class Objective:
    """An objective in the positions of a model's genes.

    Attributes
    ----------
    up, down
        int64 positions, disjoint; for ``genes`` all of them are ``up``.
    weights
        Signed weight of each gene of ``[up, down]``, float64.
    n_genes
        Genes of the model.
    score
        ``mean`` for genes, else a :class:`Score`.
    sign
        +1 to match or raise, −1 to reverse or lower.
    """

    up: np.ndarray
    down: np.ndarray
    weights: np.ndarray
    n_genes: int
    score: str
    sign: float
    n_permutations: int = 0
    seed: int = 0

    @property
    def foldable(self) -> bool:
        """Whether the score is linear in the response, but for a norm."""
        return self.score in {"mean", Score.COSINE}

    @property
    def normed(self) -> bool:
        """Whether the score is divided by the response's norm."""
        return self.score == Score.COSINE

    @cached_property
    def vector(self) -> np.ndarray:
        """The signature over all genes, signed and scaled so that the score is ``r · vector``.

        For cosine the response's norm is still to be divided by; float64 ``(n_genes,)``.
        """
        vector = np.zeros(self.n_genes)
        vector[np.concatenate([self.up, self.down])] = self._scaled
        return vector

    @property
    def _scaled(self) -> np.ndarray:
        if self.score == "mean":
            return self.sign * np.ones(len(self.up)) / len(self.up)
        return self.sign * self.weights / np.linalg.norm(self.weights)

    @cached_property
    def draws(self) -> tuple[np.ndarray, np.ndarray]:
        """Random positions of the same sizes, int64 ``(n_permutations, n_up)`` and ``n_down``."""
        return random_signatures(
            self.up, self.down, self.n_genes, self.n_permutations, seed=self.seed
        )

    @cached_property
    def null_vectors(self) -> sparse.csr_matrix:
        """Random signatures with the same values, float64 CSR ``(n_genes, n_permutations)``."""
        drawn = np.concatenate(self.draws, axis=1)
        n, size = drawn.shape
        columns = np.repeat(np.arange(n), size)
        values = np.tile(self._scaled, n)
        shape = (self.n_genes, n)
        return sparse.csr_matrix((values, (drawn.ravel(), columns)), shape=shape)

    def scores(self, responses: np.ndarray) -> np.ndarray:
        """Scores of responses ``(n, n_genes)`` the long way, float64 ``(n,)``."""
        if self.score == "mean":
            return np.asarray(responses, dtype=np.float64) @ self.vector
        if self.score == Score.COSINE:
            return cosine_connectivity(responses, self.vector)
        if self.score == Score.SPEARMAN:
            return self.sign * spearman_connectivity(responses, self._unsigned)
        return self.sign * weighted_connectivity(responses, self.up, self.down)

    def null_scores(self, responses: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Scores with the random signatures ``start`` to ``stop``, float64 ``(n, stop − start)``."""
        up, down = self.draws[0][start:stop], self.draws[1][start:stop]
        if self.score == Score.SPEARMAN:
            return self.sign * self._spearman_null(responses, np.concatenate([up, down], axis=1))
        if self.score == Score.WEIGHTED:
            return self.sign * weighted_connectivity(responses, up, down)
        vectors = self.null_vectors[:, start:stop]
        raw = np.asarray((vectors.T @ np.asarray(responses, dtype=np.float64).T).T)
        if self.normed:
            norms = np.linalg.norm(responses, axis=1, keepdims=True)
            raw = np.divide(raw, norms, out=np.zeros_like(raw), where=norms > 0)
        return raw

    @property
    def _unsigned(self) -> np.ndarray:
        vector = np.zeros(self.n_genes)
        vector[np.concatenate([self.up, self.down])] = self.weights
        return vector

    def _spearman_null(self, responses: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """The same weights on random genes; ranks of the weights are made once."""
        n, size = len(responses), drawn.shape[1]
        null = np.zeros((n, len(drawn)))
        if size < 3:
            return null
        ranked = rankdata(self.weights) - (size + 1) / 2
        for column, genes in enumerate(drawn):
            ranks = rankdata(responses[:, genes], axis=1) - (size + 1) / 2
            null[:, column] = cosine_connectivity(ranks, ranked)
        return null


def resolve(
    config: ObjectiveConfig,
    genes: pd.Index,
    settings: Settings,
    *,
    n_permutations: int = 0,
    seed: int = 0,
) -> tuple[Objective, GeneMatch, Signature]:
    """Find an objective's genes among a model's.

    Returns
    -------
    Objective, GeneMatch, Signature
        The objective in positions, the report on the genes as given, and the signature in the
        model's symbols.

    Raises
    ------
    DataError
        Where none of the genes is predicted by the model, or the table cannot be read.
    """
    if config.kind is Kind.GENES:
        match = match_genes(config.genes, genes)
        if not match.matched:
            raise DataError(
                f"None of the genes {', '.join(config.genes[:5])} is predicted by this model."
            )
        signature = Signature(tuple(dict.fromkeys(match.matched.values())), source="gene list")
        score = "mean"
    else:
        signature, match = match_signature(signature_of(config, settings), genes)
        score = str(config.score)
    place = {gene: i for i, gene in enumerate(genes)}
    up = np.array([place[gene] for gene in signature.up], dtype=np.int64)
    down = np.array([place[gene] for gene in signature.down], dtype=np.int64)
    weights = [signature.weights[gene] for gene in (*signature.up, *signature.down)]
    if len(up) + len(down) >= len(genes):
        n_permutations = 0  # no other genes are left to draw
    objective = Objective(
        up,
        down,
        np.asarray(weights, dtype=np.float64),
        len(genes),
        score,
        1.0 if config.direction in {Direction.RAISE, Direction.MATCH} else -1.0,
        n_permutations,
        seed,
    )
    return objective, match, signature


def signature_of(config: ObjectiveConfig, settings: Settings) -> Signature:
    """The signature as the user gave it: two lists, a table, or the example."""
    if config.table == LEUKAEMIA:
        return leukaemia_signature(config.n_top)
    if config.table:
        path: Path = resolve_file(config.table, settings)
        return read_de_table(path, n_top=config.n_top)
    return Signature(tuple(config.up), tuple(config.down), source="lists")
