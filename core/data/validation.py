"""From a file's columns to a validated perturbation table, with every fault named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from core.data import columns as cols
from core.data.faults import InvalidTableError, count, listing
from core.data.registry import RawArrays, RawTable
from core.data.table import OBS_COLUMNS, SPLITS, TRAIN, PerturbationTable, content_hash

SIGNED_LOG_P, Z_SCORE, UNKNOWN_TARGET = "signed −log10 p", "z-score", "effect (unit not given)"
PSEUDO_CELL_TYPE = "all cells"
#: What files write where they mean one of :data:`core.data.table.SPLITS`.
SPLIT_ALIASES = {"control": TRAIN, "public": "public_test", "private": "private_test"}
TRUE, FALSE = {"true", "1", "1.0", "yes", "t"}, {"false", "0", "0.0", "no", "f", ""}
#: Columns that can name a compound where its own name is missing, in this order.
FALLBACK_NAMES = ("sm_lincs_id", "drugbank_id", "pert_id", "broad_id", "inchikey", "SMILES")
#: Gene symbols that spreadsheets turn into dates (Ziemann et al., Genome Biology 2016).
DATE_GENE = re.compile(r"\d{1,2}-(Mar|Sep|Dec|Oct|Nov|Apr|Feb)", re.IGNORECASE)
N_LANDMARKS = 978


@dataclass
class Validated:
    """A table that holds what it must, and what was understood on the way.

    Attributes
    ----------
    understood
        Plain sentences, column by column.
    warnings
        What the user should know though it is no fault.
    dropped
        Rows left out, each named.
    """

    obs: pd.DataFrame
    genes: pd.Index
    values: np.ndarray
    target: str
    unmeasured: pd.DataFrame | None = None
    understood: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def table(self, id: str, *, simulated: bool = False, meta: dict[str, Any]) -> PerturbationTable:
        """The table under its id, with its content hash."""
        return PerturbationTable(
            id=id,
            obs=self.obs,
            genes=self.genes,
            values=self.values,
            target=self.target,
            simulated=simulated,
            content_hash=content_hash(self.obs, self.genes, self.values),
            unmeasured=self.unmeasured,
            meta=meta,
        )


def validate(raw: RawTable | RawArrays, target: str | None = None) -> Validated:
    """Understand and check a perturbation table.

    Rows are counted from 1, without the header. Rows without SMILES are left out and listed.
    Without a ``cell_type`` column all pairs belong to one pseudo cell type.

    Parameters
    ----------
    target
        What a value is, with its unit; by default what the reader knows, else a guess that is
        said.

    Raises
    ------
    InvalidTableError
        With every fault: missing or misspelt columns, missing, infinite or non-numeric values,
        SMILES that RDKit cannot parse, a compound with two structures, duplicated pairs or
        genes, no rows, no genes, no variance.
    """
    if isinstance(raw, RawArrays):
        return _validate_arrays(raw, target)
    frame = raw.frame
    columns = cols.understand(frame)
    cols.raise_if(cols.check(frame, columns))
    if frame.empty:
        raise InvalidTableError(["The table has a header but no rows."])
    understood = [*raw.notes, *columns.understood]
    obs, faults = _descriptions(frame, columns, understood)
    warnings: list[str] = []
    keep, dropped = _with_smiles(obs)
    frame, obs = frame.iloc[keep], obs.iloc[keep]
    labels = row_labels(obs)
    values, value_faults = cols.gene_values(frame, columns.genes, labels)
    genes = pd.Index([str(frame.columns[i]).strip() for i in columns.genes])
    target = _say_target(target or raw.target, obs, genes, understood)
    result = Validated(obs, genes, values, target, raw.unmeasured, understood, warnings, dropped)
    return _check(result, labels, [*faults, *value_faults])


def _validate_arrays(raw: RawArrays, target: str | None) -> Validated:
    """The same checks where the reader already knows which part is what."""
    if not raw.genes:
        raise InvalidTableError(["The table has no gene columns."])
    if raw.obs.empty:
        raise InvalidTableError(["The table has no rows."])
    columns = cols.understand(raw.obs)
    columns.extras += columns.genes
    columns.genes = []
    faults = [fault for fault in cols.check(raw.obs, columns) if "no gene columns" not in fault]
    faults += cols.duplicated_genes(raw.genes)
    cols.raise_if(faults)
    understood = list(raw.notes)
    obs, faults = _descriptions(raw.obs, columns, understood)
    warnings: list[str] = []
    keep, dropped = _with_smiles(obs)
    obs = obs.iloc[keep]
    labels = row_labels(obs)
    everything = len(keep) == len(raw.obs)
    values = np.ascontiguousarray(raw.values if everything else raw.values[keep], np.float32)
    faults += cols.array_faults(values, raw.genes, labels)
    genes = pd.Index(raw.genes)
    target = _say_target(target or raw.target, obs, genes, understood)
    result = Validated(obs, genes, values, target, raw.unmeasured, understood, warnings, dropped)
    return _check(result, labels, faults)


def row_labels(obs: pd.DataFrame) -> list[str]:
    """``"row 3 (NK cells, Clotrimazole)"``, counted from 1 in the file's own order."""
    return [
        f"row {row + 1:,} ({cell_type}, {name})"
        for row, cell_type, name in zip(obs.index, obs["cell_type"], obs["sm_name"], strict=True)
    ]


