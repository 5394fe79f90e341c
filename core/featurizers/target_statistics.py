"""Statistics of the training responses per compound and per cell type, cross-fitted."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field

from core.featurizers.base import FEATURIZERS, Featurizer, FeaturizerParams
from core.featurizers.categories import codes, known

GROUPS = ("sm_name", "cell_type")
STATISTICS = ("mean", "sd", "median", "q25", "q75")


class TargetStatisticsParams(FeaturizerParams):
    """Size of the summary, and how it is cross-fitted."""

    n_components: int = Field(
        32,
        ge=0,
        le=512,
        title="Components",
        description="Components of the truncated SVD of the training responses to summarise; "
        "0: only the summaries over genes.",
    )
    n_folds: int = Field(
        5,
        ge=2,
        le=50,
        title="Inner folds",
        description="A training row's features come from the rows outside its own inner fold.",
    )


@FEATURIZERS.register(
    "target_statistics",
    label="Target statistics",
    help="Mean, standard deviation, median and quartiles of the training responses per compound "
    "and per cell type, cross-fitted; the overall figures for one never seen.",
    branch="cell",
)
class TargetStatistics(Featurizer):
    """Per compound and per cell type: statistics of the rows' summaries.

    A row is summarised by its scores on a truncated SVD of the training responses, divided by
    √n_genes (so that they are in units of a response), and by the mean, standard deviation,
    median and quartiles over its genes. Of these the five :data:`STATISTICS` are taken over the
    training rows of a compound and of a cell type, with log(1 + number of rows).

    A training row's own features come from the rows outside its inner fold. Subtracting the own
    row from the group's total (leave-one-out) would leak instead: within a group, the feature
    would be a decreasing function of the row's own response. The SVD's axes, common to all rows,
    come from all training rows.
    """

    branch = "cell"
    Params = TargetStatisticsParams

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn the statistics of all training rows."""
        self._learn(obs, self._summaries(targets))
        return self

    def fit_transform(self, obs: pd.DataFrame, targets: np.ndarray) -> np.ndarray:
        """Fit, and return the training rows' cross-fitted features."""
        summaries = self._summaries(targets)
        self._learn(obs, summaries)
        features = np.empty((len(obs), len(self.names)), dtype=np.float32)
        folds = self.inner_folds(obs)
        for fold in range(int(folds.max(initial=0)) + 1):
            inside = folds == fold
            inner = type(self)(self.params, seed=self.seed)
            inner._columns = self._columns
            inner._learn(obs[~inside], summaries[~inside])
            features[inside] = inner.transform(obs[inside])
        return features

    def inner_folds(self, obs: pd.DataFrame) -> np.ndarray:
        """Inner fold of each row, int ``(n,)``: rows of one compound lie in different folds."""
        shuffled = np.random.default_rng(self.seed).permutation(len(obs))
        compound = codes(obs["sm_name"], known(obs["sm_name"]))
        order = shuffled[np.argsort(compound[shuffled], kind="stable")]
        folds = np.empty(len(obs), dtype=np.int64)
        folds[order] = np.arange(len(obs)) % min(self.params.n_folds, max(len(obs), 1))
        return folds

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Statistics of each row's compound and cell type, float32 ``(len(obs), d)``."""
        parts = []
        for column in GROUPS:
            # Code −1 picks the last row of the table: the overall statistics.
            found = codes(obs[column], self._categories[column])
            parts.append(self._tables[column][found])
        return np.concatenate(parts, axis=1)

    @property
    def names(self) -> list[str]:
        """Column names: ``sm_name mean svd1``, ``cell_type log_rows`` and so on."""
        return [
            name
            for column in GROUPS
            for name in (
                *(f"{column} {stat} {part}" for stat in STATISTICS for part in self._columns),
                f"{column} log_rows",
            )
        ]

    def state(self) -> dict[str, Any]:
        """Categories, and one table of statistics a group (overall figures in the last row)."""
        return {
            "categories": self._categories,
            "columns": self._columns,
            **{f"table_{column}": self._tables[column] for column in GROUPS},
        }

    def restore(self, state: dict[str, Any]) -> Self:
        """Put categories and tables back."""
        self._categories = {column: list(of) for column, of in state["categories"].items()}
        self._columns = list(state["columns"])
        self._tables = {
            column: np.asarray(state[f"table_{column}"], dtype=np.float32) for column in GROUPS
        }
        return self

    def _summaries(self, targets: np.ndarray) -> np.ndarray:
        """Summaries of the rows, float64 ``(n, n_components + 5)``."""
        values = np.asarray(targets, dtype=np.float32)
        scores = svd_scores(values, self.params.n_components)
        self._columns = [f"svd{i + 1}" for i in range(scores.shape[1])]
        self._columns += [f"genes_{stat}" for stat in STATISTICS]
        return np.concatenate([scores, _statistics(values.T).T], axis=1)

    def _learn(self, obs: pd.DataFrame, summaries: np.ndarray) -> None:
        self._categories = {column: known(obs[column]) for column in GROUPS}
        self._tables = {}
        for column in GROUPS:
            categories = self._categories[column]
            found = codes(obs[column], categories)
            rows = [summaries[found == code] for code in range(len(categories))] + [summaries]
            self._tables[column] = np.asarray(
                [np.append(_statistics(of).ravel(), np.log1p(len(of))) for of in rows[:-1]]
                + [np.append(_statistics(summaries).ravel(), 0.0)],
                dtype=np.float32,
            )


def svd_scores(values: np.ndarray, n_components: int) -> np.ndarray:
    """Scores ``U S / √n_genes`` of a truncated SVD of the rows, float64 ``(n, k)``.

    From the rows' Gram matrix, so that thousands of genes cost one matrix product. The sign of
    a component is fixed by its largest score. ``k`` is at most the rank.
    """
    n, n_genes = values.shape
    gram = (values @ values.T).astype(np.float64) / max(n_genes, 1)
    eigenvalues, vectors = np.linalg.eigh(gram)
    top = np.argsort(eigenvalues)[::-1][:n_components]
    top = top[eigenvalues[top] > 1e-9 * max(float(eigenvalues.max(initial=0.0)), 1e-30)]
    scores = vectors[:, top] * np.sqrt(eigenvalues[top])
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(len(top))]) if n else 1.0
    return scores * signs


def _statistics(rows: np.ndarray) -> np.ndarray:
    """The five :data:`STATISTICS` over rows ``(m, d)``, float64 ``(5, d)``; zeros where m = 0."""
    if len(rows) == 0:
        return np.zeros((len(STATISTICS), rows.shape[1]))
    lower, middle, upper = np.percentile(rows, [25, 50, 75], axis=0)
    return np.stack(
        [
            rows.mean(axis=0, dtype=np.float64),
            rows.std(axis=0, dtype=np.float64),
            middle,
            lower,
            upper,
        ]
    )
