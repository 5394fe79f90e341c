"""The per-cell-type mean baseline."""

from __future__ import annotations

import numpy as np

from core.models.base import MODELS
from core.models.constant import GroupMeanModel
from core.models.inputs import Inputs


@MODELS.register(
    "cell_type_mean",
    label="Cell type mean",
    help="The mean training response of the cell type; the overall mean for one never seen.",
    kind="baseline",
)
class CellTypeMean(GroupMeanModel):
    """Predicts the mean over the training compounds in the same cell type."""

    def group(self, inputs: Inputs) -> tuple[np.ndarray, int]:
        """Cell type codes."""
        return inputs.cell_type, inputs.n_cell_types
