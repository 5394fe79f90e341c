"""One gene (or any value) between two conditions: shares, means, and a test in every cell type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.errors import DataError
from core.metrics.differential import MIN_CELLS, compare_groups
from core.metrics.enrichment import benjamini_hochberg

ALL_CELLS = "all cells"


@dataclass(frozen=True)
class GeneContrast:
    """A value in two conditions.

    Attributes
    ----------
    table
        One row for all cells and one for each group, largest first: ``group``, ``n_first``,
        ``n_second``, ``share_first``, ``share_second`` (cells above 0, from 0 to 1),
        ``mean_first``, ``mean_second``, ``difference`` (second − first), ``cliffs_delta``
        (probability that a cell of the second exceeds one of the first, minus the opposite;
        −1 to 1), ``p`` (two-sided Wilcoxon rank sum, corrected for ties), ``p_adjusted``
        (Benjamini–Hochberg over the groups; the row of all cells is no part of that family).
        NaN where a side has fewer than three cells.
    """

    names: tuple[str, str]
    table: pd.DataFrame


def gene_contrast(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: pd.Series | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
) -> GeneContrast:
    """Compare one value between two conditions, over all cells and within each group.

    Parameters
    ----------
    values
        ``(n_cells,)``, log-normalised expression of a gene for example.
    first, second
        Boolean masks ``(n_cells,)`` without a cell in common.
    groups
        Categorical ``(n_cells,)``: cell types, in which the test is repeated.

    Raises
    ------
    DataError
        Where the two share cells, or one of them is empty.
    """
    if (first & second).any():
        raise DataError(f"'{names[0]}' and '{names[1]}' have cells in common.")
    for mask, name in ((first, names[0]), (second, names[1])):
        if not mask.any():
            raise DataError(f"'{name}' has no cell.")
    rows = [_row(ALL_CELLS, values, first, second)]
    if groups is not None:
        codes = groups.cat.codes.to_numpy()
        either = first | second
        sizes = np.bincount(codes[either & (codes >= 0)], minlength=len(groups.cat.categories))
        for code in np.argsort(-sizes, kind="stable"):
            if sizes[code]:
                inside = codes == code
                name = str(groups.cat.categories[code])
                rows.append(_row(name, values, first & inside, second & inside))
    table = pd.DataFrame(rows)
    table["p_adjusted"] = np.nan
    tested = table.index[1:][table["p"][1:].notna()]
    if len(tested):
        table.loc[tested, "p_adjusted"] = benjamini_hochberg(table.loc[tested, "p"].to_numpy())
    return GeneContrast(names, table)


def _row(name: str, values: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    one, two = values[first], values[second]
    row: dict[str, Any] = {"group": name, "n_first": len(one), "n_second": len(two)}
    for suffix, part in (("first", one), ("second", two)):
        row[f"share_{suffix}"] = float((part > 0).mean()) if len(part) else np.nan
        row[f"mean_{suffix}"] = float(part.mean(dtype=np.float64)) if len(part) else np.nan
    row["difference"] = row["mean_second"] - row["mean_first"]
    row |= {"cliffs_delta": np.nan, "p": np.nan}
    if min(len(one), len(two)) >= MIN_CELLS:
        column = sparse.csc_matrix(np.concatenate([two, one])[:, None])
        group = np.arange(len(one) + len(two)) < len(two)
        tested = compare_groups(column, group, ~group, genes=["value"], tie_correct=True).iloc[0]
        row |= {"cliffs_delta": float(tested["cliffs_delta"]), "p": float(tested["pvals"])}
    return row
