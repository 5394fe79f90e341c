"""Coordinates of cells made from their measured genes alone: depth, principal, guided."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.utils.extmath import randomized_svd

from core.models.expression.base import ExpressionInputs
from core.models.expression.spectral import SpectralRidge, Spectrum

#: Principal components of the targets that guided coordinates begin from.
_TARGET_COMPONENTS = 50


class Depth:
    """How deeply a cell was sequenced, told by its measured genes; standardised.

    The smallest positive value of a cell is that of a single read, ``log(1 + scale / total)``:
    its logarithm stands for the total. Number and sum of the detected genes follow it loosely.
    What a gene's log-normalised value is expected to be depends on depth as well as on the
    cell's state, because most values are zeros by chance.
    """

    def fit(self, X: np.ndarray) -> Self:
        """Learn centre and scale from training cells ``(n, p)``."""
        raw = self._raw(X)
        self._fallback = np.nanmedian(raw[:, 0]) if np.isfinite(raw[:, 0]).any() else 0.0
        raw = self._filled(raw)
        self._centre, self._scale = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-6)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Depth coordinates, float32 ``(n, 3)``."""
        return ((self._filled(self._raw(X)) - self._centre) / self._scale).astype(np.float32)

    @staticmethod
    def _raw(X: np.ndarray) -> np.ndarray:
        positive = np.where(X > 0, X, np.inf).min(axis=1)
        with np.errstate(divide="ignore"):
            total = np.where(np.isfinite(positive), -np.log(np.expm1(positive)), np.nan)
        return np.column_stack([total, np.log1p((X > 0).sum(axis=1)), X.sum(axis=1)])

    def _filled(self, raw: np.ndarray) -> np.ndarray:
        raw[:, 0] = np.where(np.isfinite(raw[:, 0]), raw[:, 0], self._fallback)
        return raw


class Principal:
    """Leading principal components of the measured genes."""

    def __init__(self, n_components: int, seed: int = 0) -> None:
        self.n_components, self.seed = n_components, seed

    def fit(self, X: np.ndarray) -> np.ndarray:
        """Learn from training cells; returns their coordinates, float32 ``(n, k)``."""
        self._mean = X.mean(axis=0)
        centred = X - self._mean
        k = min(self.n_components, *centred.shape)
        u, s, self._axes = randomized_svd(centred, k, random_state=self.seed)
        return (u * s).astype(np.float32)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Coordinates of other cells, float32 ``(n, k)``."""
        return ((X - self._mean) @ self._axes.T).astype(np.float32)


class Guided:
    """Predicted principal components of the *other* genes.

    Ridge regression from measured genes and depth to the scores of the leading principal
    components of the targets. Neighbours in this space are neighbours in what is to be predicted.
    Training cells get their exact leave-one-out predictions: fitted ones would place them closer
    to their own targets than any new cell can be.
    """

    def __init__(self, n_components: int, seed: int = 0) -> None:
        self.n_components, self.seed = n_components, seed

    def fit(self, X: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Learn from training cells; returns their coordinates, float32 ``(n, k)``."""
        centred = np.asarray(targets, dtype=np.float32) - targets.mean(axis=0)
        k = min(_TARGET_COMPONENTS, min(centred.shape) - 1)
        u, s, _ = randomized_svd(centred, k, random_state=self.seed)
        self._depth = Depth().fit(X)
        features = self._features(X, first=True)
        ridge = SpectralRidge(Spectrum.of_features(features), u * s)
        penalty = ridge.choose(per_gene=False).values
        self._mean, self._coefficients = ridge.mean, ridge.coefficients(penalty)
        self._k = min(self.n_components, k)
        return ridge.left_out(float(penalty[0]))[:, : self._k]

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Coordinates of other cells, float32 ``(n, k)``."""
        found = self._mean + self._features(X) @ self._coefficients
        return np.asarray(found[:, : self._k], dtype=np.float32)

    def _features(self, X: np.ndarray, first: bool = False) -> np.ndarray:
        if first:
            self._centre = X.mean(axis=0)
            # Depth weighs as much as one strong gene: the penalty hardly shrinks it.
            self._weight = float(np.sqrt(X.var(axis=0).sum()))
        return np.concatenate(
            [X - self._centre, self._weight * self._depth.transform(X)], axis=1, dtype=np.float32
        )


class Coordinates:
    """One of the spaces in which cells are neighbours, by name.

    ``genes``: the measured genes as they are; ``principal``; ``guided``; ``both``: the latter two,
    each scaled to the same total variance.
    """

    SPACES = ("guided", "principal", "both", "genes")

    def __init__(self, space: str, n_components: int, seed: int = 0) -> None:
        self.space, self.n_components, self.seed = space, n_components, seed

    def fit(self, inputs: ExpressionInputs, targets: np.ndarray) -> np.ndarray:
        """Learn from training cells; returns their coordinates, float32 ``(n, k)``."""
        self._parts: list[Principal | Guided] = []
        if self.space == "genes":
            return np.asarray(inputs.X, dtype=np.float32)
        found = []
        if self.space in ("guided", "both"):
            guided = Guided(self.n_components, self.seed)
            found.append(guided.fit(inputs.X, targets))
            self._parts.append(guided)
        if self.space in ("principal", "both"):
            principal = Principal(self.n_components, self.seed)
            found.append(principal.fit(inputs.X))
            self._parts.append(principal)
        self._scales = [1.0 / max(float(np.sqrt(p.var(axis=0).sum())), 1e-9) for p in found]
        return np.concatenate([p * s for p, s in zip(found, self._scales, strict=True)], axis=1)

    def transform(self, inputs: ExpressionInputs) -> np.ndarray:
        """Coordinates of other cells, float32 ``(n, k)``."""
        if self.space == "genes":
            return np.asarray(inputs.X, dtype=np.float32)
        found = (
            part.transform(inputs.X) * scale
            for part, scale in zip(self._parts, self._scales, strict=True)
        )
        return np.concatenate(list(found), axis=1)
