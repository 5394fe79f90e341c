"""Codes of categories among those of the training rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def known(column: pd.Series) -> list[str]:
    """Distinct values of a column of training rows, sorted."""
    return sorted({str(value) for value in column})


def codes(column: pd.Series, categories: Sequence[str]) -> np.ndarray:
    """Position of each value among ``categories``, int64 ``(n,)``; −1 for one never seen."""
    return (
        pd.Index(categories, dtype=object)
        .get_indexer(pd.Index(column.astype(str), dtype=object))
        .astype(np.int64)
    )
