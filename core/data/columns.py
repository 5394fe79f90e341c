"""What the columns of a user's table are: pair descriptions, other descriptions, genes."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pandas.api import types

from core.data.faults import InvalidTableError, count, listing
from core.data.table import OBS_COLUMNS

#: Other names under which files carry the columns of a perturbation table, normalised.
ALIASES: dict[str, tuple[str, ...]] = {
    "cell_type": ("celltype", "cell_types", "cell_line", "cellline", "cell_iname", "cell"),
    "sm_name": (
        "name",
        "compound",
        "compound_name",
        "drug",
        "drug_name",
        "molecule",
        "molecule_name",
        "perturbation",
        "pert_iname",
        "treatment",
    ),
    "sm_lincs_id": ("lincs_id", "lsm_id", "pert_id"),
    "SMILES": ("smile", "canonical_smiles", "isomeric_smiles", "smiles_string"),
    "control": ("is_control", "ctrl", "positive_control"),
    "split": ("split_kaggle", "fold_split"),
}
ROLES = (*OBS_COLUMNS, "split")
#: Numeric columns with these names describe a pair; they are not genes.
DESCRIPTIVE = {
    "id",
    "index",
    "row",
    "rank",
    "fold",
    "dose",
    "dose_um",
    "dose_nm",
    "concentration",
    "time",
    "timepoint",
    "hours",
    "cid",
    "pubchem_cid",
    "plate",
    "batch",
    "donor",
    "n_cells",
    "replicate",
    "weight",
}
INDEX_COLUMN = re.compile(r"(unnamed: \d+|__index_level_\d+__|level_\d+|)", re.IGNORECASE)
#: A text column of which at least this share reads as numbers is a gene column with faults.
MOSTLY_NUMERIC = 0.5
NEAR = 0.75


def normalise(name: object) -> str:
    """Lower case, with spaces, dots and hyphens as underscores."""
    return re.sub(r"[\s.\-]+", "_", str(name).strip()).lower()


@dataclass
class Columns:
    """Columns by position in the file, so that duplicated names stay apart.

    Attributes
    ----------
    roles
        Role (``cell_type`` …) → position.
    extras
        Positions of other descriptions, kept beside the pairs.
    genes
        Positions of gene columns.
    understood
        One plain sentence for each thing that was understood.
    """

    roles: dict[str, int] = field(default_factory=dict)
    extras: list[int] = field(default_factory=list)
    genes: list[int] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)

    def near_miss(self, frame: pd.DataFrame) -> bool:
        """Whether an unused column is almost ``sm_name`` or ``SMILES``."""
        names = [str(name) for name in frame.columns]
        return any(_near(role, names, self) for role in ("sm_name", "SMILES"))


def understand(frame: pd.DataFrame) -> Columns:
    """Sort the columns of a perturbation table into roles, other descriptions and genes."""
    names = [str(name) for name in frame.columns]
    columns = Columns()
    _find_roles(names, columns)
    taken = set(columns.roles.values())
    plain = [f"'{role}'" for role in columns.roles if role in names]
    if plain:
        columns.understood.insert(0, f"Read as they are named: {listing(plain, most=8)}.")
    dropped = []
    for position, name in enumerate(names):
        if position in taken:
            continue
        if INDEX_COLUMN.fullmatch(name.strip()):
            dropped.append(name or "(no name)")
        elif _is_gene(frame.iloc[:, position], name):
            columns.genes.append(position)
        else:
            columns.extras.append(position)
    if dropped:
        columns.understood.append(f"Row numbers in the file were left out: {listing(dropped)}.")
    if columns.extras:
        kept = listing([f"'{names[i]}'" for i in columns.extras], most=8)
        columns.understood.append(f"Kept beside the pairs, not as genes: {kept}.")
    if columns.genes:
        first, last = names[columns.genes[0]], names[columns.genes[-1]]
        columns.understood.append(
            f"Read as genes: {count(len(columns.genes), 'numeric column')}, '{first}' to '{last}'."
        )
    return columns


def _find_roles(names: list[str], columns: Columns) -> None:
    normal = [normalise(name) for name in names]
    for role in ROLES:
        if role in names:
            columns.roles[role] = names.index(role)
            continue
        for wanted in (normalise(role), *ALIASES.get(role, ())):
            if wanted in normal and normal.index(wanted) not in columns.roles.values():
                position = normal.index(wanted)
                columns.roles[role] = position
                columns.understood.append(f"The column '{names[position]}' was read as '{role}'.")
                break


def _is_gene(series: pd.Series, name: str) -> bool:
    if types.is_bool_dtype(series.dtype) or types.is_datetime64_any_dtype(series.dtype):
        return False
    if types.is_numeric_dtype(series.dtype):
        return normalise(name) not in DESCRIPTIVE
    present = series.dropna()
    if present.empty:
        return normalise(name) not in DESCRIPTIVE
    return bool(numbers(present).notna().mean() >= MOSTLY_NUMERIC)


def numbers(series: pd.Series) -> pd.Series:
    """float64 values; what is no number becomes NaN."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    return pd.to_numeric(series, errors="coerce")


