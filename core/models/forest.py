"""Extra trees as adaptive neighbours: the trees learn which features make molecules alike."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from sklearn.ensemble import ExtraTreesRegressor

from core.featurizers.kernel_views import KERNEL
from core.models.base import MODELS, Params, ResponseModel
from core.models.inputs import Inputs
from core.models.knn import center_mixtures
from core.models.row_space import distances, row_gram


class ForestParams(Params):
    """Size of the forest, and how its neighbours are mixed."""

    n_trees: int = Field(100, ge=1, le=5000, title="Trees", description="Number of trees.")
    min_leaf: int = Field(
        3, ge=1, le=1000, title="Least leaf", description="Least training pairs in a leaf."
    )
    max_features: float = Field(
        0.05,
        gt=0,
        le=1,
        title="Features a split",
        description="Share of the features that a split chooses from.",
    )
    n_components: int = Field(
        8,
        ge=1,
        le=256,
        title="Components",
        description="Main components of the responses that the splits tell apart.",
    )
    norm_limit: float = Field(
        3.0,
        gt=0,
        le=1000,
        title="Norm limit",
        description="For the splits, responses stronger than this multiple of the median strength "
        "are scaled down to it, so that a few strong rows do not place every split.",
    )
    robustness: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Robustness",
        description="A neighbour weighs 1 / distance from its center to this power: 1 mixes "
        "towards the geometric median, 0 towards the mean.",
    )
    shrinkage: float = Field(
        0.2,
        ge=0,
        le=1,
        title="Shrinkage",
        description="Share of the geometric median of the cell type in every prediction.",
    )


@MODELS.register(
    "forest",
    label="Forest neighbours",
    help="Extremely randomised trees on all selected features; a pair gets the responses of the "
    "training pairs it shares leaves with, shrunken towards the geometric median of its cell type.",
    kind="classical",
)
class Forest(ResponseModel):
    """Mixtures of training rows weighted by how often they share a leaf with a pair.

    The trees (Geurts et al., *Machine Learning* 63, 2006) are grown on a low-rank, norm-limited
    copy of the responses about their cell type's center; their leaves weigh the training rows
    (Meinshausen, *JMLR* 7, 2006), and the rows as measured are mixed. Without selected molecule
    features the Morgan fingerprint of the kernel models is used.
    """

    Params = ForestParams

    def fit(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Grow the trees and keep which training pairs lie in which leaf."""
        targets = np.asarray(targets, dtype=np.float32)
        base = np.ones(len(inputs)) if weights is None else np.asarray(weights, dtype=np.float64)
        gram, _ = row_gram(targets)
        mixtures = center_mixtures(gram, inputs.cell_type, inputs.n_cell_types, base)
        self._centers = mixtures.astype(np.float32) @ targets
        self._residuals = targets - self._centers[inputs.cell_type]
        errors = distances(gram, mixtures[inputs.cell_type])
        typical = max(float(np.median(errors)), 1e-12)
        pull = (typical / np.maximum(errors, 1e-3 * typical)) ** self.params.robustness
        self._row_weights = base * pull
        forest = ExtraTreesRegressor(
            self.params.n_trees,
            min_samples_leaf=self.params.min_leaf,
            max_features=self.params.max_features,
            random_state=self.seed,
        )
        features = _features(inputs)
        # A column with fewer odd values than a leaf has rows cannot split; left in, such columns
        # (rare substructures) would only crowd the random choice of each split.
        common = np.median(features, axis=0)
        self._kept = np.flatnonzero((features != common).sum(axis=0) >= self.params.min_leaf)
        if len(self._kept) == 0:
            self._kept = np.array([0])
        features = np.ascontiguousarray(features[:, self._kept])
        forest.fit(features, self._split_targets(errors, typical), sample_weight=base)
        trees = [tree.tree_ for tree in forest.estimators_]
        self._starts = np.cumsum([0] + [tree.node_count for tree in trees]).astype(np.int64)
        self._left = np.concatenate(
            [tree.children_left + at for tree, at in zip(trees, self._starts, strict=False)]
        )
        self._right = np.concatenate(
            [tree.children_right + at for tree, at in zip(trees, self._starts, strict=False)]
        )
        self._feature = np.concatenate([tree.feature for tree in trees])
        self._threshold = np.concatenate([tree.threshold for tree in trees])
        self._leaves = self._apply(features)
        return self

    def _split_targets(self, errors: np.ndarray, typical: float) -> np.ndarray:
        """Scores of the norm-limited residuals on their main components, ``(n, n_components)``."""
        limit = self.params.norm_limit * typical
        scale = np.minimum(1.0, limit / np.maximum(errors, 1e-12)).astype(np.float32)
        limited = self._residuals * scale[:, None]
        eigenvalues, vectors = np.linalg.eigh((limited @ limited.T).astype(np.float64))
        top = np.argsort(eigenvalues)[::-1][: self.params.n_components]
        return vectors[:, top] * np.sqrt(np.maximum(eigenvalues[top], 0.0))

    def _apply(self, features: np.ndarray) -> np.ndarray:
        """The leaf of each row in each tree, as a node of the whole forest, ``(n, n_trees)``."""
        nodes = np.tile(self._starts[:-1], (len(features), 1))
        rows = np.arange(len(features))[:, None]
        while True:
            feature = self._feature[nodes]
            inner = feature >= 0  # a leaf has feature −2
            if not inner.any():
                return nodes
            goes_left = features[rows, np.maximum(feature, 0)] <= self._threshold[nodes]
            following = np.where(goes_left, self._left[nodes], self._right[nodes])
            nodes = np.where(inner, following, nodes)

    def mixtures(self, inputs: Inputs) -> np.ndarray:
        """Weights of the training rows for each pair, float64 ``(n, n_train)``, sum 1."""
        reached = self._apply(_features(inputs)[:, self._kept])
        weights = np.zeros((len(inputs), len(self._row_weights)))
        for tree in range(reached.shape[1]):
            same = reached[:, [tree]] == self._leaves[:, tree][None, :]
            weights += same / same.sum(axis=1, keepdims=True)
        weights *= self._row_weights
        return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Center of the cell type plus the mixed residuals, float32 ``(n, n_genes)``."""
        mixed = self.mixtures(inputs).astype(np.float32) @ self._residuals
        share = np.float32(1.0 - self.params.shrinkage)
        return self._centers[inputs.cell_type] + share * mixed  # code −1 picks the last center

    def state(self) -> dict[str, np.ndarray]:
        """Trees, leaves of the training pairs, centers and residuals."""
        return {name: getattr(self, f"_{name}") for name in _STATE}

    def restore(self, state: dict[str, np.ndarray]) -> Self:
        """Put the fitted arrays back."""
        for name in _STATE:
            setattr(self, f"_{name}", state[name])
        return self


_STATE = (
    "kept",
    "starts",
    "left",
    "right",
    "feature",
    "threshold",
    "leaves",
    "row_weights",
    "centers",
    "residuals",
)


def _features(inputs: Inputs) -> np.ndarray:
    """All selected features, float32 ``(n, d)``; the first fingerprint where no molecule view is."""
    blocks = [inputs.cell, inputs.molecule]
    if inputs.molecule.shape[1] == 0:
        hidden = [view for name, view in inputs.views.items() if inputs.branches[name] == KERNEL]
        blocks += hidden[:1]
    return np.concatenate(blocks, axis=1).astype(np.float32)
