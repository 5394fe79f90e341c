"""Scores of molecules: folded where the objective allows it, the long way where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.metrics.connectivity import upper_tail_p_values
from core.models.forest import Forest
from core.models.kernels import remembered
from core.models.memory import MemoryModel
from core.studies.perturbation.predictor import Predictor
from core.studies.screening.domain import Domain
from core.studies.screening.features import FeatureMaker, Molecules
from core.studies.screening.folding import FoldedEnsemble
from core.studies.screening.objectives import Objective

#: Rows whose whole responses are held at once where ranks are needed.
BLOCK = 128
#: Where every random signature costs a sorting, the first ones decide whether the rest is drawn.
FIRST_DRAWS = 100
PROMISING = 0.2


@dataclass(frozen=True)
class Scores:
    """Scores of ``n`` molecules.

    Attributes
    ----------
    score
        Mean over the cell types, float64 ``(n,)``; higher is better.
    by_cell_type
        float64 ``(n, n_cell_types)``.
    spread
        Weighted standard deviation of the members' own scores; NaN for a single model.
    p_value
        One-sided permutation p-value; NaN without permutations.
    """

    score: np.ndarray
    by_cell_type: np.ndarray
    spread: np.ndarray
    p_value: np.ndarray


class Scorer:
    """A run's models folded with one objective.

    Parameters
    ----------
    predictor
        The finished run's models.
    objective
        What is scored.
    cell_types
        In which; the score is their mean.
    domain
        The predictor's training compounds, where they are learnt already.
    """

    def __init__(
        self,
        predictor: Predictor,
        objective: Objective,
        cell_types: tuple[str, ...],
        domain: Domain | None = None,
    ) -> None:
        self.predictor, self.objective, self.cell_types = predictor, objective, cell_types
        weights = dict(zip(predictor.members, predictor.weights, strict=True))
        used = {name: m for name, m in predictor.members.items() if abs(weights[name]) > 1e-9}
        self.ensemble = FoldedEnsemble.of(predictor.members, predictor.weights)
        self.features = FeatureMaker(
            predictor.pipeline, kernel=any(_compares(model) for model in used.values())
        )
        if objective.foldable:
            self._fold()
        self.domain = Domain(predictor.compounds) if domain is None else domain

    def _fold(self) -> None:
        """Fold the signature, and the random ones joined over the members, into the last steps."""
        self._signature = self.ensemble.fold(self.objective.vector[:, None])
        self._null = np.zeros((0, 0), dtype=np.float32)
        if self.objective.n_permutations:
            folded = self.ensemble.fold(self.objective.null_vectors)
            offset = self.ensemble.join([own for own, _ in folded])
            rows = [w * basis for w, (_, basis) in zip(self.ensemble.weights, folded, strict=True)]
            self._null = np.vstack([offset, *rows]).astype(np.float32)

    def score(self, molecules: Molecules, *, p_values: bool = True) -> Scores:
        """Scores in every cell type; see :class:`Scores`."""
        p_values = p_values and self.objective.n_permutations > 0
        views = self.features.molecule_views(molecules)
        by_type, members, hiddens, all_norms = [], [], [], []
        with remembered():
            for cell_type in self.cell_types:
                inputs = self.features.inputs(molecules, cell_type, views)
                hiddens.append(self.ensemble.hidden(inputs))
        for hidden in hiddens:
            norms = (
                self.ensemble.norms(hidden)
                if self.objective.foldable and self.objective.normed
                else None
            )
            joined, own = self._of_hidden(hidden, norms)
            all_norms.append(norms)
            by_type.append(joined)
            members.append(own)
        by_cell_type = np.stack(by_type, axis=1)
        score = by_cell_type.mean(axis=1)
        p_value = np.full(len(score), np.nan)
        if p_values and self.objective.foldable:
            p_value = self._folded_p_value(score, hiddens, all_norms)
        elif p_values:
            p_value = self._sampled_p_value(score, hiddens)
        return Scores(score, by_cell_type, self._spread(np.mean(members, axis=0)), p_value)

    def response(self, molecules: Molecules, cell_type: str) -> list[np.ndarray]:
        """Each member's response the long way, float32 ``(n, n_genes)``."""
        inputs = self.features.inputs(molecules, cell_type)
        return self.ensemble.responses(self.ensemble.hidden(inputs))

    def _of_hidden(
        self, hidden: list[np.ndarray], norms: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joined scores ``(n,)`` and the members' own ``(n_members, n)``."""
        if not self.objective.foldable:
            return self._long_way(hidden)
        raw = [
            float(offset[0]) + h.astype(np.float64) @ basis[:, 0]
            for h, (offset, basis) in zip(hidden, self._signature, strict=True)
        ]
        joined, own = self.ensemble.join(raw), np.stack(raw)
        if norms is not None:
            joined = _divide(joined, norms)
            single = len(raw) == 1
            own = joined[None] if single else _divide(own, self.ensemble.member_norms(hidden))
        return joined, own

    def _folded_p_value(
        self,
        score: np.ndarray,
        hiddens: list[list[np.ndarray]],
        norms: list[np.ndarray | None],
    ) -> np.ndarray:
        """P-values against every random signature, folded likewise: a block stays in the cache."""
        p_value = np.empty(len(score))
        observed = score.astype(np.float32)
        for rows in _row_blocks(len(score)):
            one = np.ones((len(rows), 1), dtype=np.float32)
            null = np.zeros((len(rows), self._null.shape[1]), dtype=np.float32)
            for hidden, norm in zip(hiddens, norms, strict=True):
                joined = np.concatenate([one, *(h[rows] for h in hidden)], 1, dtype=np.float32)
                scale = np.full((len(rows), 1), 1 / len(hiddens))
                if norm is not None:
                    scale = _divide(scale, norm[rows, None])
                joined *= scale.astype(np.float32)
                null += joined @ self._null
            p_value[rows] = upper_tail_p_values(observed[rows], null)
        return p_value

    def _long_way(self, hidden: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        joined, own = [], []
        for block in _blocks(hidden):
            responses = self.ensemble.responses(block)
            joined.append(self.objective.scores(self.ensemble.join(list(responses))))
            if len(responses) > 1:
                own.append(np.stack([self.objective.scores(r) for r in responses]))
        total = np.concatenate(joined)
        return total, np.concatenate(own, axis=1) if own else total[None]

    def _sampled_p_value(self, score: np.ndarray, hiddens: list[list[np.ndarray]]) -> np.ndarray:
        """P-values where a random signature costs a sorting: few draws, more for the promising.

        A molecule whose p-value over the first :data:`FIRST_DRAWS` is above :data:`PROMISING`
        keeps it (a sequential Monte Carlo test, Besag & Clifford, *Biometrika* 78, 1991).
        """
        n = self.objective.n_permutations
        p_value = np.empty(len(score))
        for rows in _row_blocks(len(score)):
            first = self._null_block(hiddens, rows, 0, min(FIRST_DRAWS, n))
            p_value[rows] = upper_tail_p_values(score[rows], first)
            more = rows[p_value[rows] <= PROMISING]
            if len(more) and n > FIRST_DRAWS:
                rest = self._null_block(hiddens, more, FIRST_DRAWS, n)
                kept = first[p_value[rows] <= PROMISING]
                p_value[more] = upper_tail_p_values(
                    score[more], np.concatenate([kept, rest], axis=1)
                )
        return p_value

    def _null_block(
        self, hiddens: list[list[np.ndarray]], rows: np.ndarray, start: int, stop: int
    ) -> np.ndarray:
        total = np.zeros((len(rows), stop - start))
        for hidden in hiddens:
            responses = self.ensemble.responses([h[rows] for h in hidden])
            joined = self.ensemble.join(list(responses))
            total += self.objective.null_scores(joined, start, stop)
        return total / len(hiddens)

    def _spread(self, own: np.ndarray) -> np.ndarray:
        """Weighted standard deviation over the members, ``(n,)``."""
        if len(own) < 2:
            return np.full(own.shape[1], np.nan)
        weights = np.abs(self.ensemble.weights) / np.abs(self.ensemble.weights).sum()
        center = weights @ own
        return np.sqrt(np.maximum(weights @ (own - center) ** 2, 0.0))


def _compares(model: object) -> bool:
    """Whether a model looks at the pipeline's hidden fingerprints."""
    return isinstance(model, MemoryModel | Forest)


def _divide(values: np.ndarray, norms: np.ndarray) -> np.ndarray:
    return np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)


def _row_blocks(n: int) -> list[np.ndarray]:
    return [np.arange(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def _blocks(hidden: list[np.ndarray]) -> list[list[np.ndarray]]:
    return [[h[rows] for h in hidden] for rows in _row_blocks(len(hidden[0]))]
