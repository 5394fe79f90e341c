"""Validation schemes: which training rows are held out together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from core.errors import ConfigError, DataError
from core.featurizers.molecules import structure

SCHEMES = ("random", "leave-compound-out", "scaffold", "competition")
NEVER = -1
#: A cell type is scarce when it has less than this share of the best-covered type's compounds.
_SCARCE = 0.5
#: Share of compounds that a scarce cell type still knows, where the table itself has none:
#: 17 of 146, as in the competition.
_KNOWN_SHARE = 17 / 146


def make_folds(obs: pd.DataFrame, scheme: str, n_folds: int = 5, seed: int = 0) -> np.ndarray:
    """Assign each row to the fold in which it is held out.

    Parameters
    ----------
    obs
        Training pairs: ``cell_type``, ``sm_name``, ``SMILES`` and perhaps ``inchikey``.
    scheme
        ``random``
            Pairs at random; rows of one compound in one cell type stay together. A table of one
            (pseudo) cell type is thereby split by compound.
        ``leave-compound-out``
            All rows of a compound together. Compounds are the same if name, InChIKey or the
            connectivity of the main fragment (first block of its InChIKey) agree: salts and
            stereoisomers of one molecule are never on both sides.
        ``scaffold``
            All compounds of one Murcko scaffold together. Acyclic molecules have none: each is
            a group of its own, for they share no more than the lack of a ring.
        ``competition``
            Cell types are scarce, compounds are known elsewhere: see :func:`competition_folds`.
    n_folds
        Number of folds.
    seed
        Seed of the split.

    Returns
    -------
    numpy.ndarray
        int64 ``(len(obs),)``: fold of each row, −1 for a row that always trains.

    Raises
    ------
    ConfigError
        If the scheme cannot be applied to these rows, saying why.
    """
    rng = np.random.default_rng(seed)
    if scheme == "competition":
        return competition_folds(obs, n_folds, rng)
    if scheme not in SCHEMES:
        raise ConfigError(f"There is no validation scheme '{scheme}'; known: {', '.join(SCHEMES)}.")
    compounds = compound_groups(obs)
    if scheme == "random":
        cells = pd.factorize(obs["cell_type"])[0]
        groups = np.unique(np.stack([cells, compounds]), axis=1, return_inverse=True)[1].ravel()
        what = "pairs"
    elif scheme == "leave-compound-out":
        groups, what = compounds, "compounds"
    else:
        groups, what = scaffold_groups(obs, compounds), "scaffolds"
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        raise ConfigError(
            f"{n_folds} folds need at least {n_folds} {what}; the training rows have {n_groups}."
        )
    return balanced_folds(groups, n_folds, rng)


def balanced_folds(groups: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Whole groups ``(n,)`` to folds of nearly equal size: largest first, to the smallest fold."""
    unique, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(unique))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(n_folds, dtype=np.int64)
    fold_of = np.empty(len(unique), dtype=np.int64)
    for group in order:
        smallest = np.flatnonzero(filled == filled.min())
        fold_of[group] = rng.choice(smallest)
        filled[fold_of[group]] += sizes[group]
    return fold_of[index.ravel()]


