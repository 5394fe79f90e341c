"""Greedy column subset selection: each next gene explains most of what all genes have left."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from core.models.base import Params
from core.models.principal import principal_components
from core.models.selectors.base import (
    SELECTORS,
    GeneSelector,
    Selection,
    centred,
    checked,
    completed,
    reasons,
)
from core.progress import OnProgress, silent

#: Residual variance below this share of the largest one is rounding.
SPENT = 1e-7


class GreedyParams(Params):
    """Of what the genes shall explain most."""

    n_components: int | None = Field(
        None,
        ge=2,
        le=5000,
        title="Components",
        description="Principal components that stand for the matrix (its sketch); empty: a tenth "
        "more than genes are wanted.",
    )


@SELECTORS.register(
    "greedy",
    label="Greedy column subset",
    help="Each next gene explains most of the variance that all genes have left (column subset "
    "selection, Farahat et al. 2011).",
)
class GreedyColumns(GeneSelector):
    """Greedy column subset selection with the recursion of Farahat, Ghodsi & Kamel (ICDM 2011)."""

    Params: ClassVar[type[Params]] = GreedyParams

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """The ``k`` columns of largest gain, one after the other."""
        values = centred(checked(X, k))
        rank = self.params.n_components or k + k // 10 + 1
        parts = principal_components(values, rank, seed=seed)
        sketch = (parts.loadings * np.sqrt(parts.variances)).T.astype(np.float64)
        order, gains = greedy_columns(sketch, k, on_progress)
        left = 1 - np.cumsum(gains) / max(float((sketch**2).sum()), 1e-30)
        own = np.einsum("ij,ij->j", values, values) / len(values)
        full = completed(order, own, k)
        share = np.concatenate([gains, np.zeros(len(full) - len(order))])
        why = reasons("step {rank}, explains {value:.3f} more variance", share)
        path = pd.DataFrame({"n_genes": np.arange(1, len(order) + 1), "error": left})
        return Selection(full, why, path)


def greedy_columns(
    F: np.ndarray, k: int, on_progress: OnProgress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of ``F`` ``(r, p)`` whose span takes most of ``F``, greedily.

    Returns
    -------
    order, gains
        Columns, int64, and the squared norm of ``F`` that each took, float64; fewer than ``k``
        where the rank of ``F`` is spent.
    """
    r, p = F.shape
    taken = np.zeros((min(k, r), p))
    f = np.einsum("ij,ij->j", F @ F.T @ F, F)  # squared norms of the Gram matrix's columns
    g = np.einsum("ij,ij->j", F, F)
    floor = SPENT * float(g.max(initial=0.0))
    free = np.ones(p, dtype=bool)
    order: list[int] = []
    gains: list[float] = []
    for t in range(min(k, r)):
        gain = np.where(free & (g > floor), f / np.maximum(g, floor or 1.0), -1.0)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        before = taken[:t]
        column = F.T @ F[:, best] - before.T @ before[:, best]
        omega = column / np.sqrt(column[best])
        f -= 2 * omega * (F.T @ (F @ omega) - before.T @ (before @ omega))
        squared = float(omega @ omega)
        f += squared * omega**2
        g -= omega**2
        np.maximum(f, 0.0, out=f)
        np.maximum(g, 0.0, out=g)
        taken[t] = omega
        free[best] = False
        order.append(best)
        gains.append(squared)
        if t % 50 == 0:
            on_progress(t, k, f"{t:,} genes")
    return np.asarray(order, dtype=np.int64), np.asarray(gains)
