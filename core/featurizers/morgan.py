"""Morgan fingerprints."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field

from core.featurizers.base import FEATURIZERS, Featurizer, FeaturizerParams
from core.featurizers.fingerprints import fingerprints


class MorganParams(FeaturizerParams):
    """Size and kind of the fingerprint."""

    radius: int = Field(
        2, ge=0, le=6, title="Radius", description="Radius in bonds; 2 is ECFP4, 3 is ECFP6."
    )
    length: int = Field(
        1024, ge=16, le=65_536, title="Length", description="Number of hashed positions."
    )
    kind: Literal["counts", "bits"] = Field(
        "counts",
        title="Kind",
        description="counts: how often an environment occurs; bits: whether it occurs.",
    )
    pharmacophoric: bool = Field(
        False,
        title="Pharmacophoric",
        description="Describe atoms by their role (donor, acceptor, aromatic …: FCFP) instead of "
        "their element.",
    )


@FEATURIZERS.register(
    "morgan",
    label="Morgan fingerprint",
    help="Circular atom environments of the molecule, hashed (Rogers & Hahn 2010): counts or bits.",
    branch="molecule",
)
class Morgan(Featurizer):
    """Hashed circular environments; nothing is learned from the training rows."""

    Params = MorganParams

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Counts or bits, float32 ``(len(obs), length)``."""
        family = "feature_morgan" if self.params.pharmacophoric else "morgan"
        counts = fingerprints(
            obs, family=family, radius=self.params.radius, length=self.params.length
        )
        return counts if self.params.kind == "counts" else np.minimum(counts, np.float32(1))

    @property
    def names(self) -> list[str]:
        """Column names: ``morgan2_0`` and so on."""
        return [f"morgan{self.params.radius}_{i}" for i in range(self.params.length)]

    def state(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def restore(self, state: dict[str, Any]) -> Self:
        """Nothing to put back."""
        return self
