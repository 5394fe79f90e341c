"""One-hot codes of cell type and compound."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field

from core.featurizers.base import FEATURIZERS, Featurizer, FeaturizerParams
from core.featurizers.categories import codes, known


class OneHotParams(FeaturizerParams):
    """Which of the two categories are encoded."""

    compounds: bool = Field(
        True,
        title="Compounds",
        description="Encode the compound too; without it only the cell type.",
    )


@FEATURIZERS.register(
    "onehot",
    label="One-hot codes",
    help="One column a cell type and a compound of the training rows; zeros for one never seen.",
    branch="cell",
)
class OneHot(Featurizer):
    """Indicator columns of the training rows' cell types and compounds."""

    branch = "cell"
    Params = OneHotParams

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn the categories of the training rows."""
        self._categories = {"cell_type": known(obs["cell_type"])}
        if self.params.compounds:
            self._categories["sm_name"] = known(obs["sm_name"])
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Indicators, float32 ``(len(obs), n_cell_types + n_compounds)``."""
        parts = []
        for column, categories in self._categories.items():
            found = codes(obs[column], categories)
            part = np.zeros((len(obs), len(categories)), dtype=np.float32)
            seen = np.flatnonzero(found >= 0)
            part[seen, found[seen]] = 1.0
            parts.append(part)
        return np.concatenate(parts, axis=1)

    @property
    def names(self) -> list[str]:
        """Column names: ``cell_type=NK cells``, ``sm_name=Clotrimazole`` and so on."""
        return [f"{column}={value}" for column, of in self._categories.items() for value in of]

    def state(self) -> dict[str, Any]:
        """The categories."""
        return {"categories": {column: list(of) for column, of in self._categories.items()}}

    def restore(self, state: dict[str, Any]) -> Self:
        """Put the categories back."""
        self._categories = {column: list(of) for column, of in state["categories"].items()}
        return self
