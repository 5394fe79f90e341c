"""Energy distances between many groups of cells: the pairwise matrix, and one test a cell type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from core.errors import DataError
from core.metrics.differential import group_codes
from core.metrics.energy import (
    MIN_CELLS,
    Distance,
    energy_distance,
    mean_distance,
    permutation_test,
)
from core.metrics.enrichment import benjamini_hochberg
from core.progress import OnProgress, silent

#: The one type where no types are given.
ALL_CELLS = "all cells"


@dataclass(frozen=True)
class EnergyMatrix:
    """Energy distances between all pairs of groups.

    Attributes
    ----------
    distance, p_value, p_adjusted
        Symmetric frames, groups by groups; the diagonal is 0, and NaN in p-values. p-values are
        of the permutation test, adjusted (Benjamini–Hochberg) over all pairs.
    n_cells
        Cells of each group that were used, after subsampling.
    left_out
        Groups with fewer cells than asked for.
    """

    distance: pd.DataFrame
    p_value: pd.DataFrame
    p_adjusted: pd.DataFrame
    n_cells: int
    left_out: list[str]

    def pairs(self) -> pd.DataFrame:
        """One row a pair: ``group``, ``reference``, ``energy_distance``, ``pvals``, ``pvals_adj``."""
        names = list(self.distance.index)
        rows = [
            (a, b, self.distance.loc[a, b], self.p_value.loc[a, b], self.p_adjusted.loc[a, b])
            for a, b in combinations(names, 2)
        ]
        columns = ["group", "reference", "energy_distance", "pvals", "pvals_adj"]
        return pd.DataFrame(rows, columns=columns)


def energy_matrix(
    points: np.ndarray,
    labels: pd.Series | np.ndarray | Sequence[str],
    *,
    distance: Distance = "sqeuclidean",
    n_permutations: int = 999,
    min_cells: int = 20,
    max_cells: int = 500,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> EnergyMatrix:
    """Energy distance and test between every pair of groups.

    Parameters
    ----------
    points
        Coordinates ``(n_cells, d)``.
    labels
        Group of each cell; cells without a label take no part.
    distance
        See :func:`core.metrics.energy.energy_distance`.
    min_cells
        Groups with fewer cells are left out.
    max_cells
        All groups are subsampled at random, without replacement, to one size: that of the
        smallest group, and no more than this. An energy distance (with its zero self-distances)
        grows as groups shrink, so that groups of different sizes cannot be compared.

    Raises
    ------
    DataError
        Fewer than two groups of ``min_cells`` cells.
    """
    codes, names = group_codes(labels)
    members = {name: np.flatnonzero(codes == i) for i, name in enumerate(names)}
    least = max(min_cells, MIN_CELLS)
    left_out = [name for name, cells in members.items() if len(cells) < least]
    members = {name: cells for name, cells in members.items() if len(cells) >= least}
    if len(members) < 2:
        raise DataError(
            f"An energy distance needs two groups of {least} cells or more; "
            f"{len(members) or 'none'} of {len(names)} groups has as many."
        )
    size = min(max_cells, *(len(cells) for cells in members.values()))
    rng = np.random.default_rng(seed)
    taken = {
        name: np.asarray(points[np.sort(rng.choice(cells, size, replace=False))], dtype=np.float64)
        for name, cells in members.items()
    }
    kept = list(taken)
    values, p_values = np.zeros((len(kept), len(kept))), np.full((len(kept), len(kept)), np.nan)
    pairs = list(combinations(range(len(kept)), 2))
    for done, (i, j) in enumerate(pairs):
        on_progress(done, len(pairs), f"{kept[i]} against {kept[j]}")
        value, p, _ = permutation_test(
            taken[kept[i]],
            taken[kept[j]],
            distance=distance,
            n_permutations=n_permutations,
            seed=seed,
        )
        values[i, j] = values[j, i] = value
        p_values[i, j] = p_values[j, i] = p
    on_progress(len(pairs), len(pairs), "All pairs compared")
    upper = tuple(np.array(pairs).T)
    adjusted = np.full_like(p_values, np.nan)
    adjusted[upper] = benjamini_hochberg(p_values[upper])
    adjusted.T[upper] = adjusted[upper]

    def frame(matrix: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(matrix, index=kept, columns=kept)

    return EnergyMatrix(frame(values), frame(p_values), frame(adjusted), size, left_out)


def energy_by_type(
    points: np.ndarray,
    condition: pd.Series | np.ndarray | Sequence[str],
    cell_type: pd.Series | np.ndarray | Sequence[str] | None,
    group: str,
    reference: str,
    *,
    distance: Distance = "sqeuclidean",
    n_permutations: int = 999,
    min_cells: int = 10,
    max_cells: int = 500,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> pd.DataFrame:
    """Energy distance between two conditions, in each cell type on its own.

    Parameters
    ----------
    points
        Coordinates ``(n_cells, d)`` of all cells in one space.
    condition, cell_type
        Labels of each cell; without ``cell_type`` all cells are one type, ``"all cells"``.
    group, reference
        The two conditions.
    min_cells
        Types with fewer cells in one of them are not tested.
    max_cells
        In each type the two conditions are subsampled to one size: the smaller one's, at most
        this.

    Returns
    -------
    pandas.DataFrame
        One row a type, largest distance first: ``cell_type``, ``n_group``, ``n_reference``
        (cells there are), ``n_used`` (cells of each that were used; 0 where not tested),
        ``energy_distance``, ``unbiased`` (without self-distances, comparable between types of
        different size), ``relative`` (``unbiased`` over the mean distance between two different
        cells of the reference: its own spread), ``pvals`` and ``pvals_adj``
        (Benjamini–Hochberg over the tested types). What was not tested is NaN.

    Raises
    ------
    DataError
        A condition without cells, or no type with enough cells in both.
    """
    conditions = pd.Series(condition).reset_index(drop=True).map(str, na_action="ignore").to_numpy()
    for name in (group, reference):
        if not (conditions == name).any():
            raise DataError(f"There is no cell of the condition '{name}'.")
    if group == reference:
        raise DataError(f"'{group}' cannot be compared with itself: choose two conditions.")
    types = np.full(len(conditions), ALL_CELLS) if cell_type is None else cell_type
    codes, names = group_codes(types)
    least = max(min_cells, MIN_CELLS)
    rows = []
    for i, name in enumerate(names):
        on_progress(i, len(names), name)
        cells = [np.flatnonzero((codes == i) & (conditions == c)) for c in (group, reference)]
        row = {"cell_type": name, "n_group": len(cells[0]), "n_reference": len(cells[1])}
        size = min(max_cells, *map(len, cells))
        if size < least:
            rows.append({**row, "n_used": 0})
            continue
        x, y = (
            np.asarray(points[cells], np.float64)
            for cells in energy_cells(conditions, types, group, reference, name, max_cells, seed)
        )
        value, p, _ = permutation_test(
            x, y, distance=distance, n_permutations=n_permutations, seed=seed
        )
        unbiased = energy_distance(x, y, distance=distance, unbiased=True)
        rows.append(
            {
                **row,
                "n_used": size,
                "energy_distance": value,
                "unbiased": unbiased,
                "relative": unbiased / _spread(y, distance),
                "pvals": p,
            }
        )
    on_progress(len(names), len(names), "All cell types compared")
    table = pd.DataFrame(rows)
    if "pvals" not in table:
        raise DataError(
            f"No cell type has {least} cells or more both in '{group}' and in '{reference}'."
        )
    tested = table["pvals"].notna()
    table["pvals_adj"] = np.nan
    table.loc[tested, "pvals_adj"] = benjamini_hochberg(table.loc[tested, "pvals"].to_numpy())
    return table.sort_values("energy_distance", ascending=False, kind="stable").reset_index(
        drop=True
    )


def energy_cells(
    condition: pd.Series | np.ndarray | Sequence[str],
    cell_type: pd.Series | np.ndarray | Sequence[str] | None,
    group: str,
    reference: str,
    name: str,
    max_cells: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The cells of one type that :func:`energy_by_type` compares: positions of equal number.

    The draw depends on the seed and the type's name, not on the other types.
    """
    conditions = pd.Series(condition).reset_index(drop=True).map(str, na_action="ignore").to_numpy()
    types = np.full(len(conditions), ALL_CELLS) if cell_type is None else cell_type
    codes, names = group_codes(types)
    own = codes == names.index(name)
    cells = [np.flatnonzero(own & (conditions == c)) for c in (group, reference)]
    size = min(max_cells, *map(len, cells))
    rng = np.random.default_rng([seed, *name.encode()])
    x, y = (rng.choice(c, size, replace=False) for c in cells)
    return x, y


def _spread(points: np.ndarray, distance: Distance) -> float:
    """Mean distance between two different cells."""
    n = len(points)
    spread = mean_distance(points, points, distance) * n / (n - 1)
    return spread if spread > 0 else np.nan
