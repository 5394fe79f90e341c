"""Checks of cells: counts, names, identifiers, organism; and their content hash."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.faults import InvalidTableError, count, listing

if TYPE_CHECKING:
    from anndata import AnnData

HUMAN, MOUSE, UNKNOWN = "human", "mouse", "unknown"
#: Line breaks and other characters without a shape.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
ENSEMBL = re.compile(r"ENS([A-Z]{3,4})?G\d{11}(\.\d+)?")
#: Columns of ``var`` that hold symbols where the names are Ensembl ids.
SYMBOL_COLUMNS = (
    "gene_symbols",
    "gene_symbol",
    "gene_name",
    "gene_names",
    "feature_name",
    "symbol",
    "gene_short_name",
)
MOST = 0.5
#: Share of Ensembl ids from which on, and up to one less it, names count as mixed.
MIXED = 0.02
#: Longest name of a column and of a group that is kept whole.
LONGEST_COLUMN, LONGEST_GROUP = 80, 200
#: Matrices denser than this stay dense.
SPARSE_BELOW = 0.5


@dataclass
class ValidatedCells:
    """Cells that hold what they must, and what was understood on the way.

    Attributes
    ----------
    cells
        ``X`` is ``(n_cells, n_genes)``, raw counts where the file has them.
    values
        ``"counts"``, ``"non-negative values"`` or ``"scaled values"``.
    identifiers
        ``"symbols"`` or ``"Ensembl ids"``.
    """

    cells: AnnData
    organism: str
    values: str
    identifiers: str
    understood: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def validate_cells(cells: AnnData, organism: str | None = None) -> ValidatedCells:
    """Check cells and tidy their names and types, saying whatever was changed.

    Raises
    ------
    InvalidTableError
        No cells, no genes, no ``X``, missing or infinite values, a layer named ``counts`` that
        holds no counts, nothing but zeros.
    """
    understood: list[str] = []
    warnings: list[str] = []
    if cells.n_obs == 0 or cells.n_vars == 0:
        what = "cells" if cells.n_obs == 0 else "genes"
        raise InvalidTableError([f"The file holds no {what} ({cells.n_obs} × {cells.n_vars})."])
    if cells.isbacked:
        cells = cells.to_memory()
    _matrix(cells, understood)
    _layers(cells)
    values = _kind_of_values(cells, understood, warnings)
    organism, identifiers = check_names(cells, organism, understood, warnings)
    return ValidatedCells(cells, organism, values, identifiers, understood, warnings)


def check_names(
    cells: AnnData, organism: str | None, understood: list[str], warnings: list[str]
) -> tuple[str, str]:
    """Tidy the names of genes, cells, columns and groups in place; organism and identifiers."""
    identifiers = _identifiers(cells, understood, warnings)
    guess = guess_organism(cells.var_names, cells.var)
    if organism is None:
        organism = guess
        understood.append(
            f"The organism was taken as {guess}, from how genes are named."
            if guess != UNKNOWN
            else "The organism cannot be told from how genes are named."
        )
    elif guess not in (UNKNOWN, organism.lower()):
        warnings.append(f"Genes are named as in {guess}, but the organism was given as {organism}.")
    _unique(cells, warnings)
    _tidy_obs(cells, understood, warnings)
    return organism, identifiers


def _matrix(cells: AnnData, understood: list[str]) -> None:
    """Give ``X`` the counts or, failing them, what the file has, as float32, CSR if sparse."""
    layers = cells.layers
    if cells.X is None:
        if "counts" not in layers:
            names = listing([f"'{name}'" for name in layers]) or "none"
            raise InvalidTableError([f"The file has no X and no layer 'counts' (layers: {names})."])
        cells.X = layers["counts"].copy()
        understood.append("X is missing: the layer 'counts' was taken in its place.")
    matrix: Any = cells.X
    if sparse.issparse(matrix):
        matrix = sparse.csr_matrix(matrix)
    else:
        matrix = np.asarray(matrix)
        if matrix.dtype.kind not in "fiub":
            raise InvalidTableError([f"X holds {matrix.dtype} values, not numbers."])
        if np.count_nonzero(matrix) < SPARSE_BELOW * matrix.size:
            matrix = sparse.csr_matrix(matrix)
    cells.X = matrix.astype(np.float32)


def _entries(matrix: Any) -> np.ndarray:
    return matrix.data if sparse.issparse(matrix) else np.asarray(matrix).reshape(-1)


def _first(matrix: Any, bad: np.ndarray) -> tuple[int, int]:
    """Row and column of the first entry for which ``bad`` holds."""
    at = int(np.flatnonzero(bad)[0])
    if not sparse.issparse(matrix):
        return divmod(at, matrix.shape[1])
    return int(np.searchsorted(matrix.indptr, at, side="right") - 1), int(matrix.indices[at])


def _where(cells: AnnData, matrix: Any, bad: np.ndarray) -> str:
    row, column = _first(matrix, bad)
    total = count(int(bad.sum()), "such value")
    cell, gene = shown(cells.obs_names[row]), shown(cells.var_names[column])
    return f"cell '{cell}', gene '{gene}'; {total} in all"


def _layers(cells: AnnData) -> None:
    """A layer that calls itself counts must hold counts."""
    if "counts" not in cells.layers:
        return
    layer: Any = cells.layers["counts"]
    layer = sparse.csr_matrix(layer) if sparse.issparse(layer) else np.asarray(layer)
    entries = _entries(layer)
    for bad, says in (
        (~np.isfinite(entries), "a missing or infinite value"),
        (entries < 0, "a negative value"),
        (entries != np.round(entries), "a value that is no whole number"),
    ):
        if bad.any():
            raise InvalidTableError(
                [f"The layer 'counts' holds {says} ({_where(cells, layer, bad)})."]
            )


def _kind_of_values(cells: AnnData, understood: list[str], warnings: list[str]) -> str:
    entries = _entries(cells.X)
    bad = ~np.isfinite(entries)
    if bad.any():
        raise InvalidTableError(
            [f"X holds a missing or infinite value ({_where(cells, cells.X, bad)})."]
        )
    if not entries.any():
        raise InvalidTableError(["X holds nothing but zeros."])
    negative = entries < 0
    if negative.any():
        warnings.append(
            f"X holds negative values ({_where(cells, cells.X, negative)}), so it is scaled and "
            "not counts: methods that need counts cannot use it."
        )
        return "scaled values"
    if (entries == np.round(entries)).all():
        top = f"{int(entries.max()):,}"
        understood.append(f"X holds raw counts (whole numbers from 0 to {top}).")
        return "counts"
    fractional = entries != np.round(entries)
    warnings.append(
        f"X holds values that are no whole numbers ({_where(cells, cells.X, fractional)}), so it "
        "is normalised or estimated and not raw counts."
    )
    return "non-negative values"


def _identifiers(cells: AnnData, understood: list[str], warnings: list[str]) -> str:
    names = cells.var_names.astype(str)
    ensembl = np.array([bool(ENSEMBL.fullmatch(name)) for name in names])
    share = ensembl.mean()
    if MIXED < share < 1 - MIXED:
        warnings.append(
            f"Genes are named in two ways: {count(int(ensembl.sum()), 'Ensembl id')} (as "
            f"{names[ensembl][0]}) beside {count(int((~ensembl).sum()), 'other name')} (as "
            f"{shown(names[~ensembl][0])}), so gene sets and signatures find only a part of them."
        )
    if share < MOST:
        return "symbols"
    column = next((name for name in SYMBOL_COLUMNS if name in cells.var), None)
    if column is None:
        understood.append("Genes are named by Ensembl ids, and the file has no symbols for them.")
        return "Ensembl ids"
    symbols = cells.var[column].astype(object)
    symbols = symbols.where(symbols.notna() & (symbols.astype(str) != ""), names)
    cells.var["gene_ids"] = names.to_numpy()
    cells.var_names = pd.Index(symbols.astype(str).to_numpy())
    understood.append(
        f"Genes are named by the symbols of var['{column}']; their Ensembl ids are kept in "
        "var['gene_ids']."
    )
    return "symbols"


def guess_organism(names: pd.Index, var: pd.DataFrame | None = None) -> str:
    """Human or mouse, from Ensembl prefixes or from how symbols are written.

    Human symbols are upper case (``INS``), mouse symbols are title case (``Ins1``).
    """
    ids = list(map(str, names))
    if var is not None and "gene_ids" in var:
        ids = list(var["gene_ids"].astype(str))
    matches = [match for name in ids if (match := ENSEMBL.fullmatch(name))]
    if len(matches) > MOST * len(ids):
        prefixes = pd.Series([match.group(1) or "" for match in matches]).value_counts()
        return {"": HUMAN, "MUS": MOUSE}.get(str(prefixes.index[0]), UNKNOWN)
    words = [name for name in map(str, names) if re.match(r"[A-Za-z]{2}", name)]
    if not words:
        return UNKNOWN
    upper = np.mean([word == word.upper() for word in words])
    title = np.mean([word[0].isupper() and word[1].islower() for word in words])
    if upper > 0.7:
        return HUMAN
    return MOUSE if title > 0.7 else UNKNOWN


def _unique(cells: AnnData, warnings: list[str]) -> None:
    cells.obs_names = _on_one_line(cells.obs_names, "cell name", warnings)
    cells.var_names = _on_one_line(cells.var_names, "gene name", warnings)
    for names, what, make in (
        (cells.var_names, "gene name", cells.var_names_make_unique),
        (cells.obs_names, "cell name", cells.obs_names_make_unique),
    ):
        again = names[names.duplicated()].unique()
        if len(again):
            make()
            warnings.append(
                f"{count(len(again), what)} stood more than once and "
                f"{'was' if len(again) == 1 else 'were'} made unique with -1, -2 …: "
                f"{listing([shown(name) for name in again])}."
            )


def _on_one_line(names: pd.Index, what: str, warnings: list[str]) -> pd.Index:
    """Names as text without control characters, which HDF5 cannot hold (NUL) or no page shows."""
    text = [str(name) for name in names]
    tame = [_CONTROL.sub(" ", name) for name in text]
    changed = [old for old, new in zip(text, tame, strict=True) if old != new]
    if changed:
        warnings.append(
            f"{count(len(changed), what)} held control characters, and each became a space: "
            f"{listing([shown(name) for name in changed], 3)}."
        )
    return pd.Index(tame)


def shown(name: object, most: int = 40) -> str:
    """A stranger's name in one sentence: on one line, and not too long."""
    text = _CONTROL.sub(" ", str(name))
    return text if len(text) <= most else text[: most - 1] + "…"


