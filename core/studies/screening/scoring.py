"""Scores of molecules: folded where the objective allows it, the long way where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.metrics.connectivity import upper_tail_p_values
from core.models.forest import Forest
from core.models.memory import MemoryModel
from core.molecules.parse import MoleculeError, parse_line
from core.molecules.standardise import standardise
from core.studies.perturbation.predictor import Predictor
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
    """

    def __init__(
        self, predictor: Predictor, objective: Objective, cell_types: tuple[str, ...]
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
        self._learn_compounds()

    def _fold(self) -> None:
        """Fold the signature, and the random ones joined over the members, into the last steps."""
        self._signature = self.ensemble.fold(self.objective.vector[:, None])
        self._null: list[tuple[np.ndarray, np.ndarray]] = []
        if self.objective.n_permutations:
            folded = self.ensemble.fold(self.objective.null_vectors)
            self._null = [
                (offset.astype(np.float32), basis.astype(np.float32)) for offset, basis in folded
            ]

    def _learn_compounds(self) -> None:
        """Standardised training compounds: the domain, and whom a new molecule may be."""
        names, mols = [], []
        compounds = self.predictor.compounds
        for name, smiles in zip(compounds["sm_name"], compounds["SMILES"], strict=True):
            parsed = parse_line(str(smiles))
            if parsed.mol is None:
                continue
            try:
                mols.append(standardise(parsed.mol, parsed.text).mol)
                names.append(str(name))
            except MoleculeError:
                continue
        self.training = Molecules(mols, names)
        self._by_structure = dict(zip(self.training.smiles, names, strict=True))
        self._training_bits = np.ascontiguousarray(self.training.bits.toarray().T)
        self._training_on = self._training_bits.sum(axis=0)

    def nearest(self, molecules: Molecules) -> tuple[np.ndarray, np.ndarray]:
        """Nearest training compound of each molecule: its position and Tanimoto similarity."""
        both = molecules.bits @ self._training_bits
        on = np.asarray(molecules.bits.sum(axis=1)).ravel()
        either = on[:, None] + self._training_on[None, :]
        either -= both
        np.maximum(either, 1.0, out=either)
        similarity = np.divide(both, either, out=both)
        best = similarity.argmax(axis=1)
        return best, similarity[np.arange(len(best)), best].astype(np.float32)

    def name_known(self, molecules: Molecules, similarity: np.ndarray) -> list[str]:
        """Training name of each molecule that is a training compound, else an empty text.

        Only a molecule with the fingerprint of a training compound can be one.
        """
        names = [""] * len(molecules)
        for row in np.flatnonzero(similarity >= 1.0):
            names[row] = self._by_structure.get(molecules.canonical(int(row)), "")
        return names

    def score(self, molecules: Molecules, *, p_values: bool = True) -> Scores:
        """Scores in every cell type; see :class:`Scores`."""
        p_values = p_values and self.objective.n_permutations > 0
        views = self.features.molecule_views(molecules)
        by_type, members = [], []
        null = None
        if p_values and self.objective.foldable:
            shape = (len(molecules), self.objective.n_permutations)
            null = np.zeros(shape, dtype=np.float32)
        hiddens = []
        for cell_type in self.cell_types:
            inputs = self.features.inputs(molecules, cell_type, views)
            hidden = self.ensemble.hidden(inputs)
            hiddens.append(hidden)
            joined, own = self._of_hidden(hidden, null)
            by_type.append(joined)
            members.append(own)
        by_cell_type = np.stack(by_type, axis=1)
        score = by_cell_type.mean(axis=1)
        p_value = np.full(len(score), np.nan)
        if null is not None:
            p_value = upper_tail_p_values(score, null / len(self.cell_types))
        elif p_values:
            p_value = self._sampled_p_value(score, hiddens)
        return Scores(score, by_cell_type, self._spread(np.mean(members, axis=0)), p_value)

    def response(self, molecules: Molecules, cell_type: str) -> list[np.ndarray]:
        """Each member's response the long way, float32 ``(n, n_genes)``."""
        inputs = self.features.inputs(molecules, cell_type)
        return self.ensemble.responses(self.ensemble.hidden(inputs))

    def _of_hidden(
        self, hidden: list[np.ndarray], null: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joined scores ``(n,)`` and the members' own ``(n_members, n)``; adds to ``null``."""
        if not self.objective.foldable:
            return self._long_way(hidden)
        raw = [
            float(offset[0]) + h.astype(np.float64) @ basis[:, 0]
            for h, (offset, basis) in zip(hidden, self._signature, strict=True)
        ]
        joined, own = self.ensemble.join(raw), np.stack(raw)
        norms = np.ones(len(joined))
        if self.objective.normed:
            norms = self.ensemble.norms(hidden)
            joined = _divide(joined, norms)
            single = len(raw) == 1
            own = joined[None] if single else _divide(own, self.ensemble.member_norms(hidden))
        if null is not None:
            random = self.ensemble.join(
                [o + h.astype(np.float32) @ b for h, (o, b) in zip(hidden, self._null, strict=True)]
            )
            null += _divide(random, norms[:, None].astype(np.float32))
        return joined, own

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
