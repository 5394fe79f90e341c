"""A library of compounds: each structure once, parsed, fingerprinted, with its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from rdkit import Chem, DataStructs

from core.errors import DataError
from core.molecules.morgan_bits import RADIUS, SIZE, generator
from core.molecules.parse import parse_line
from core.progress import OnProgress, silent


@dataclass(frozen=True)
class Library:
    """Compounds with structures.

    Attributes
    ----------
    frame
        One row a compound, RangeIndex: ``name``, ``SMILES`` (as given) and the other columns.
    mols
        The molecules, in the rows' order.
    rejected
        Rows without a usable structure: ``name``, ``SMILES``, ``reason``.
    """

    frame: pd.DataFrame
    mols: tuple[Chem.Mol, ...]
    rejected: pd.DataFrame

    def __len__(self) -> int:
        return len(self.mols)

    @cached_property
    def fingerprints(self) -> list[DataStructs.ExplicitBitVect]:
        """Morgan fingerprints of radius 2 and 2,048 bits."""
        return list(generator(RADIUS, SIZE).GetFingerprints(list(self.mols)))

    @cached_property
    def positions(self) -> dict[str, int]:
        """Position of each compound by its name."""
        return {str(name): i for i, name in enumerate(self.frame["name"])}

    @cached_property
    def canonical(self) -> list[str]:
        """Canonical SMILES of each compound."""
        return [Chem.MolToSmiles(mol) for mol in self.mols]


def library(
    table: pd.DataFrame,
    *,
    name_column: str = "sm_name",
    smiles_column: str = "SMILES",
    on_progress: OnProgress = silent,
) -> Library:
    """The compounds of a table, each name once, in order of appearance.

    Parameters
    ----------
    table
        Any frame with a SMILES column; rows of one name must agree on the structure, the first
        one counts. Columns that vary within a compound (its cell types, splits …) are left out.

    Raises
    ------
    DataError
        Where a column is missing or no structure at all can be read.
    """
    for column in (name_column, smiles_column):
        if column not in table:
            raise DataError(f"The table has no column '{column}', which compounds need.")
    compounds = _one_row_a_compound(table, name_column, smiles_column)
    kept, mols, rejected = [], [], []
    texts = compounds[smiles_column].fillna("").astype(str).tolist()
    for row, text in enumerate(texts):
        name = str(compounds["name"].iloc[row])
        parsed = parse_line(text)
        if parsed.mol is None:
            rejected.append({"name": name, "SMILES": text, "reason": parsed.reason})
        else:
            kept.append(row)
            mols.append(parsed.mol)
        if row % 200 == 0:
            on_progress(row, len(texts), "Reading structures")
    if not mols:
        raise DataError("No compound of the table has a structure that can be read.")
    frame = compounds.iloc[kept].reset_index(drop=True)
    frame = frame.rename(columns={smiles_column: "SMILES"})
    frame["name"] = frame["name"].astype(str)
    lost = pd.DataFrame(rejected, columns=["name", "SMILES", "reason"])
    return Library(frame, tuple(mols), lost)


def _one_row_a_compound(table: pd.DataFrame, name_column: str, smiles_column: str) -> pd.DataFrame:
    """First row of each compound, with the columns that are the same in all its rows."""
    # A compound without a name is known by its structure.
    key = table[name_column].astype(object)
    key = key.where(key.notna(), table[smiles_column]).rename("name")
    keep = ~key.duplicated() & key.notna()
    first = table[keep].assign(name=key[keep])
    if keep.sum() < len(table):
        varying = table.groupby(key, sort=False).nunique(dropna=False).max()
        always = {"name", smiles_column}
        first = first[[c for c in first if c in always or varying.get(c, 1) <= 1]]
    others = [c for c in first if c not in ("name", name_column)]
    return first[["name", *others]].reset_index(drop=True)