def _clean(names: list[str], most: int, forbidden: str = "") -> list[str]:
    """Names on one line, at most ``most`` characters long, still different from each other."""
    taken: set[str] = set()
    clean = []
    for name in names:
        text = _CONTROL.sub(" ", name)
        for letter in forbidden:
            text = text.replace(letter, "_")
        text = text if len(text) <= most else text[: most - 1] + "…"
        candidate, n = text or "_", 1
        while candidate in taken:
            n += 1
            candidate = f"{text} ({n})"
        taken.add(candidate)
        clean.append(candidate)
    return clean


def _tidy_names(frame: pd.DataFrame, warnings: list[str]) -> None:
    """Columns and groups whose names no file, page or sentence can carry get tame ones."""
    columns = [str(name) for name in frame.columns]
    tame = _clean(columns, LONGEST_COLUMN, "/")  # HDF5 takes a slash for a folder
    changed = [old for old, new in zip(columns, tame, strict=True) if old != new]
    frame.columns = pd.Index(tame)
    for name in tame:
        if not isinstance(frame[name].dtype, pd.CategoricalDtype):
            continue
        groups = [str(group) for group in frame[name].cat.categories]
        better = _clean(groups, LONGEST_GROUP)
        changed += [old for old, new in zip(groups, better, strict=True) if old != new]
        if better != list(frame[name].cat.categories):
            frame[name] = frame[name].cat.rename_categories(better)
    if changed:
        warnings.append(
            f"{count(len(changed), 'name')} of columns or groups {'was' if len(changed) == 1 else 'were'} "
            f"shortened or cleaned of line breaks and slashes: {listing([repr(shown(c)) for c in changed], 3)}."
        )


