"""Nearest training cells."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from core.models.base import Params
from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs, ExpressionModel
from core.models.expression.coordinates import Coordinates


class KNNParams(Params):
    """Neighbours, and the space in which they are near."""

    n_neighbors: int = Field(
        50, ge=1, le=5000, title="Neighbours", description="Training cells that are averaged."
    )
    space: Literal["guided", "principal", "both", "genes"] = Field(
        "guided",
        title="Space",
        description="guided: predicted principal components of the other genes; principal: "
        "principal components of the measured genes; both; genes: the measured genes themselves.",
    )
    n_components: int = Field(
        20, ge=1, le=500, title="Components", description="Dimensions of the space."
    )


@EXPRESSION_MODELS.register(
    "knn",
    label="Nearest cells",
    help="The mean of the most similar training cells, near in the principal components that the "
    "measured genes predict for the others.",
    kind="neighbours",
    loss="mse",
)
class KNN(ExpressionModel):
    """The plain mean of the nearest training cells (Euclidean, exact search)."""

    Params = KNNParams

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> Self:
        """Learn the space and remember the training cells in it."""
        params = self.params
        self._space = Coordinates(params.space, params.n_components, self.seed)
        found = self._space.fit(inputs, targets)
        self._k = min(params.n_neighbors, len(found))
        self._index = NearestNeighbors(n_neighbors=self._k, algorithm="brute").fit(found)
        self._targets = np.asarray(targets, dtype=np.float32)
        return self

    def predict(self, inputs: ExpressionInputs) -> np.ndarray:
        """Predicted expression, float32 ``(n, n_targets)``."""
        near = self._index.kneighbors(self._space.transform(inputs), return_distance=False)
        n = len(near)
        share = np.full(near.size, 1.0 / self._k, dtype=np.float32)
        starts = np.arange(0, near.size + 1, self._k)
        mixing = sparse.csr_matrix((share, near.ravel(), starts), shape=(n, len(self._targets)))
        return np.asarray(mixing @ self._targets, dtype=np.float32)
