"""Column-pivoted QR: each next gene is the one with most variance left over."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.models.selectors.base import SELECTORS, GeneSelector, Selection, centred, checked, reasons
from core.progress import OnProgress, silent


@SELECTORS.register(
    "pivoted_qr",
    label="Pivoted QR",
    help="Each next gene has most variance left after those before it (Businger & Golub 1965).",
)
class PivotedQR(GeneSelector):
    """Rank-revealing QR of the centred training matrix (LAPACK ``geqp3``)."""

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """The first ``k`` pivots."""
        from scipy.linalg import qr

        values = centred(checked(X, k))
        on_progress(0, 1, "Factorising")
        triangle, pivots = qr(values, mode="r", pivoting=True, check_finite=False)
        # With fewer cells than genes the pivots after the last cell are in the order they came.
        left = np.zeros(len(pivots))
        diagonal = np.abs(np.diag(triangle)).astype(np.float64) ** 2 / len(values)
        left[: len(diagonal)] = diagonal
        order = pivots[:k].astype(np.int64)
        on_progress(1, 1, "Factorised")
        return Selection(order, reasons("pivot {rank}, variance left {value:.3f}", left[:k]))
