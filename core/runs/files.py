"""Small files that several processes read and write at once: whole, or not at all."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

_REPLACE_TRIES = 5


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no file, or no object in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def write_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(temporary, flags, mode or 0o644), "w", encoding="utf-8") as file:
        file.write(text)
    for attempt in range(_REPLACE_TRIES):
        try:
            temporary.replace(path)
            return
        except PermissionError:  # Windows: another process is reading it at this moment
            if attempt == _REPLACE_TRIES - 1:
                temporary.unlink(missing_ok=True)
                raise
            time.sleep(0.05)


def write_json(path: Path, value: dict[str, Any], *, mode: int | None = None) -> None:
    """Write an object as JSON, in one step for readers."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False), mode=mode)


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one record to a file of JSON lines.

    A process that was killed in mid-write leaves half a line; the next record starts a new one,
    so that only the half is lost.
    """
    line = json.dumps(record, ensure_ascii=False) + "\n"
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode("utf-8"))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Records of a file of JSON lines; a line that is not a whole record is passed over."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records
