"""The per-compound mean baseline."""

from __future__ import annotations

import numpy as np

from core.models.base import MODELS
from core.models.constant import GroupMeanModel
from core.models.inputs import Inputs


@MODELS.register(
    "compound_mean",
    label="Compound mean",
    help="The compound's mean training response over the cell types; the overall mean for one "
    "never seen.",
    kind="baseline",
)
class CompoundMean(GroupMeanModel):
    """Predicts the mean over the training cell types of the same compound."""

    def group(self, inputs: Inputs) -> tuple[np.ndarray, int]:
        """Compound codes."""
        return inputs.compound, inputs.n_compounds
