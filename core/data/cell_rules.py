"""Rules that cells fulfil or not, and their combination: what a selection is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.errors import DataError

ALL, ANY = "all", "any"
#: Corners that a drawn shape may have.
MOST_CORNERS = 1_000


@dataclass(frozen=True)
class Fulfilled:
    """The cells that fulfil one rule, and the rule in words.

    Attributes
    ----------
    mask
        Boolean, ``(n_cells,)``.
    """

    words: str
    mask: np.ndarray

    def negated(self) -> Fulfilled:
        """The cells that do not fulfil it."""
        return Fulfilled(f"not ({self.words})", ~self.mask)


def inside(
    coordinates: np.ndarray, polygon: Sequence[Sequence[float]], rows: np.ndarray | None = None
) -> np.ndarray:
    """Cells inside a polygon, boolean ``(n_cells,)``.

    Parameters
    ----------
    coordinates
        ``(n_cells, 2)``.
    polygon
        Corners ``(k, 2)``, k ≥ 3, in the same units; the last one joins the first. Where it
        crosses itself, what is wound around once or more is inside.
    rows
        Positions of the cells that are asked about; the others are outside.

    Raises
    ------
    DataError
        Fewer than 3 or more than :data:`MOST_CORNERS` corners, or one that is not finite.
    """
    from matplotlib.path import Path as Outline

    corners = np.asarray(polygon, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= MOST_CORNERS:
        raise DataError(f"A drawn shape has 3 to {MOST_CORNERS} corners of two numbers each.")
    if not np.isfinite(corners).all():
        raise DataError("A drawn shape has a corner that is no number.")
    asked = np.arange(len(coordinates)) if rows is None else np.asarray(rows)
    points = coordinates[asked] if rows is not None else coordinates
    low, high = corners.min(axis=0), corners.max(axis=0)
    # The box first: most cells of a large set are far from what was drawn.
    near = np.flatnonzero(
        (points[:, 0] >= low[0])
        & (points[:, 0] <= high[0])
        & (points[:, 1] >= low[1])
        & (points[:, 1] <= high[1])
    )
    mask = np.zeros(len(coordinates), dtype=bool)
    outline = Outline(np.vstack([corners, corners[:1]]), closed=True)
    mask[asked[near[outline.contains_points(points[near])]]] = True
    return mask


def has_label(labels: pd.Series, wanted: Sequence[str], column: str = "") -> Fulfilled:
    """Cells whose label is one of ``wanted``."""
    mask = labels.isin(list(wanted)).to_numpy()
    return Fulfilled(f"{column} is {' or '.join(map(str, wanted))}", mask)


def between(
    values: np.ndarray, low: float | None, high: float | None, name: str = "value"
) -> Fulfilled:
    """Cells whose value lies above ``low`` and up to ``high``; None leaves a side open.

    The lower side is exclusive, so that ``low=0`` is "expresses the gene".
    """
    mask = np.isfinite(values)
    words = []
    if low is not None:
        mask &= values > low
        words.append(f"{name} > {low:g}")
    if high is not None:
        mask &= values <= high
        words.append(f"{name} ≤ {high:g}")
    return Fulfilled(" and ".join(words) or f"{name} is known", mask)


def combine(rules: Sequence[Fulfilled], how: str = ALL) -> Fulfilled:
    """Cells that fulfil all, or any, of the rules.

    Raises
    ------
    DataError
        Without a rule, for an unknown ``how``, or rules over different cells.
    """
    if not rules:
        raise DataError("A selection needs at least one rule.")
    if how not in (ALL, ANY):
        raise DataError(f"Rules are combined by '{ALL}' or '{ANY}', not by '{how}'.")
    if len({len(rule.mask) for rule in rules}) > 1:
        raise DataError("The rules of a selection are about different cells.")
    masks = [rule.mask for rule in rules]
    mask = np.logical_and.reduce(masks) if how == ALL else np.logical_or.reduce(masks)
    word = " and " if how == ALL else " or "
    words = [rule.words if len(rules) == 1 else f"({rule.words})" for rule in rules]
    return Fulfilled(word.join(words), mask)
