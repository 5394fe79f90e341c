"""Rows of a file of molecules in blocks: cut off raw by one process, understood by another.

Cutting a file into blocks of rows is quick; splitting fields, cleaning names and reading SD records
takes longer, and can be done wherever the block is worked on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.molecules import reading_columns as columns_of
from core.molecules import reading_sdf as sdf
from core.molecules.parse import clean_name, split_name
from core.molecules.reading_lines import read_line_blocks

TITLE = "title"


@dataclass(frozen=True)
class Layout:
    """How a row's texts are found in it.

    Attributes
    ----------
    separator
        Of a table; a space for lines "SMILES name"; empty for SD records.
    columns
        Column names.
    smiles, naming
        Column of structures, and of identifiers or None. In an SD file ``smiles`` is not used,
        and ``naming`` is a data field or the title.
    header
        Whether the first line that is not blank names the columns.
    """

    separator: str
    columns: tuple[str, ...]
    smiles: str
    naming: str | None
    header: bool

    def texts(self, row: str) -> tuple[str, str, str]:
        """Name, SMILES and fault of one raw row; the fault is empty for a usable one."""
        if not self.separator:
            return self._of_record(row)
        if self.separator == " " and self.smiles == self.columns[0] != self.naming:
            return self._of_smiles(row)
        return self._of_line(row)

    def _of_smiles(self, line: str) -> tuple[str, str, str]:
        """As :meth:`_of_line`, of a line "SMILES name"."""
        text, name = split_name(line)
        if name and len(self.columns) == 1:
            return "", text, "The row has 2 fields where the table has 1 columns."
        return name if self.naming is not None else "", text, ""

    def _of_line(self, line: str) -> tuple[str, str, str]:
        cells = cells_of(line, self.separator)
        width, at = len(self.columns), self.columns.index(self.smiles)
        named = self.columns.index(self.naming) if self.naming is not None else width
        fault = ""
        if len(cells) > width:
            fault = f"The row has {len(cells)} fields where the table has {width} columns."
        elif len(cells) <= at:
            fault = f"The row has {len(cells)} fields and ends before the column '{self.smiles}'."
        text = cells[at] if at < len(cells) else line.strip()
        name = cells[named] if named < len(cells) else ""
        return clean_name(name), text, fault

    def _of_record(self, row: str) -> tuple[str, str, str]:
        record = row.split("\n")
        if not row.strip():
            return "", "", "The record is empty."
        smiles, fault = sdf.smiles_of(record)
        given = sdf.tags(record).get(self.naming, "") if self.naming not in {None, TITLE} else ""
        return clean_name(given) or sdf.title(record), smiles, fault


@dataclass(frozen=True)
class Block:
    """Consecutive rows as they are in the file.

    Attributes
    ----------
    start
        Number of the first row; 1 is the first row of the file, blank lines do not count.
    rows
        Lines, or whole SD records.
    layout
        How they are understood.
    """

    start: int
    rows: list[str]
    layout: Layout

    def __len__(self) -> int:
        return len(self.rows)

    def texts(self) -> tuple[list[str], list[str], list[str]]:
        """Identifiers, SMILES and faults of the rows; a row without a name is called by its number."""
        found = [self.layout.texts(row) for row in self.rows]
        ids = [name or f"row {n}" for n, (name, _, _) in enumerate(found, self.start)]
        return ids, [text for _, text, _ in found], [fault for _, _, fault in found]

    def frame(self) -> pd.DataFrame:
        """Columns ``row, id, smiles, fault``; see :func:`core.molecules.reading.read_molecules`."""
        ids, texts, faults = self.texts()
        numbers = pd.Series(range(self.start, self.start + len(self)), dtype="int64")
        return pd.DataFrame({"row": numbers, "id": ids, "smiles": texts, "fault": faults})


def cells_of(line: str, separator: str) -> list[str]:
    """Fields of one line without the space around them."""
    if separator == " ":
        return [part for part in split_name(line) if part]
    return [cell.strip() for cell in columns_of.split(line, separator)]


def filled(lines: list[str]) -> list[str]:
    """Lines that are not blank."""
    return [line for line in lines if line and not line.isspace()]


def blocks(path: Path, layout: Layout, size: int) -> Iterator[Block]:
    """Blocks of ``size`` rows, the last one shorter; the file is never whole in memory."""
    start, rows = 1, []
    for more in _rows(path, layout):
        rows += more
        while len(rows) >= size:
            yield Block(start, rows[:size], layout)
            start, rows = start + size, rows[size:]
    if rows:
        yield Block(start, rows, layout)


def _rows(path: Path, layout: Layout) -> Iterator[list[str]]:
    if not layout.separator:
        for record in sdf.read_records(path):
            yield ["\n".join(record)]
        return
    skip = layout.header
    for lines in read_line_blocks(path):
        found = filled(lines)
        if skip and found:
            found, skip = found[1:], False
        yield found
