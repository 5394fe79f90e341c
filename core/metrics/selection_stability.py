"""How stable a selection is: mean Jaccard index, and the chance-corrected measure of Nogueira."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from core.errors import DataError


@dataclass(frozen=True)
class Stability:
    """Agreement of ``m`` selections from ``p`` genes.

    Attributes
    ----------
    jaccard
        Mean over pairs of ``|A ∩ B| / |A ∪ B|``; 1 for equal sets, above 0 also by chance.
    nogueira
        1 for equal sets, 0 expected by chance, whatever the sizes.
    low, high
        95 % interval of ``nogueira``; NaN for two selections.
    expected_jaccard
        What random sets of these sizes would have.
    """

    jaccard: float
    nogueira: float
    low: float
    high: float
    expected_jaccard: float


def frequencies(selections: Sequence[np.ndarray], p: int) -> np.ndarray:
    """Share of the selections that hold each gene, float64 ``(p,)``."""
    counts = np.zeros(p)
    for chosen in selections:
        counts[np.asarray(chosen, dtype=np.int64)] += 1
    return counts / max(len(selections), 1)


def stability(selections: Sequence[np.ndarray], p: int) -> Stability:
    """Stability of two or more selections, arrays of columns of ``p`` genes.

    ``nogueira`` is Φ = 1 − mean_j s_j² / (k̄/p (1 − k̄/p)), with the unbiased variance ``s_j²`` of
    gene ``j`` being chosen and the mean size ``k̄``; its interval is the asymptotic one (Nogueira,
    Sechidis & Brown, *JMLR* 18, 2018, theorems 4 and 7). NaN where all or no genes are chosen.

    Raises
    ------
    DataError
        With fewer than two selections.
    """
    m = len(selections)
    if m < 2:
        raise DataError("Stability needs two selections at least.")
    chosen = np.zeros((m, p))
    for row, columns in zip(chosen, selections, strict=True):
        row[np.asarray(columns, dtype=np.int64)] = 1
    sizes = chosen.sum(axis=1)
    common = chosen @ chosen.T
    union = sizes[:, None] + sizes[None, :] - common
    pairs = np.triu_indices(m, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        jaccard = np.where(union[pairs] > 0, common[pairs] / union[pairs], 1.0)
    by_chance = sizes[:, None] * sizes[None, :] / p
    chance_union = sizes[:, None] + sizes[None, :] - by_chance
    expected = float(np.mean(by_chance[pairs] / np.maximum(chance_union[pairs], 1e-30)))
    phi, spread = _nogueira(chosen)
    half = float(norm.ppf(0.975)) * spread if m > 2 else float("nan")
    return Stability(float(jaccard.mean()), phi, phi - half, min(phi + half, 1.0), expected)


def _nogueira(chosen: np.ndarray) -> tuple[float, float]:
    m, p = chosen.shape
    share, size = chosen.mean(axis=0), float(chosen.sum(axis=1).mean())
    chance = size / p * (1 - size / p)
    if chance <= 0:
        return float("nan"), float("nan")
    phi = 1 - float((m / (m - 1) * share * (1 - share)).mean()) / chance
    sizes = chosen.sum(axis=1)
    each = (
        (chosen * share).mean(axis=1)
        - sizes * size / p**2
        + phi / 2 * (2 * size * sizes / p**2 - sizes / p - size / p + 1)
    ) / chance
    variance = 4 / m**2 * float(((each - each.mean()) ** 2).sum())
    return phi, float(np.sqrt(variance))
