"""Integer codes of cell type and compound."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from core.featurizers.base import FEATURIZERS, Featurizer
from core.featurizers.categories import codes, known

COLUMNS = ("cell_type", "sm_name")


@FEATURIZERS.register(
    "label",
    label="Label codes",
    help="Cell type and compound as two integer columns (−1 for one never seen), as tree models "
    "use them; their order means nothing.",
    branch="cell",
)
class Label(Featurizer):
    """Alphabetical position of a row's cell type and compound among the training rows'."""

    branch = "cell"

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn the categories of the training rows."""
        self._categories = {column: known(obs[column]) for column in COLUMNS}
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Codes, float32 ``(len(obs), 2)``."""
        columns = [codes(obs[column], of) for column, of in self._categories.items()]
        return np.stack(columns, axis=1).astype(np.float32)

    @property
    def names(self) -> list[str]:
        """``cell_type`` and ``sm_name``."""
        return list(self._categories)

    def state(self) -> dict[str, Any]:
        """The categories."""
        return {"categories": {column: list(of) for column, of in self._categories.items()}}

    def restore(self, state: dict[str, Any]) -> Self:
        """Put the categories back."""
        self._categories = {column: list(of) for column, of in state["categories"].items()}
        return self
