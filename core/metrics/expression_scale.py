"""On which scale expression stands: the base of its logarithm, read off the values.

Counts of a cell are whole multiples of its smallest one, and stay so when the cell is scaled to a
library size. Whichever base takes the logarithms back to whole multiples is the base that was
used. A fold change in the wrong base is wrong by up to the factor between the bases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from core.metrics.differential import Scale

#: Mean distance from whole multiples below which a base is taken as found; chance gives about 0.1.
FOUND = 0.01
#: Multiples that are judged: of larger ones rounding errors grow too large.
LARGEST = 20
#: A logarithm above this would be of a count that no cell has.
MOST = 30.0
N_CELLS = 200
_WORDS = {
    "log1p": "natural log(1 + x)",
    "log2": "log2(1 + x)",
    "log10": "log10(1 + x)",
    "linear": "not logarithms",
}


@dataclass(frozen=True)
class FoundScale:
    """A scale, and whether the values themselves show it."""

    scale: Scale
    certain: bool

    @property
    def words(self) -> str:
        """A phrase for people."""
        sure = "as their whole multiples show" if self.certain else "taken for granted"
        return f"{_WORDS[self.scale]}, {sure}"


def guess_scale(matrix: Any) -> FoundScale:
    """Scale of expression values.

    Parameters
    ----------
    matrix
        Sparse or dense ``(n_cells, n_genes)``, not backed; 200 cells of it, evenly spaced, are
        looked at.

    Returns
    -------
    FoundScale
        Certain where one scale makes the values whole multiples of each cell's smallest; else
        natural logarithms, or linear values where they are too large for logarithms.
    """
    n = matrix.shape[0]
    rows = matrix[np.unique(np.linspace(0, max(n - 1, 0), min(n, N_CELLS)).astype(int))]
    rows = np.asarray(rows.todense() if sparse.issparse(rows) else rows, dtype=np.float64)
    largest = float(np.nanmax(rows)) if rows.size else 0.0
    default: Scale = "log1p" if largest <= MOST else "linear"
    if rows.size == 0 or np.nanmin(rows) < 0:
        return FoundScale("linear" if rows.size else default, False)
    scales: dict[Scale, float] = {"linear": 0.0}
    if largest <= MOST:
        scales |= {"log1p": 1.0, "log2": float(np.log(2)), "log10": float(np.log(10))}
    errors = {name: _distance(rows, base) for name, base in scales.items()}
    best = min(errors, key=lambda name: errors[name])
    return FoundScale(best, True) if errors[best] < FOUND else FoundScale(default, False)


def _distance(rows: np.ndarray, base: float) -> float:
    """Mean distance of the values from whole multiples of their cell's smallest."""
    distances = []
    for row in rows:
        values = np.unique(row[row > 0])
        values = values if base == 0.0 else np.expm1(values * base)
        if len(values) < 3:
            continue
        multiples = values / values[0]
        multiples = multiples[1:][multiples[1:] <= LARGEST]
        if len(multiples):
            distances.append(np.abs(multiples - np.round(multiples)).mean())
    return float(np.mean(distances)) if distances else np.inf
