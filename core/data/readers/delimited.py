"""CSV, TSV and their relatives: any usual separator, gzip, byte-order mark, decimal comma."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from core.data.faults import first_line
from core.errors import DataError

SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
GZIP_MAGIC = b"\x1f\x8b"
DECIMAL_COMMA = re.compile(r'(?:^|[;\t|])"?-?\d+,\d+"?(?=[;\t|]|$)')
#: Header lines may be very long: 20,000 genes are about 200 kB.
MAX_LINE = 64 * 2**20


@dataclass(frozen=True)
class Dialect:
    """How a delimited text file is written."""

    separator: str
    decimal: str
    encoding: str
    gzipped: bool
    header: tuple[str, ...]

    def words(self) -> str:
        """One sentence for the user."""
        extra = ", with decimal commas" if self.decimal == "," else ""
        packed = ", gzipped" if self.gzipped else ""
        return f"Columns are separated by {SEPARATORS[self.separator]}{extra}{packed}."


def _open(path: Path, gzipped: bool) -> Any:
    return gzip.open(path, "rb") if gzipped else path.open("rb")


def detect(path: Path) -> Dialect:
    """How the file is written, from its first lines.

    Raises
    ------
    DataError
        Where it is empty, cut short, or no text.
    """
    with path.open("rb") as file:
        gzipped = file.read(2) == GZIP_MAGIC
    try:
        with _open(path, gzipped) as file:
            first = file.readline(MAX_LINE)
            second = file.readline(MAX_LINE)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"The file {path.name} is cut short or damaged: {first_line(error)}."
        ) from error
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"The file {path.name} is UTF-16 text: save it as UTF-8.")
    if b"\0" in first:
        raise DataError(f"The file {path.name} is no text file.")
    if not first.strip():
        raise DataError(f"The file {path.name} is empty.")
    encoding = "utf-8-sig"
    try:
        header = first.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
        header = first.decode(encoding)
    outside = re.sub(r'"[^"]*"', "", header)
    separator = max(SEPARATORS, key=outside.count)
    if outside.count(separator) == 0:
        separator = ","
    row = second.decode(encoding, errors="replace").rstrip("\r\n")
    decimal = "," if separator != "," and DECIMAL_COMMA.search(row) else "."
    csv.field_size_limit(MAX_LINE)
    try:
        names = [name.strip() for name in _fields(header.rstrip("\r\n"), separator)]
        fields = _fields(row, separator)
    except csv.Error as error:
        raise DataError(
            f"The first lines of {path.name} cannot be told apart: a carriage return stands inside "
            "one. Save the file with Unix or Windows line ends."
        ) from error
    if len(fields) == len(names) + 1 and fields[-1]:
        names = ["", *names]  # R's write.table leaves the name of the row names out
    elif len(fields) > len(names):
        raise DataError(
            f"Line 2 of {path.name} has {len(fields)} fields where the header has {len(names)}."
        )
    return Dialect(separator, decimal, encoding, gzipped, tuple(names))


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _refuse_lone_returns(path: Path, gzipped: bool) -> None:
    """Carriage returns inside lines make pandas' parser crash, or eat all memory."""
    before = b""
    with gzip.open(path, "rb") if gzipped else path.open("rb") as file:
        while block := file.read(1 << 20):
            text = before + block
            # One at the very end may still be followed by its line feed.
            before = b"\r" if text.endswith(b"\r") else b""
            if text.count(b"\r") - len(before) > text.count(b"\r\n"):
                raise DataError(
                    f"The file {path.name} has carriage returns inside its lines: save it with "
                    "Unix or Windows line ends."
                )


def read_delimited(path: Path) -> tuple[pd.DataFrame, Dialect]:
    """The whole table, its columns named as in the file (duplicates are kept as they are).

    Raises
    ------
    DataError
        Where the file is empty, cut short, or a line has more fields than the header.
    """
    dialect = detect(path)
    try:
        _refuse_lone_returns(path, dialect.gzipped)
        frame = pd.read_csv(
            path,
            sep=dialect.separator,
            decimal=dialect.decimal,
            encoding=dialect.encoding,
            compression="gzip" if dialect.gzipped else None,
            header=None,
            skiprows=1,
            names=range(len(dialect.header)),
            index_col=False,
            low_memory=False,
            on_bad_lines="error",
            float_precision="high",
        )
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame(columns=range(len(dialect.header)))
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found:
            expected, line, saw = found.groups()
            raise DataError(
                f"Line {line} of {path.name} has {saw} fields where the header has {expected}."
            ) from error
        raise DataError(
            f"The file {path.name} cannot be read as a table: {first_line(error)}."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"The file {path.name} is not UTF-8 text (byte {error.start:,}): save it as UTF-8."
        ) from error
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"The file {path.name} is cut short or damaged: {first_line(error)}."
        ) from error
    frame.columns = pd.Index(dialect.header)
    return frame, dialect
