"""Genes drawn at random: what every other selector must beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.models.selectors.base import SELECTORS, GeneSelector, Selection, checked
from core.progress import OnProgress, silent


@SELECTORS.register(
    "random", label="Random", help="Genes drawn at random: what every other set must beat."
)
class RandomGenes(GeneSelector):
    """A draw without replacement."""

    random = True

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """Draw ``k`` genes."""
        values = checked(X, k)
        order = np.random.default_rng(seed).choice(values.shape[1], k, replace=False)
        return Selection(order.astype(np.int64), (f"drawn at random, seed {seed}",) * k)
