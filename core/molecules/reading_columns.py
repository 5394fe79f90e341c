"""Which column of a table holds structures, and which names them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from core.molecules.parse import parse_line

SEPARATORS = ("\t", ",", ";", "|")
_SMILES = (
    "smiles",
    "canonicalsmiles",
    "isomericsmiles",
    "standardisedsmiles",
    "standardizedsmiles",
    "smilesstring",
    "isosmiles",
    "cansmiles",
    "rdkitsmiles",
    "molsmiles",
    "smi",
    "structure",
    "mol",
    "molecule",
    "inchi",
)
_IDS = (
    "id",
    "compoundid",
    "moleculeid",
    "molid",
    "smlincsid",
    "lincsid",
    "pertid",
    "chemblid",
    "moleculechemblid",
    "drugbankid",
    "zincid",
    "cid",
    "pubchemcid",
    "catalogid",
    "catalognumber",
    "catno",
    "cas",
    "identifier",
)
_NAMES = (
    "smname",
    "name",
    "compoundname",
    "pertiname",
    "compound",
    "drug",
    "drugname",
    "moleculename",
    "prefname",
    "title",
)


def split(line: str, separator: str) -> list[str]:
    """Fields of one line; quotes are honoured within the line only.

    A quotation mark that is never closed can then spoil its own row, and no other.
    """
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def guess_separator(lines: Sequence[str]) -> str:
    """The separator that most lines have in equal number; a comma where none has."""
    best, score = ",", 0
    for separator in SEPARATORS:
        counts = [len(split(line, separator)) - 1 for line in lines if line.strip()]
        if not counts or counts[0] == 0:
            continue
        agreeing = sum(count == counts[0] for count in counts) * counts[0]
        if agreeing > score:
            best, score = separator, agreeing
    return best


def plain(name: str) -> str:
    """A column name without case, spaces and signs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def has_known_name(cells: Sequence[str]) -> bool:
    """Whether one of a first row's cells is a usual name of a column."""
    words = [plain(cell) for cell in cells]
    known = {*_SMILES, *_IDS, *_NAMES}
    return any(word in known or word.endswith("smiles") for word in words)


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first row names columns: it has a known name, or no cell that is a molecule.

    In doubt it is a row: a header that is taken for one is rejected with a reason, while a row
    taken for a header would be lost.
    """
    if has_known_name(cells):
        return True
    return not any(is_molecule(cell, 1) for cell in cells)


def is_molecule(cell: str, least_atoms: int = 2) -> bool:
    """Whether a cell reads as a molecule of at least so many heavy atoms."""
    parsed = parse_line(cell) if cell.strip() else None
    return parsed is not None and parsed.mol is not None and parsed.mol.GetNumAtoms() >= least_atoms


def guess_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[str | None, str | None, str | None]:
    """The columns of structures, identifiers and names: by name, structures also by content."""
    smiles = _by_name(columns, _SMILES) or next(
        (name for name in columns if plain(name).endswith("smiles")), None
    )
    if smiles is not None and plain(smiles) in {"structure", "mol", "molecule", "inchi"}:
        by_content = _by_content(columns, rows)
        smiles = by_content or smiles
    smiles = smiles or _by_content(columns, rows)
    rest = [name for name in columns if name != smiles]
    return smiles, _by_name(rest, _IDS), _by_name(rest, _NAMES)


def _by_name(columns: Sequence[str], known: Sequence[str]) -> str | None:
    words = {plain(name): name for name in reversed(columns)}
    return next((words[word] for word in known if word in words), None)


def _by_content(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    """The column most of whose cells read as molecules, at least half of them."""
    best, most = None, 0.5
    for position, name in enumerate(columns):
        cells = [row[position] for row in rows[:20] if position < len(row) and row[position]]
        if cells:
            share = sum(is_molecule(cell) for cell in cells) / len(cells)
            if share > most or (share == most and best is None):
                best, most = name, share
    return best
