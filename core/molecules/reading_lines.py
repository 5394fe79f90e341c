"""Lines of a text file of any size: gzip, byte-order mark, bounded lines, honest ends."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from core.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
#: A longer line is cut here; what is left of it is far beyond the longest SMILES that is read.
MAX_LINE = 2**18
#: Bytes that are read at once; not more than a line may have.
BLOCK = MAX_LINE
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def is_gzipped(path: Path) -> bool:
    """Whether the file begins as gzip does, whatever its name says.

    Raises
    ------
    DataError
        Where the file does not exist or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP_MAGIC
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"The file {path.name} cannot be opened: {reason}.") from None


def read_lines(path: Path) -> Iterator[str]:
    """Lines without their ends, one at a time; see :func:`read_line_blocks`."""
    for lines in read_line_blocks(path):
        yield from lines


def read_line_blocks(path: Path) -> Iterator[list[str]]:
    """Lines without their ends, many at a time; one is never longer than :data:`MAX_LINE`.

    Bytes that are no UTF-8 become U+FFFD, so that the row is refused with a reason instead of
    ending the whole file.

    Raises
    ------
    DataError
        Where the file is empty, UTF-16, or its gzip stream is damaged or cut short; the last
        case names how many lines were read before.
    """
    gzipped = is_gzipped(path)
    n = 0
    try:
        with gzip.open(path, "rb") if gzipped else path.open("rb") as raw:
            for lines in _bounded(cast(BufferedIOBase, raw)):
                if n == 0:
                    lines[0] = _without_mark(lines[0], path)
                n += len(lines)
                text = b"\n".join(lines).decode("utf-8", errors="replace")
                found = text.split("\n")
                yield [line.rstrip("\r") for line in found] if "\r" in text else found
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(
            f"The gzip file {path.name} is cut short or damaged after line {n:,}: "
            "compress or upload it again."
        ) from None
    if n == 0:
        raise DataError(f"The file {path.name} is empty.")


def _bounded(raw: BufferedIOBase) -> Iterator[list[bytes]]:
    """Lines of one block after the other; the end of a line that is too long is let go."""
    open_line = b""
    while block := raw.read1(BLOCK):
        lines = block.split(b"\n")
        lines[0] = (open_line + lines[0])[:MAX_LINE]
        open_line = lines.pop()
        if lines:
            yield lines
    if open_line:
        yield [open_line]


def _without_mark(line: bytes, path: Path) -> bytes:
    if line.startswith(_UTF16):
        raise DataError(f"The file {path.name} is UTF-16 text: save it as UTF-8.")
    if b"\0" in line:
        raise DataError(f"The file {path.name} is no text file.")
    return line.removeprefix(BOM)


def has_mark(path: Path) -> bool:
    """Whether the text begins with a UTF-8 byte-order mark."""
    try:
        with gzip.open(path, "rb") if is_gzipped(path) else path.open("rb") as raw:
            return raw.read(3) == BOM
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
