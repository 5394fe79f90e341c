"""Records of an SD file, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rdkit import Chem, rdBase

from core.molecules.parse import clean_name
from core.molecules.reading_lines import read_lines

END = "$$$$"
#: Lines of one record that are kept; a 1,000-atom molecule with its data needs far fewer.
MAX_RECORD_LINES = 20_000
_TAG = re.compile(r"^>.*<([^>]+)>")
NO_MOLECULE = "The record holds no structure that can be read."
NOT_CLOSED = "The record is not closed by '$$$$': the file is cut short."


def read_records(path: Path) -> Iterator[list[str]]:
    """Lines of each record without its ``$$$$``; the last one may lack it."""
    record: list[str] = []
    for line in read_lines(path):
        if line.rstrip() == END:
            yield record
            record = []
        elif len(record) < MAX_RECORD_LINES:
            record.append(line)
    if any(line.strip() for line in record):
        yield record


def tags(record: list[str]) -> dict[str, str]:
    """Data fields of a record, first line of each."""
    found: dict[str, str] = {}
    for line, following in zip(record, [*record[1:], ""], strict=False):
        tag = _TAG.match(line)
        if tag:
            found.setdefault(tag[1], following.strip())
    return found


def title(record: list[str]) -> str:
    """The record's name, its first line."""
    return clean_name(record[0]) if record else ""


def smiles_of(record: list[str]) -> tuple[str, str]:
    """SMILES of a record, and an empty string; or an empty string and the reason.

    Nothing but atoms, bonds and coordinates is handed to RDKit: the block ends at ``M  END``.
    """
    end = next((i for i, line in enumerate(record) if line.startswith("M  END")), None)
    if end is None:
        return "", "The record has no line 'M  END': it is cut short or no molecule."
    block = "\n".join(["", *record[1 : end + 1]]) + "\n"
    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromMolBlock(block, sanitize=True, removeHs=True, strictParsing=False)
            smiles = Chem.MolToSmiles(mol) if mol is not None else ""
        except (RuntimeError, ValueError):
            smiles = ""
    return (smiles, "") if smiles else ("", NO_MOLECULE)
