"""Similarity-weighted neighbours, shrunken towards the geometric median."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.models.base import MODELS, Params
from core.models.inputs import Inputs
from core.models.kernels import cell_kernel, kernel_views, molecule_kernel
from core.models.memory import MemoryModel
from core.models.row_space import median_mixture, row_gram


class KNNParams(Params):
    """How neighbours are weighted."""

    power: float = Field(
        4.0,
        gt=0,
        le=64,
        title="Power",
        description="A neighbour weighs its Tanimoto similarity to this power.",
    )
    shrinkage: float = Field(
        0.5,
        gt=0,
        le=1000,
        title="Shrinkage",
        description="Weight of the geometric median among the neighbours (an identical molecule "
        "weighs 1).",
    )
    n_neighbors: int = Field(
        50, ge=1, le=100_000, title="Neighbours", description="Most neighbours of a pair."
    )
    other_cell_types: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Other cell types",
        description="Weight of a neighbour in another cell type.",
    )


@MODELS.register(
    "knn",
    label="Nearest neighbours",
    help="Responses of similar molecules (Tanimoto over several fingerprints), shrunken towards "
    "the geometric median of the cell type.",
    kind="classical",
)
class KNN(MemoryModel):
    """``c + Σ wⱼ (yⱼ − cⱼ) / (Σ wⱼ + shrinkage)`` over the nearest training pairs.

    ``c`` is the center of the pair's cell type: its geometric median, itself shrunken towards
    that of all rows where the cell type has few. So a pair without similar molecules gets the
    best constant, and neighbours in other cell types lend only what they do beyond their own
    center.
    """

    Params = KNNParams

    def learn(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Centers of the cell types (that of all rows last), then the rows about their center."""
        mixtures = center_mixtures(
            row_gram(targets)[0], inputs.cell_type, inputs.n_cell_types, weights
        )
        centers = mixtures.astype(np.float32) @ targets
        return np.concatenate([centers, targets - centers[inputs.cell_type]])

    def mixtures(self, inputs: Inputs) -> np.ndarray:
        """Weights of centers and rows, float64 ``(n, n_cell_types + 1 + n_train)``."""
        similar = molecule_kernel(kernel_views(inputs), self._views) ** self.params.power
        similar *= cell_kernel(inputs.cell_type, self._cell_type, self.params.other_cell_types)
        k = self.params.n_neighbors
        if k < similar.shape[1]:
            least = np.partition(similar, -k, axis=1)[:, [-k]]
            similar[similar < least] = 0.0
        similar /= similar.sum(axis=1, keepdims=True) + self.params.shrinkage
        centers = np.zeros((len(inputs), self._n_cell_types + 1))
        centers[np.arange(len(inputs)), inputs.cell_type] = 1.0  # −1 picks the last
        return np.concatenate([centers, similar], axis=1)


def center_mixtures(
    gram: np.ndarray,
    cell_type: np.ndarray,
    n_cell_types: int,
    weights: np.ndarray | None = None,
    *,
    prior_rows: float = 10.0,
) -> np.ndarray:
    """Geometric medians of the cell types, shrunken towards that of all rows, as mixtures of rows.

    Parameters
    ----------
    gram
        Of the rows, ``(n, n)``.
    cell_type
        Codes ``(n,)``.
    n_cell_types
        Number of codes.
    weights
        Row weights ``(n,)``; default: equal.
    prior_rows
        The overall median counts as so many rows of a cell type.

    Returns
    -------
    float64 ``(n_cell_types + 1, n)``, rows sum to 1; the overall median is last.
    """
    weights = np.ones(len(gram)) if weights is None else weights
    overall = median_mixture(gram, weights)
    if n_cell_types < 2:
        return np.tile(overall, (n_cell_types + 1, 1))
    mixtures = np.zeros((n_cell_types + 1, len(gram)))
    for code in range(n_cell_types):
        own = np.flatnonzero(cell_type == code)
        share = len(own) / (len(own) + prior_rows)
        mixtures[code] = (1.0 - share) * overall
        if len(own):
            mixtures[code, own] += share * median_mixture(gram[np.ix_(own, own)], weights[own])
    mixtures[-1] = overall
    return mixtures
