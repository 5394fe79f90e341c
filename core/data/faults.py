"""Faults of a table, each one sentence that names its row and column."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import DataError


class InvalidTableError(DataError):
    """A table with one or more faults.

    Attributes
    ----------
    faults
        Every fault found, one sentence each; the message is the first, with the count of others.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        more = len(self.faults) - 1
        also = f" ({more} more fault{'s' if more > 1 else ''} found.)" if more else ""
        super().__init__(self.faults[0] + also)


def listing(items: Sequence[object], most: int = 5) -> str:
    """``"a, b and 3 more"``."""
    shown = [str(item) for item in items[:most]]
    if len(items) > most:
        return f"{', '.join(shown)} and {len(items) - most:,} more"
    return ", ".join(shown[:-1]) + f" and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def count(n: int, noun: str, plural: str | None = None) -> str:
    """``"1 row"``, ``"1,170 rows"``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text in printable ASCII, without its full stop."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text.encode("ascii", "backslashreplace").decode().rstrip(".")
