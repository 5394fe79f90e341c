"""Saved comparisons of cells: tables of differential expression, by the content of the data set.

A comparison is a parquet table and a JSON file beside it, ``comparisons/<content hash>/<stem>``:
its name, what was compared, and how.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from core.data.selections import check_name
from core.errors import DataError
from core.settings import Settings, get_settings

FORMAT = 1


@dataclass(frozen=True)
class Comparison:
    """One saved comparison.

    Attributes
    ----------
    group, reference
        What was compared, in words.
    how
        Test and its options, in words.
    created
        ISO time, UTC.
    """

    name: str
    group: str
    reference: str
    how: str
    created: str


def _folder(content_hash: str, settings: Settings) -> Path:
    if not re.fullmatch(r"[0-9a-f]{8,128}", content_hash):
        raise DataError(f"'{content_hash}' is no content hash of a data set.")
    return settings.workspace / "comparisons" / content_hash


def _path(content_hash: str, name: str, settings: Settings) -> Path:
    # Names are people's: files are called by a digest, so that no name reaches the file system.
    stem = hashlib.sha256(name.encode()).hexdigest()[:24]
    return _folder(content_hash, settings) / f"{stem}.json"


def save_comparison(
    content_hash: str,
    name: str,
    table: pd.DataFrame,
    *,
    group: str,
    reference: str,
    how: str,
    settings: Settings | None = None,
) -> Comparison:
    """Save a table under ``name``; a comparison of that name is replaced.

    Raises
    ------
    DataError
        Where the name is empty or too long.
    """
    name = check_name(name)
    path = _path(content_hash, name, settings or get_settings())
    path.parent.mkdir(parents=True, exist_ok=True)
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    comparison = Comparison(name, group, reference, how, created)
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}")
    table.to_parquet(draft, index=False)
    draft.replace(path.with_suffix(".parquet"))
    draft.write_text(json.dumps({"format": FORMAT, **vars(comparison)}), encoding="utf-8")
    draft.replace(path)
    return comparison


def _read(path: Path) -> Comparison | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, Mapping) or found.get("format") != FORMAT:
            return None
        return Comparison(
            **{key: str(found[key]) for key in ("name", "group", "reference", "how", "created")}
        )
    except (OSError, ValueError, KeyError):
        return None


def list_comparisons(content_hash: str, settings: Settings | None = None) -> list[Comparison]:
    """Saved comparisons of a data set, newest first; damaged ones are left out."""
    folder = _folder(content_hash, settings or get_settings())
    if not folder.is_dir():
        return []
    found = [_read(path) for path in folder.glob("[!.]*.json")]
    return sorted((c for c in found if c), key=lambda c: c.created, reverse=True)


def load_comparison(
    content_hash: str, name: str, settings: Settings | None = None
) -> tuple[Comparison, pd.DataFrame]:
    """A saved comparison and its table.

    Raises
    ------
    DataError
        Where there is none of that name, or its files are damaged.
    """
    path = _path(content_hash, name, settings or get_settings())
    if not path.exists():
        raise DataError(f"There is no saved comparison called '{name}' for this data set.")
    comparison = _read(path)
    try:
        table = pd.read_parquet(path.with_suffix(".parquet"))
    except (OSError, ValueError):
        comparison = None
    if comparison is None:
        raise DataError(f"The saved comparison '{name}' is damaged: delete it and compare again.")
    return comparison, table


def delete_comparison(content_hash: str, name: str, settings: Settings | None = None) -> None:
    """Delete a comparison; one that is not there is gone already."""
    path = _path(content_hash, name, settings or get_settings())
    path.unlink(missing_ok=True)
    path.with_suffix(".parquet").unlink(missing_ok=True)
