"""Which columns of the cells name batches and cell types."""

from __future__ import annotations

import re

import pandas as pd

from core.errors import DataError

#: More values than this are no batches.
MOST_BATCHES, MOST_LABELS = 100, 200
_BATCH = re.compile(
    r"batch|donor|sample|patient|individual|subject|tech|chemistry|protocol|lane|run"
)
_LABEL = re.compile(r"cell.?type|label|annotation|celltype|assigned|cluster|subpop|identity|^type")


def groupings(obs: pd.DataFrame, most: int = MOST_LABELS) -> list[str]:
    """Columns that group cells: words, flags or few whole numbers, two values or more."""
    found = []
    for name in obs.columns:
        column = obs[name]
        if pd.api.types.is_float_dtype(column):
            continue
        if 2 <= column.nunique() <= min(most, max(2, len(obs) // 2)):
            found.append(str(name))
    return found


def guess_batch_key(obs: pd.DataFrame) -> str | None:
    """The column that most likely names batches, by its name; None where none does."""
    names = [n for n in groupings(obs, MOST_BATCHES) if _BATCH.search(n.lower())]
    names.sort(key=lambda n: ("batch" not in n.lower(), "donor" not in n.lower()))
    return names[0] if names else None


def guess_label_key(obs: pd.DataFrame, batch_key: str | None = None) -> str | None:
    """The column that most likely names cell types, by its name; None where none does."""
    names = [n for n in groupings(obs) if _LABEL.search(n.lower()) and n != batch_key]
    exact = ("cell_type", "celltype", "cell type")
    names.sort(key=lambda n: (n.lower() not in exact, not re.search(r"cell.?type", n.lower())))
    return names[0] if names else None


def require(obs: pd.DataFrame, key: str, what: str) -> pd.Series:
    """Column ``key`` of ``obs``.

    Raises
    ------
    DataError
        Where there is none, naming the columns that could be meant.
    """
    if key and key in obs:
        return obs[key]
    known = ", ".join(f"'{name}'" for name in groupings(obs)) or "none"
    if not key:
        raise DataError(f"Say which column of the cells names their {what}; columns: {known}.")
    raise DataError(f"The cells have no column '{key}' that names their {what}; columns: {known}.")


def concerns(batches: pd.Series, labels: pd.Series | None) -> list[str]:
    """What about these batches and cell types a reader of the scores must know, in sentences."""
    said = []
    sizes = batches.value_counts()
    if len(sizes) and sizes.max() > 20 * sizes.min():
        said.append(
            f"Batches differ much in size: '{sizes.index[0]}' has {sizes.iloc[0]:,} cells, "
            f"'{sizes.index[-1]}' has {sizes.iloc[-1]:,}."
        )
    if labels is None:
        said.append(
            "There are no cell types: clusters and mixing are judged by batches alone, and whether "
            "biology was kept cannot be told."
        )
        return said
    missing = int(labels.isna().sum())
    if missing:
        said.append(
            f"{missing:,} of {len(labels):,} cells have no cell type; scores that need one are "
            "those of the other cells."
        )
    table = pd.crosstab(labels.astype(object), batches.astype(str)) > 0
    alone = table.index[table.sum(axis=1) == 1]
    if len(alone):
        shown = ", ".join(map(str, alone[:5])) + (" …" if len(alone) > 5 else "")
        said.append(
            f"{len(alone)} cell type{'s occur' if len(alone) > 1 else ' occurs'} in one batch only "
            f"({shown}): scored apart, since there is nothing to mix."
        )
    names = list(table.columns)
    apart = [
        f"'{a}' and '{b}'"
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if not (table[a] & table[b]).any()
    ]
    if apart:
        more = f" and {len(apart) - 3} more pairs" if len(apart) > 3 else ""
        said.append(
            f"The batches {'; '.join(apart[:3])}{more} have no cell type in common: mixing them "
            "would merge different cells, and a low mixing score is right there."
        )
    return said
