"""Molecules out of files of any size: CSV, TSV, SMI and SDF, gzipped or not.

Rows are streamed, in chunks of a few thousand, and every row comes out: one without a usable
text carries the reason in its column ``fault``. Chemistry is judged later, by
:mod:`core.molecules.parse`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pandas as pd

from core.errors import DataError
from core.molecules import reading_columns as columns_of
from core.molecules import reading_sdf as sdf
from core.molecules.parse import clean_name
from core.molecules.reading_blocks import Block, Layout, blocks, cells_of, filled
from core.molecules.reading_lines import has_mark, is_gzipped, read_lines

CSV, TSV, SMI, SDF = "csv", "tsv", "smi", "sdf"
CHUNK = 5_000
SHOWN_ROWS = 20
_SAMPLED = 200
_WORDS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
_KINDS = {
    ".sdf": SDF,
    ".sd": SDF,
    ".mol": SDF,
    ".smi": SMI,
    ".smiles": SMI,
    ".ism": SMI,
}


@dataclass(frozen=True)
class FilePreview:
    """What a file of molecules looks like, from its first rows.

    Attributes
    ----------
    kind
        ``csv``, ``tsv``, ``smi`` or ``sdf``.
    separator
        Of a table; a space for ``smi``, empty for ``sdf``.
    columns
        Column names (data fields of an SD file); made up where the file has no header.
    smiles_column, id_column, name_column
        Guesses, None where there is none.
    n_rows
        Rows: exact where ``exact``, else an estimate from the file's size.
    rows
        The first rows, as text.
    """

    path: Path
    kind: str
    gzipped: bool
    byte_order_mark: bool
    separator: str
    header: bool
    columns: tuple[str, ...]
    smiles_column: str | None
    id_column: str | None
    name_column: str | None
    n_rows: int
    exact: bool
    rows: pd.DataFrame = field(repr=False)

    def words(self) -> str:
        """One sentence for the user on how the file was understood."""
        about = "about " if not self.exact else ""
        packed = ", gzipped" if self.gzipped else ""
        how = {SMI: "SMILES lines", SDF: "SD records"}.get(
            self.kind, f"a table separated by {_WORDS.get(self.separator, 'commas')}"
        )
        return f"Read as {how}{packed}: {about}{self.n_rows:,} rows."


def preview(path: Path) -> FilePreview:
    """How a file will be read; only its beginning is looked at.

    Raises
    ------
    DataError
        Where the file is missing, empty, no text, or damaged within its first lines.
    """
    path = Path(path)
    lines = list(islice(read_lines(path), 4 * _SAMPLED))
    kind = _kind(path, lines)
    if kind == SDF:
        return _preview_sdf(path)
    first = filled(lines[:_SAMPLED])
    if not first:
        raise DataError(f"The file {path.name} holds nothing but blank lines.")
    separator = " " if kind == SMI else columns_of.guess_separator(first)
    kind = TSV if separator == "\t" and kind != SMI else kind
    cells = [cells_of(line, separator) for line in first]
    if kind == SMI:
        header = columns_of.has_known_name(cells[0][:1])
    else:
        header = columns_of.is_header(cells[0])
    width = len(cells[0]) if header else max(map(len, cells))
    names = _unique(cells[0], width) if header else _unnamed(width, kind)
    rows = cells[1:] if header else cells
    if kind == SMI and not header:
        smiles, id_column, name = _first_two(names)
    else:
        smiles, id_column, name = columns_of.guess_columns(names, rows)
    n, exact = _count(path, lines, 4 * _SAMPLED, header)
    shown = [row[:width] + [""] * (width - len(row)) for row in rows[:SHOWN_ROWS]]
    return FilePreview(
        path,
        kind,
        is_gzipped(path),
        has_mark(path),
        separator,
        header,
        tuple(names),
        smiles,
        id_column,
        name,
        n,
        exact,
        pd.DataFrame(shown, columns=names, dtype=str),
    )


def read_molecules(
    path: Path,
    smiles_column: str | None = None,
    id_column: str | None = None,
    *,
    chunk_size: int = CHUNK,
) -> Iterator[pd.DataFrame]:
    """Rows of a file in chunks, never whole in memory.

    Parameters
    ----------
    smiles_column, id_column
        Default: as :func:`preview` guesses; identifiers fall back to names, then to row numbers.
    chunk_size
        Rows a chunk.

    Yields
    ------
    DataFrame
        ``row`` (1 is the first row after the header; blank lines do not count), ``id``,
        ``smiles`` (as given; written by RDKit for SD records) and ``fault``: empty, or one
        sentence on why the row has no usable text.

    Raises
    ------
    DataError
        Where the file cannot be read to its end, or a column does not exist.
    """
    for block in read_blocks(path, smiles_column, id_column, size=chunk_size):
        yield block.frame()


def read_blocks(
    path: Path,
    smiles_column: str | None = None,
    id_column: str | None = None,
    *,
    size: int = CHUNK,
) -> Iterator[Block]:
    """As :func:`read_molecules`, the rows raw: :meth:`Block.frame` makes the chunk."""
    path = Path(path)
    yield from blocks(path, _layout(preview(path), smiles_column, id_column), size)


def _layout(about: FilePreview, smiles_column: str | None, id_column: str | None) -> Layout:
    if about.kind == SDF:
        naming = _chosen(about, id_column, "id")
        return Layout("", about.columns, "", naming, False)
    smiles = _chosen(about, smiles_column or about.smiles_column, "structure")
    if smiles is None:
        names = ", ".join(about.columns[:12])
        raise DataError(
            f"No column of {about.path.name} holds structures as far as can be seen "
            f"({names}); choose the column of SMILES."
        )
    naming = _chosen(about, id_column or about.id_column or about.name_column, "id")
    return Layout(about.separator, about.columns, smiles, naming, about.header)


def parse_text(text: str) -> pd.DataFrame:
    """Rows of pasted text: a SMILES a line with an optional name, or a small table.

    Returns
    -------
    DataFrame
        As the chunks of :func:`read_molecules`; empty for blank text.
    """
    lines = filled(text.removeprefix("\ufeff").splitlines())
    if not lines:
        return Block(1, [], Layout(" ", ("SMILES", "name"), "SMILES", "name", False)).frame()
    separator = columns_of.guess_separator(lines[:_SAMPLED])
    if separator not in lines[0] or len(columns_of.split(lines[0], separator)) < 2:
        header = columns_of.has_known_name(lines[0].split()[:1])
        layout = Layout(" ", ("SMILES", "name"), "SMILES", "name", header)
    else:
        cells = [columns_of.split(line, separator) for line in lines]
        header = columns_of.is_header(cells[0])
        width = len(cells[0]) if header else max(map(len, cells))
        names = _unique(cells[0], width) if header else _unnamed(width, CSV)
        smiles, id_column, name = columns_of.guess_columns(names, cells[1:] if header else cells)
        smiles = smiles or names[0]
        naming = id_column or name or (next((n for n in names if n != smiles), None))
        layout = Layout(separator, tuple(names), smiles, naming, header)
    return Block(1, lines[layout.header :], layout).frame()


def _kind(path: Path, lines: list[str]) -> str:
    name = path.name.lower().removesuffix(".gz")
    suffix = "." + name.rpartition(".")[2] if "." in name else ""
    if suffix in _KINDS:
        return _KINDS[suffix]
    if suffix in {".csv", ".tsv", ".tab"}:
        return CSV
    if any(line.startswith("M  END") for line in lines):
        return SDF
    # A .txt: lines "SMILES name", unless a separator of tables is there.
    first = next((line for line in lines if line.strip()), "")
    return CSV if any(separator in first for separator in columns_of.SEPARATORS) else SMI


def _first_two(names: list[str]) -> tuple[str | None, str | None, str | None]:
    return names[0], names[1] if len(names) > 1 else None, None


def _unique(cells: list[str], width: int) -> list[str]:
    """Column names, none empty, none twice, one for each of ``width`` columns."""
    names: list[str] = []
    for position in range(width):
        given = clean_name(cells[position]) if position < len(cells) else ""
        name = given or f"column {position + 1}"
        while name in names:
            name = f"{name} ({position + 1})"
        names.append(name)
    return names


def _unnamed(width: int, kind: str) -> list[str]:
    if kind == SMI:
        return ["SMILES", "name"][:width]
    return [f"column {position + 1}" for position in range(width)]


def _count(path: Path, lines: list[str], limit: int, header: bool) -> tuple[int, bool]:
    n = len(filled(lines)) - header
    if len(lines) < limit:
        return max(n, 0), True
    if not is_gzipped(path):
        return max(n, _line_ends(path) - header), False  # some of the lines may be blank
    read = sum(len(line.encode("utf-8", errors="replace")) + 1 for line in lines)
    size = path.stat().st_size * 3  # SMILES tables pack about 3 : 1
    return max(n, int(size * len(lines) / max(read, 1))), False


def _line_ends(path: Path) -> int:
    """Lines of a file, counted without decoding: a tenth of a second a hundred megabytes."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _preview_sdf(path: Path) -> FilePreview:
    records = list(islice(sdf.read_records(path), _SAMPLED))
    if not records:
        raise DataError(f"The file {path.name} holds no record.")
    fields = dict.fromkeys(tag for record in records for tag in sdf.tags(record))
    shown = []
    for record in records[:SHOWN_ROWS]:
        smiles, _ = sdf.smiles_of(record)
        shown.append({"title": sdf.title(record), "SMILES": smiles, **sdf.tags(record)})
    read = sum(len(line) + 1 for record in records for line in record)
    exact = len(records) < _SAMPLED
    size = path.stat().st_size * (5 if is_gzipped(path) else 1)
    n = len(records) if exact else max(len(records), int(size * len(records) / max(read, 1)))
    names = ["title", *fields]
    _, id_column, name = columns_of.guess_columns(names, [])
    return FilePreview(
        path,
        SDF,
        is_gzipped(path),
        has_mark(path),
        "",
        True,
        tuple(names),
        None,
        id_column,
        name or "title",
        n,
        exact,
        pd.DataFrame(shown, columns=["title", "SMILES", *fields]).fillna("").astype(str),
    )


def _chosen(about: FilePreview, column: str | None, what: str) -> str | None:
    if column is not None and column not in about.columns:
        raise DataError(
            f"The file {about.path.name} has no {what} column '{column}'; it has: "
            f"{', '.join(about.columns[:12])}."
        )
    return column