def _text(series: pd.Series) -> pd.Series:
    text = series.astype(object).where(series.notna(), "").astype(str).str.strip()
    return text.mask(text.str.lower().isin({"nan", "none", "null", "<na>"}), "")


def _descriptions(
    frame: pd.DataFrame, columns: cols.Columns, understood: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The pairs' own columns, indexed by the row's position in the file, and their faults."""
    obs = pd.DataFrame(index=pd.RangeIndex(len(frame)))
    faults: list[str] = []

    def column(role: str) -> pd.Series | None:
        if role not in columns.roles:
            return None
        return frame.iloc[:, columns.roles[role]].reset_index(drop=True)

    for role in ("cell_type", "sm_name", "sm_lincs_id", "SMILES"):
        series = column(role)
        obs[role] = "" if series is None else _text(series)
    if "cell_type" not in columns.roles:
        obs["cell_type"] = PSEUDO_CELL_TYPE
        understood.append(
            f"There is no column 'cell_type': all pairs belong to one pseudo cell type, "
            f"'{PSEUDO_CELL_TYPE}'."
        )
    elif (empty := np.flatnonzero(obs["cell_type"] == "")).size:
        faults.append(
            f"The column 'cell_type' is empty in row {empty[0] + 1:,}; "
            f"{count(len(empty), 'such row')} in all."
        )
    control, split = column("control"), column("split")
    obs["control"] = _control(control, split, faults)
    if control is None and split is None:
        understood.append("There is no column 'control': no pair is taken as a control.")
    obs["split"] = _split(split, faults)
    if split is None:
        understood.append("There is no column 'split': every pair is a training pair.")
    for position in columns.extras:
        name = str(frame.columns[position])
        obs[name] = _tidy(frame.iloc[:, position].reset_index(drop=True))
    _fill_names(obs, frame, columns, understood, faults)
    return obs, faults


def _tidy(series: pd.Series) -> pd.Series:
    """A column that parquet stores and that reads back the same: numbers, booleans or text."""
    if pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        return series
    return _text(series)


def _control(
    control: pd.Series | None, split: pd.Series | None, faults: list[str]
) -> pd.Series | bool:
    if control is None:
        return False if split is None else _text(split).str.lower() == "control"
    if pd.api.types.is_bool_dtype(control.dtype):
        return control.astype(bool)
    words = _text(control).str.lower()
    bad = np.flatnonzero(~words.isin(TRUE | FALSE))
    if bad.size:
        faults.append(
            f"The column 'control' is '{control.iloc[bad[0]]}' in row {bad[0] + 1:,}, where True "
            f"or False is needed; {count(len(bad), 'such row')} in all."
        )
    return words.isin(TRUE)


def _split(split: pd.Series | None, faults: list[str]) -> pd.Series | str:
    if split is None:
        return TRAIN
    words = _text(split).replace(SPLIT_ALIASES)
    bad = np.flatnonzero(~words.isin(SPLITS))
    if bad.size:
        faults.append(
            f"The column 'split' is '{split.iloc[bad[0]]}' in row {bad[0] + 1:,}, which is none "
            f"of {', '.join(SPLITS)} and control; {count(len(bad), 'such row')} in all."
        )
    return words


def _fill_names(
    obs: pd.DataFrame,
    frame: pd.DataFrame,
    columns: cols.Columns,
    understood: list[str],
    faults: list[str],
) -> None:
    """Name compounds without a name by another identifier, and say so of those that are kept."""
    nameless = obs["sm_name"] == ""
    kept = obs["SMILES"] != ""
    if not nameless.any():
        return
    source = str(frame.columns[columns.roles["sm_name"]])
    by_normal = {cols.normalise(name): name for name in obs.columns}
    for fallback in FALLBACK_NAMES:
        name = by_normal.get(cols.normalise(fallback))
        usable = nameless & (obs[name] != "") if name else nameless & False
        if usable.any():
            obs.loc[usable, "sm_name"] = obs.loc[usable, name].astype(str)
            if n := int((usable & kept).sum()):
                understood.append(
                    f"{count(n, 'compound')} without '{source}' took the name from '{name}'."
                )
            nameless &= obs["sm_name"] == ""


def _with_smiles(obs: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    has = (obs["SMILES"] != "").to_numpy()
    if not has.any():
        raise InvalidTableError(["No row has a SMILES, and rows without one cannot be used."])
    missing = np.flatnonzero(~has)
    names = obs["sm_name"].to_numpy()
    dropped = [f"Row {i + 1:,} ({names[i] or 'no name'}) has no SMILES." for i in missing]
    return np.flatnonzero(has), dropped


def guess_target(obs: pd.DataFrame, genes: pd.Index) -> str | None:
    """The unit that a table of this shape usually has, or ``None``."""
    if obs["sm_lincs_id"].str.startswith("LSM-").mean() > 0.5:
        return SIGNED_LOG_P
    return Z_SCORE if len(genes) == N_LANDMARKS else None


def _say_target(
    target: str | None, obs: pd.DataFrame, genes: pd.Index, understood: list[str]
) -> str:
    if target:
        return target
    guess = guess_target(obs, genes)
    if guess is None:
        understood.append("The unit of the values was not given.")
        return UNKNOWN_TARGET
    why = (
        "the pairs carry LINCS ids as the OP2 competition's table does"
        if guess == SIGNED_LOG_P
        else f"the table has the {N_LANDMARKS} genes of LINCS L1000"
    )
    understood.append(f"Values were taken as {guess}, because {why}.")
    return guess


def _check(result: Validated, labels: list[str], faults: list[str]) -> Validated:
    obs, values = result.obs, result.values
    faults = [*faults, *_chemistry(obs, labels, result.warnings), *_pairs(obs, labels)]
    if not faults:
        faults += _variance(values, result)
    dates = [gene for gene in result.genes if DATE_GENE.fullmatch(gene)]
    if dates:
        result.warnings.append(
            f"{count(len(dates), 'gene symbol')} look like dates, as spreadsheets make them of "
            f"SEPT and MARCH genes: {listing(dates)}."
        )
    cols.raise_if(faults)
    if result.dropped:
        result.warnings.append(
            f"{count(len(result.dropped), 'row')} without SMILES "
            f"{'was' if len(result.dropped) == 1 else 'were'} left out; {len(obs):,} remain."
        )
    compounds, types = obs["sm_name"].nunique(), obs["cell_type"].nunique()
    result.understood.append(
        f"The table has {count(len(obs), 'pair')} of {count(compounds, 'compound')} and "
        f"{count(types, 'cell type')}."
    )
    order = [*OBS_COLUMNS, "split"]
    rest = [name for name in obs.columns if name not in order]
    result.obs = obs[order + rest].reset_index(drop=True)
    return result


def _chemistry(obs: pd.DataFrame, labels: list[str], warnings: list[str]) -> list[str]:
    from rdkit import Chem, rdBase

    smiles = obs["SMILES"].to_numpy()
    faults = []
    canonical: dict[str, str | None] = {}
    with rdBase.BlockLogs():
        for text in dict.fromkeys(smiles):
            molecule = Chem.MolFromSmiles(text)
            usable = molecule is not None and molecule.GetNumAtoms() > 0
            canonical[text] = Chem.MolToSmiles(molecule) if usable else None
    bad = [i for i, text in enumerate(smiles) if canonical[text] is None]
    if bad:
        more = f"; {count(len(bad), 'such row')} in all" if len(bad) > 1 else ""
        faults.append(
            f"RDKit cannot parse the SMILES '{smiles[bad[0]]}' in {labels[bad[0]]}{more}."
        )
    first: dict[str, int] = {}
    written: set[str] = set()
    for i, name in enumerate(obs["sm_name"]):
        j = first.setdefault(name, i)
        if smiles[i] == smiles[j] or None in (canonical[smiles[i]], canonical[smiles[j]]):
            continue
        if canonical[smiles[i]] == canonical[smiles[j]]:
            written.add(name)
        else:
            faults.append(
                f"The compound '{name}' has two structures: '{smiles[j]}' in {labels[j]} and "
                f"'{smiles[i]}' in {labels[i]}."
            )
            break
    if written:
        warnings.append(
            f"{count(len(written), 'compound')} {'is' if len(written) == 1 else 'are'} written "
            f"with differing SMILES of the same structure: {listing(sorted(written))}."
        )
    if not faults:
        shared = pd.Series(list(first), index=[canonical[smiles[i]] for i in first.values()])
        groups = shared.groupby(level=0).size()
        if (twins := int((groups > 1).sum())) > 0:
            warnings.append(
                f"{count(twins, 'structure')} {'has' if twins == 1 else 'have'} more than one "
                "compound name; split by structure where compounds must not leak."
            )
    return faults


def _pairs(obs: pd.DataFrame, labels: list[str]) -> list[str]:
    keys = obs[["cell_type", "sm_name"]]
    again = keys.duplicated(keep=False).to_numpy()
    if not again.any():
        return []
    groups = keys[again].groupby(["cell_type", "sm_name"], sort=False).groups
    cell_type, name = next(iter(groups))
    rows = listing([f"{row + 1:,}" for row in groups[(cell_type, name)]])
    more = f"; {count(len(groups), 'such pair')} in all" if len(groups) > 1 else ""
    return [f"The pair ({cell_type}, {name}) stands more than once, in rows {rows}{more}."]


def _variance(values: np.ndarray, result: Validated) -> list[str]:
    spread = values.max(axis=0) - values.min(axis=0)
    if len(values) == 1:
        result.warnings.append("The table has one pair only: nothing can be trained on it.")
        if np.ptp(values) == 0:
            return [f"Every value of the table is {values.flat[0]:g}: there is nothing to learn."]
        return []
    if not spread.any():
        return ["No gene differs between any two pairs: the table has no variance at all."]
    if (flat := int((spread == 0).sum())) > 0:
        result.warnings.append(f"{count(flat, 'gene')} {'is' if flat == 1 else 'are'} constant.")
    return []