def check(frame: pd.DataFrame, columns: Columns) -> list[str]:
    """Faults of the columns themselves: missing, misspelt, duplicated, no genes."""
    names = [str(name) for name in frame.columns]
    faults = []
    for role in ("sm_name", "SMILES"):
        if role not in columns.roles:
            faults.append(_missing(role, names, columns))
    if "cell_type" not in columns.roles and (near := _near("cell_type", names, columns)):
        faults.append(f"There is no column 'cell_type'; is '{near}' meant? Rename it if so.")
    faults += duplicated_genes(
        [names[i].strip() for i in columns.genes], [i + 1 for i in columns.genes]
    )
    described = Counter(names[i] for i in [*columns.roles.values(), *columns.extras])
    for name, times in described.items():
        if times > 1:
            faults.append(f"The column '{name}' stands {times} times in the table.")
    if not columns.genes:
        faults.append(
            "The table has no gene columns: after the descriptions of the pairs it needs one "
            "numeric column for each gene."
        )
    return faults


def duplicated_genes(genes: list[str], numbers: list[int] | None = None) -> list[str]:
    """Faults of gene names: empty, or standing more than once (columns counted from 1)."""
    numbers = numbers or list(range(1, len(genes) + 1))
    where: dict[str, list[int]] = {}
    for gene, number in zip(genes, numbers, strict=True):
        where.setdefault(gene, []).append(number)
    faults = [
        f"The gene column '{gene}' stands {len(at)} times in the table (columns {listing(at)}); "
        "each gene may stand once."
        for gene, at in where.items()
        if len(at) > 1
    ]
    if "" in where:
        faults.append(f"Column {where[''][0]} holds numbers but has no gene name.")
    return faults


def _missing(role: str, names: list[str], columns: Columns) -> str:
    near = _near(role, names, columns)
    hint = f"is '{near}' meant? Rename it if so" if near else "it is needed in every table"
    return f"There is no column '{role}'; {hint}."


def _near(role: str, names: list[str], columns: Columns) -> str | None:
    """The unused column whose name is closest to a role or one of its aliases."""
    free = {normalise(names[i]): names[i] for i in columns.extras}
    best, score = None, NEAR
    for wanted in (normalise(role), *ALIASES.get(role, ())):
        if len(wanted) < 5 and wanted != normalise(role):
            continue
        for normal, name in free.items():
            ratio = difflib.SequenceMatcher(None, wanted, normal).ratio()
            if ratio >= score:
                best, score = name, ratio
    return best


def gene_values(
    frame: pd.DataFrame, positions: list[int], labels: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Gene columns as float32 ``(n_rows, n_genes)``, and the faults of their values.

    Parameters
    ----------
    labels
        How messages name each row: ``"row 3 (NK cells, Clotrimazole)"``.
    """
    values = np.empty((len(frame), len(positions)), dtype=np.float32)
    faults: dict[str, list[tuple[int, int, str]]] = {"missing": [], "text": [], "infinite": []}
    for j, position in enumerate(positions):
        series = frame.iloc[:, position]
        column = series.to_numpy() if types.is_float_dtype(series.dtype) else None
        if column is None or column.dtype.kind != "f":
            column = numbers(series).to_numpy(dtype=np.float64, na_value=np.nan)
        with np.errstate(over="ignore"):
            values[:, j] = column
        for i in np.flatnonzero(~np.isfinite(values[:, j])):
            original = series.iloc[i]
            if pd.isna(original):
                faults["missing"].append((int(i), position, ""))
            elif isinstance(original, str) and not np.isinf(column[i]):
                faults["text"].append((int(i), position, original))
            else:
                faults["infinite"].append((int(i), position, str(original)))
    return values, _value_faults(faults, frame, labels)


def _value_faults(
    faults: dict[str, list[tuple[int, int, str]]], frame: pd.DataFrame, labels: list[str]
) -> list[str]:
    says = {
        "missing": "has no value",
        "text": "is '{0}', which is not a number",
        "infinite": "is {0}, which is not a finite float32 number",
    }
    sentences = []
    for kind, found in faults.items():
        if found:
            i, position, original = min(found)
            total = count(len(found), "such value")
            sentences.append(
                f"The gene '{frame.columns[position]}' {says[kind].format(original)} in "
                f"{labels[i]}; {total} in all."
            )
    return sentences


def array_faults(values: np.ndarray, genes: list[str], labels: list[str]) -> list[str]:
    """Faults of a float32 array ``(n_rows, n_genes)``: missing and infinite values."""
    sentences = []
    for bad, says in ((np.isnan(values), "has no value"), (np.isinf(values), "is infinite")):
        if bad.any():
            i, j = np.argwhere(bad)[0]
            total = count(int(bad.sum()), "such value")
            sentences.append(f"The gene '{genes[j]}' {says} in {labels[i]}; {total} in all.")
    return sentences


def raise_if(faults: list[str]) -> None:
    """Raise :class:`InvalidTableError` if there are faults."""
    if faults:
        raise InvalidTableError(faults)