def _tidy_obs(cells: AnnData, understood: list[str], warnings: list[str]) -> None:
    """Text columns become categories, so that any mixture of types can be stored."""
    for frame in (cells.obs, cells.var):
        for name in frame.columns[frame.columns.duplicated()].unique():
            raise InvalidTableError([f"The column '{shown(name)}' stands more than once."])
        for name in frame.columns:
            if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
                text = frame[name].astype(object)
                text = text.where(text.notna(), None)
                text = text.map(lambda value: None if value is None else str(value))
                if frame is cells.obs:
                    frame[name] = pd.Categorical(text)
                else:
                    frame[name] = text.fillna("").map(lambda value: _CONTROL.sub(" ", value))
        _tidy_names(frame, warnings)
    cells.obs_names.name = cells.var_names.name = None
    if len(cells.obs.columns):
        described = [
            f"'{shown(name)}' ({count(cells.obs[name].nunique(), 'value')})"
            for name in cells.obs.columns
        ]
        understood.append(f"Cells are described by {listing(described, most=12)}.")


def cells_hash(cells: AnnData) -> str:
    """SHA-256 over names, descriptions and values: the key of every cache."""
    digest = hashlib.sha256()
    hash_names(digest, cells)
    matrix: Any = cells.X
    parts = [matrix.indptr, matrix.indices, matrix.data] if sparse.issparse(matrix) else [matrix]
    for part in parts:
        flat = np.ascontiguousarray(part).reshape(-1)
        for start in range(0, len(flat), 2**22):
            update_hash(digest, flat[start : start + 2**22])
    return digest.hexdigest()


def hash_names(digest: Any, cells: AnnData) -> None:
    """The part of :func:`cells_hash` that is no value."""
    for names in (cells.obs_names, cells.var_names):
        digest.update("\n".join(map(str, names)).encode())
        digest.update(b"\0")
    digest.update(cells.obs.to_csv(index=False, lineterminator="\n").encode())


def update_hash(digest: Any, values: np.ndarray) -> None:
    """Add values, whatever their width, in the widths of :func:`cells_hash`."""
    digest.update(values.astype("<f4" if values.dtype.kind == "f" else "<i8").tobytes())