def competition_folds(obs: pd.DataFrame, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Folds in the shape of the NeurIPS 2023 competition.

    There, compounds are known in T and NK cells and are to be predicted in B and myeloid cells,
    of which training has only 17 compounds. Those few rows alone cannot judge a model, so every
    other cell type takes its turn in the same role:

    - *Scarce* cell types have less than half as many compounds as the best-covered type;
      *reference* compounds are those that any scarce type knows (where no type is scarce, 12 %
      of compounds at random).
    - Each fold makes one of the other cell types scarce: all its rows are held out but those of
      the reference compounds. Those rows are never held out. With more folds than such types,
      the rows of a type are shared among several folds; with fewer, a fold has several types.
    - Each fold also holds out the rows of the scarce types for its share of reference compounds.

    A compound measured in one cell type only is never held out: elsewhere it would be unknown.
    """
    cells, cell_names = pd.factorize(obs["cell_type"], sort=True)
    if len(cell_names) < 2:
        raise ConfigError(
            "The competition scheme needs compounds measured in several cell types; this table has "
            f"only '{cell_names[0] if len(cell_names) else 'none'}': choose random, "
            "leave-compound-out or scaffold."
        )
    compounds = compound_groups(obs)
    n_known = np.array([len(np.unique(compounds[cells == c])) for c in range(len(cell_names))])
    scarce = n_known < _SCARCE * n_known.max()
    spread = np.array([len(np.unique(cells[compounds == c])) for c in range(compounds.max() + 1)])
    elsewhere = spread[compounds] > 1
    if scarce.any():
        reference = np.unique(compounds[scarce[cells]])
    else:
        n_reference = max(1, round(_KNOWN_SHARE * len(spread)))
        reference = rng.permutation(len(spread))[:n_reference]
    is_reference = np.isin(compounds, reference)

    folds = np.full(len(obs), NEVER, dtype=np.int64)
    turn = np.full(len(spread), NEVER)
    turn[rng.permutation(reference)] = np.arange(len(reference)) % n_folds
    held = scarce[cells] & elsewhere
    folds[held] = turn[compounds[held]]

    rotating = rng.permutation(np.flatnonzero(~scarce))
    for position, cell in enumerate(rotating):
        mine = np.flatnonzero((cells == cell) & ~is_reference & elsewhere)
        turns = [fold for fold in range(n_folds) if fold % len(rotating) == position]
        if not turns:
            turns = [position % n_folds]
        folds[mine] = np.array(turns)[balanced_folds(compounds[mine], len(turns), rng)]
    empty = sorted(set(range(n_folds)) - set(folds[folds >= 0].tolist()))
    if empty:
        raise ConfigError(
            f"The competition scheme cannot fill {n_folds} folds from these {len(obs)} rows; "
            "choose fewer folds."
        )
    return folds


def compound_groups(obs: pd.DataFrame) -> np.ndarray:
    """Number of each row's compound, int64 ``(n,)``: the same if any of its identifiers agree."""
    columns = [_texts(obs["sm_name"])]
    if "inchikey" in obs:
        columns.append([key[:14] for key in _texts(obs["inchikey"])])
    if "SMILES" in obs:
        columns.append(_per_unique(obs["SMILES"], connectivity))
    return _joined(columns)


def scaffold_groups(obs: pd.DataFrame, compounds: np.ndarray) -> np.ndarray:
    """Number of each row's Murcko scaffold, int64 ``(n,)``; acyclic compounds stand alone."""
    if "SMILES" not in obs:
        raise ConfigError("The scaffold scheme needs a column 'SMILES', which this table has not.")
    scaffolds = _per_unique(obs["SMILES"], murcko)
    return _joined([[str(c) for c in compounds], scaffolds])


def connectivity(smiles: str) -> str:
    """First block of the InChIKey of the neutral main fragment; empty if it cannot be read."""
    try:
        mol = structure(smiles)
    except DataError:
        return ""
    with rdBase.BlockLogs():
        return Chem.MolToInchiKey(mol)[:14]


def murcko(smiles: str) -> str:
    """Canonical SMILES of the Bemis–Murcko scaffold; empty for acyclic or unreadable molecules."""
    try:
        mol = Chem.Mol(structure(smiles))
    except DataError:
        return ""
    Chem.RemoveStereochemistry(mol)
    return Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(mol))


def _texts(column: pd.Series) -> list[str]:
    return column.fillna("").astype(str).tolist()


def _per_unique(column: pd.Series, compute: Callable[[str], str]) -> list[str]:
    found = {text: compute(text) if text else "" for text in set(_texts(column))}
    return [found[text] for text in _texts(column)]


def _joined(columns: Sequence[Sequence[str]]) -> np.ndarray:
    """Connected components of rows that share a non-empty value in any column."""
    parent = list(range(len(columns[0])))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for column in columns:
        first: dict[str, int] = {}
        for row, value in enumerate(column):
            if value:
                parent[root(row)] = root(first.setdefault(value, row))
    roots = [root(row) for row in range(len(parent))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
