"""Distributions of one number in groups of cells: what a violin plot shows, computed here.

A violin of a million cells is a hundred numbers a group; the browser need not get the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from core.errors import DataError
from core.metrics.differential import group_codes

BINS = 512
POINTS = 101
#: Fewer cells than this are shown without a density: it would be invented shape.
FEWEST = 8


@dataclass(frozen=True)
class Distribution:
    """Densities and quartiles by group.

    Attributes
    ----------
    summary
        One row a group: ``group``, ``n_cells``, ``mean``, ``median``, ``q1``, ``q3``, ``low``,
        ``high``, ``share`` (of cells whose value is not 0).
    density
        One row a group and point: ``group``, ``value``, ``density`` (1 at the group's highest
        point).
    """

    summary: pd.DataFrame
    density: pd.DataFrame


def distributions(
    values: np.ndarray, labels: pd.Series | np.ndarray | Sequence[str]
) -> Distribution:
    """Quartiles and a Gaussian kernel density of ``values`` in each group.

    The bandwidth is Silverman's (1986) rule of thumb, 0.9 · min(sd, IQR / 1.34) · n^(−1/5); where
    most cells are at 0 and the IQR with it, the standard deviation alone is used. Densities are
    computed on 512 bins, end at the group's lowest and highest value, and missing values are left
    out.

    Raises
    ------
    DataError
        No group with a finite value.
    """
    codes, names = group_codes(labels)
    values = np.asarray(values, dtype=np.float64)
    rows, curves = [], []
    for i, name in enumerate(names):
        own = values[codes == i]
        own = own[np.isfinite(own)]
        if not len(own):
            continue
        q1, median, q3 = np.percentile(own, [25, 50, 75])
        rows.append(
            {
                "group": name,
                "n_cells": len(own),
                "mean": own.mean(),
                "median": median,
                "q1": q1,
                "q3": q3,
                "low": own.min(),
                "high": own.max(),
                "share": float((own != 0).mean()),
            }
        )
        if len(own) >= FEWEST:
            at, density = _density(own, float(q3 - q1))
            curves.append(pd.DataFrame({"group": name, "value": at, "density": density}))
    if not rows:
        raise DataError("No group has a cell with a value to show.")
    empty = pd.DataFrame({"group": [], "value": [], "density": []})
    return Distribution(
        pd.DataFrame(rows), pd.concat(curves, ignore_index=True) if curves else empty
    )


def _density(own: np.ndarray, iqr: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = own.min(), own.max()
    if low == high:
        return np.array([low, low]), np.array([1.0, 1.0])
    spread = own.std()
    narrow = min(spread, iqr / 1.34) if iqr > 0 else spread
    bandwidth = 0.9 * narrow * len(own) ** -0.2
    counts, edges = np.histogram(own, bins=BINS, range=(low, high))
    step = edges[1] - edges[0]
    smooth = gaussian_filter1d(
        counts.astype(float), max(bandwidth / step, 1.0), mode="constant", truncate=4.0
    )
    at = np.linspace(low, high, POINTS)
    density = np.interp(at, (edges[1:] + edges[:-1]) / 2, smooth)
    return at, density / density.max()
