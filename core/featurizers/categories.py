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
    position = {value: code for code, value in enumerate(categories)}
    found = (position.get(str(value), -1) for value in column)
    return np.fromiter(found, dtype=np.int64, count=len(column))
