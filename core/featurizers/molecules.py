"""Molecules of a table: each unique SMILES is parsed and featurized once, then remembered."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np
import pandas as pd
from rdkit import Chem

from core.errors import DataError
from core.molecules.parse import MoleculeError, parse

T = TypeVar("T")

#: Molecules whose structure or features are remembered, by family of features.
CACHE_SIZE = 8192


@lru_cache(maxsize=CACHE_SIZE)
def structure(smiles: str) -> Chem.Mol:
    """The molecule that is featurized: the largest part of ``smiles`` (counter-ions left out).

    Raises
    ------
    MoleculeError
        With one sentence that says why ``smiles`` cannot be read.
    """
    mol = parse(smiles)
    parts = Chem.GetMolFrags(mol, asMols=True) if "." in smiles else ()
    if len(parts) < 2:
        return mol
    # The SMILES breaks ties, so that the order of the parts in the text does not matter.
    return max(parts, key=lambda part: (part.GetNumHeavyAtoms(), Chem.MolToSmiles(part)))


def map_molecules(obs: pd.DataFrame, compute: Callable[[str], T]) -> tuple[list[T], np.ndarray]:
    """Apply ``compute`` to each unique SMILES of a table.

    Parameters
    ----------
    obs
        Pairs with a column ``SMILES``.
    compute
        From a SMILES to its features.

    Returns
    -------
    values, rows
        One value a unique SMILES, and for each row the position of its value, int64 ``(n,)``.

    Raises
    ------
    DataError
        Naming the first row whose SMILES is missing or cannot be read.
    """
    if "SMILES" not in obs:
        raise DataError("The table has no column 'SMILES', which molecule features need.")
    rows, texts = pd.factorize(obs["SMILES"].to_numpy(), use_na_sentinel=True)
    if (rows < 0).any():
        raise DataError(f"{_row(obs, int(np.argmax(rows < 0)))} has no SMILES.")
    values = []
    for code, text in enumerate(texts):
        try:
            values.append(compute(str(text)))
        except MoleculeError as error:
            where = _row(obs, int(np.argmax(rows == code)))
            raise DataError(f"{where} has an unusable SMILES: {error}") from None
    return values, rows.astype(np.int64)


def stack(obs: pd.DataFrame, compute: Callable[[str], np.ndarray], width: int) -> np.ndarray:
    """Rows of ``compute`` for each pair, float32 ``(n, width)``."""
    values, rows = map_molecules(obs, compute)
    if not values:
        return np.zeros((len(obs), width), dtype=np.float32)
    return np.asarray(np.stack(values), dtype=np.float32)[rows]


def _row(obs: pd.DataFrame, position: int) -> str:
    """A row as an error message names it."""
    name = f" ({obs['sm_name'].iloc[position]})" if "sm_name" in obs else ""
    return f"Row {obs.index[position]}{name}"
