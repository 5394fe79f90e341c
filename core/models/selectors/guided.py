"""Guided: begin with a known set, L1000 say, and add and remove genes while that helps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from core.errors import ConfigError
from core.models.base import Params
from core.models.selectors.base import SELECTORS, GeneSelector, Selection, centred, checked
from core.models.selectors.design import Design, DesignParams, exchange, factor_model
from core.progress import OnProgress, silent


class GuidedParams(DesignParams):
    """As the optimal design; ``exchanges`` bounds how far the set may go from its start."""


@SELECTORS.register(
    "guided",
    label="Guided from L1000",
    help="Starts from the L1000 genes that are measured, adds or removes genes up to the wanted "
    "size, then exchanges the least for the most useful: what the paper's discussion proposes.",
)
class Guided(GeneSelector):
    """Exchanges from a given set under the optimal design's objective."""

    Params: ClassVar[type[Params]] = GuidedParams
    guided = True

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """The set that adding, removing and exchanging make of ``start``.

        Raises
        ------
        ConfigError
            Where ``start`` is empty.
        """
        values = centred(checked(X, k))
        if start is None or not len(start):
            raise ConfigError(
                "Guided selection needs genes to start from, and none of them is measured here."
            )
        given = np.unique(np.asarray(start, dtype=np.int64))
        loadings, noise = factor_model(values, self.params.n_factors, seed=seed)
        design = Design(loadings, noise, self.params.balance)
        for gene in given:
            design.add(int(gene))
        path = [_row(design)]
        added: list[int] = []
        while design.chosen.sum() > k:
            design.drop(int(design.losses().argmin()))
        while design.chosen.sum() < k:
            best = int(design.gains().argmax())
            design.add(best)
            added.append(best)
        path.append(_row(design))
        swapped = exchange(design, self.params.exchanges, on_progress)
        path.append(_row(design))
        inside = np.flatnonzero(design.chosen)
        loss = design.losses()
        order = inside[np.argsort(-loss[inside], kind="stable")]
        known, filled, came = set(given.tolist()), set(added), set(swapped)
        why = tuple(_why(int(gene), known, filled, came) for gene in order)
        kept = sum(int(gene) in known for gene in order)
        note = f"{kept:,} of the {len(given):,} genes of the start stayed."
        return Selection(order.astype(np.int64), why, pd.DataFrame(path), note)


def _row(design: Design) -> dict[str, float]:
    return {
        "n_genes": int(design.chosen.sum()),
        "error": design.panel_left,
        "objective": design.objective,
    }


def _why(gene: int, known: set[int], filled: set[int], came: set[int]) -> str:
    if gene in known:
        return "of the start, worth keeping"
    if gene in came:
        return "came in by an exchange"
    return "added to reach the size" if gene in filled else "came in by an exchange"
