"""Energy distance between groups of cells, and its permutation test.

For cells ``x_1 … x_n`` and ``y_1 … y_m`` with a distance d::

    E = 2 · mean d(x_i, y_j) − mean d(x_i, x_i') − mean d(y_j, y_j')

all means over all pairs, a cell with itself included (Székely & Rizzo 2013,
https://doi.org/10.1016/j.jspi.2013.03.018). scPerturb (Peidli et al. 2024,
https://doi.org/10.1038/s41592-023-02144-y) takes it in PCA space, with the **squared** Euclidean
distance by default, on groups subsampled to one size. With squared distances E is twice the
squared distance of the means, so it sees a shift but no change of spread; with plain Euclidean
distances E is 0 only where the two distributions are the same.

The test shuffles the labels of cells: it takes cells as exchangeable, which cells of several
donors are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from core.errors import DataError

Distance = Literal["sqeuclidean", "euclidean"]
DISTANCES: tuple[Distance, ...] = get_args(Distance)
#: Fewest cells of a group.
MIN_CELLS = 3
#: Entries of a block of the distance matrix, 8 bytes each.
BLOCK = 4_000_000


def energy_distance(
    x: np.ndarray, y: np.ndarray, *, distance: Distance = "sqeuclidean", unbiased: bool = False
) -> float:
    """Energy distance of two groups of cells.

    Parameters
    ----------
    x, y
        Coordinates ``(n, d)`` and ``(m, d)``, such as principal components.
    distance
        ``"sqeuclidean"`` (scPerturb's) or ``"euclidean"`` (the classical one).
    unbiased
        Leave a cell's distance to itself out of the means within groups (scPerturb's
        ``sample_correct``): unbiased, but possibly below 0.

    Returns
    -------
    float
        At least 0 unless ``unbiased``, in the (squared) unit of the coordinates.

    Raises
    ------
    DataError
        Fewer than :data:`MIN_CELLS` cells, different dimensions, values that are not finite.
    """
    x, y = _checked(x, "first group"), _checked(y, "second group")
    if x.shape[1] != y.shape[1]:
        raise DataError(
            f"The first group has {x.shape[1]} dimensions, the second {y.shape[1]}: both must lie "
            "in one space."
        )
    between = mean_distance(x, y, distance)
    within = [
        mean_distance(group, group, distance) * (len(group) / (len(group) - 1) if unbiased else 1)
        for group in (x, y)
    ]
    value = 2 * between - within[0] - within[1]
    return float(value if unbiased else max(value, 0.0))


def mean_distance(x: np.ndarray, y: np.ndarray, distance: Distance) -> float:
    """Mean distance over all pairs of a row of ``x`` and a row of ``y``, in blocks."""
    if distance == "sqeuclidean":  # in closed form: the spread about the means, and their distance
        shift = x.mean(axis=0) - y.mean(axis=0)
        return float(x.var(axis=0).sum() + y.var(axis=0).sum() + shift @ shift)
    total = sum(float(block.sum()) for _, block in distance_blocks(x, y, distance))
    return total / (len(x) * len(y))


def distance_blocks(
    x: np.ndarray, y: np.ndarray, distance: Distance
) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of the distance matrix between ``x`` and ``y``, float64, a block at a time."""
    same = x is y
    centre = y.mean(axis=0)  # small numbers lose less in |x|² + |y|² − 2xy
    x, y = x - centre, y - centre
    x2, y2 = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    step = max(1, BLOCK // max(len(y), 1))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        block = x[rows] @ y.T
        block *= -2
        block += x2[rows, None]
        block += y2
        if same:
            block[np.arange(rows.stop - start), np.arange(start, rows.stop)] = 0.0
        np.maximum(block, 0.0, out=block)
        if distance == "euclidean":
            np.sqrt(block, out=block)
        yield rows, block


def permutation_test(
    x: np.ndarray,
    y: np.ndarray,
    *,
    distance: Distance = "sqeuclidean",
    n_permutations: int = 999,
    seed: int = 0,
) -> tuple[float, float, np.ndarray]:
    """Test whether two groups of cells differ, by shuffling which cell is of which group.

    All permutations are one matrix product: with z the indicator of the first group and D the
    distances, the sums within and between groups are zᵀDz, zᵀD1 and 1ᵀD1.

    Parameters
    ----------
    x, y, distance
        As :func:`energy_distance`.
    n_permutations
        Shuffled labellings.
    seed
        Of the shuffles.

    Returns
    -------
    statistic : float
        The energy distance of the groups as they are.
    p_value : float
        (1 + shuffles with a statistic at least as large) / (1 + shuffles), never 0 (Phipson &
        Smyth 2010, https://doi.org/10.2202/1544-6115.1585).
    shuffled : numpy.ndarray
        The statistics of the shuffles, float64 ``(n_permutations,)``.
    """
    if n_permutations < 1:
        raise DataError("A permutation test needs one permutation or more.")
    statistic = energy_distance(x, y, distance=distance)
    points = np.concatenate([_checked(x, "first group"), _checked(y, "second group")])
    n, m = len(x), len(y)
    rng = np.random.default_rng(seed)
    labels = np.zeros((n_permutations + 1, n + m), dtype=np.float64)
    labels[0, :n] = 1.0
    labels[1:] = rng.permuted(np.broadcast_to(labels[0], (n_permutations, n + m)), axis=1)
    shuffled = (
        _shifts(points, labels, n, m)
        if distance == "sqeuclidean"
        else _energies(points, labels, n, m)
    )
    # The observed labelling goes through the same arithmetic, so that rounding breaks no tie.
    observed, shuffled = shuffled[0], shuffled[1:]
    slack = 1e-9 * max(abs(observed), 1e-300)
    at_least = int((shuffled >= observed - slack).sum())
    return statistic, (1 + at_least) / (1 + n_permutations), shuffled


def _shifts(points: np.ndarray, labels: np.ndarray, n: int, m: int) -> np.ndarray:
    """Energy distances with squared distances: twice the squared distance of the means."""
    points = points - points.mean(axis=0)
    first = labels @ points
    shift = first / n - (points.sum(axis=0) - first) / m
    return 2 * np.einsum("ij,ij->i", shift, shift)


def _energies(points: np.ndarray, labels: np.ndarray, n: int, m: int) -> np.ndarray:
    within = np.zeros(len(labels))
    row_sums = np.zeros(len(points))
    for rows, block in distance_blocks(points, points, "euclidean"):
        within += np.einsum("pi,pi->p", labels[:, rows] @ block, labels)
        row_sums[rows] = block.sum(axis=1)
    total, first = row_sums.sum(), labels @ row_sums
    between = first - within
    other = total - 2 * first + within
    return 2 * between / (n * m) - within / n**2 - other / m**2


def _checked(points: np.ndarray, name: str) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2:
        raise DataError(f"The {name} must be a table of cells by dimensions.")
    if len(points) < MIN_CELLS:
        cells = "1 cell" if len(points) == 1 else f"{len(points)} cells"
        raise DataError(f"The {name} has {cells}: an energy distance needs {MIN_CELLS} or more.")
    if not np.isfinite(points).all():
        raise DataError(f"The {name} has missing or infinite coordinates.")
    return points
