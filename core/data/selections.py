"""Named selections of cells, kept in the workspace by the content of their data set.

A selection is one JSON file, ``selections/<content hash>/<stem>.json``: its name, how it was made
in words, and its members as packed bits. Because the content hash covers the cells' names and
order, a selection fits every copy of the same data and no other data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DataError
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from anndata import AnnData

    from core.data.workspace import DataSetStatus

FORMAT = 1
MAX_NAME = 80


@dataclass(frozen=True)
class Selection:
    """One saved selection.

    Attributes
    ----------
    n_selected, n_cells
        Cells in it, and cells of the data set.
    how
        How it was made, in words.
    created
        ISO time, UTC.
    """

    name: str
    n_selected: int
    n_cells: int
    how: str
    created: str


def _folder(content_hash: str, settings: Settings) -> Path:
    if not re.fullmatch(r"[0-9a-f]{8,128}", content_hash):
        raise DataError(f"'{content_hash}' is no content hash of a data set.")
    return settings.workspace / "selections" / content_hash


def check_name(name: str) -> str:
    """``name`` without blanks around it, or what is wrong with it."""
    tidy = " ".join(str(name).split())
    if not tidy:
        raise DataError("A selection needs a name.")
    if len(tidy) > MAX_NAME or not tidy.isprintable():
        raise DataError(f"A selection's name has at most {MAX_NAME} printable characters.")
    return tidy


def _path(content_hash: str, name: str, settings: Settings) -> Path:
    # Names are people's: the file is called by a digest, so that no name reaches the file system.
    stem = hashlib.sha256(name.encode()).hexdigest()[:24]
    return _folder(content_hash, settings) / f"{stem}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def _selection(found: dict[str, Any]) -> Selection:
    return Selection(
        str(found["name"]),
        int(found["n_selected"]),
        int(found["n_cells"]),
        str(found["how"]),
        str(found["created"]),
    )


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(path)


def list_selections(content_hash: str, settings: Settings | None = None) -> list[Selection]:
    """Saved selections of a data set, oldest first; damaged files are left out."""
    folder = _folder(content_hash, settings or get_settings())
    if not folder.is_dir():
        return []
    found = [_read(path) for path in folder.glob("[!.]*.json")]
    return sorted((_selection(f) for f in found if f), key=lambda s: (s.created, s.name))


def save_selection(
    content_hash: str,
    name: str,
    mask: np.ndarray,
    *,
    how: str = "",
    replace: bool = False,
    settings: Settings | None = None,
) -> Selection:
    """Save ``mask`` under ``name``.

    Parameters
    ----------
    content_hash
        Of the data set, as :class:`core.data.DataSetStatus` has it.
    mask
        Boolean, ``(n_cells,)``.
    how
        How it was made, in words.
    replace
        Whether a selection of that name may be replaced.

    Raises
    ------
    DataError
        Where the name is empty, too long or taken, or no cell is selected.
    """
    settings = settings or get_settings()
    name = check_name(name)
    mask = np.asarray(mask, dtype=bool)
    if not mask.any():
        raise DataError(f"The selection '{name}' would hold no cell.")
    path = _path(content_hash, name, settings)
    if path.exists() and not replace:
        raise DataError(f"There is a selection '{name}' already: choose another name.")
    packed = zlib.compress(np.packbits(mask).tobytes(), 6)
    content = {
        "format": FORMAT,
        "name": name,
        "n_selected": int(mask.sum()),
        "n_cells": len(mask),
        "how": how,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "members": base64.b64encode(packed).decode("ascii"),
    }
    _write(path, content)
    return _selection(content)


def load_selection(
    content_hash: str, name: str, settings: Settings | None = None
) -> tuple[Selection, np.ndarray]:
    """A saved selection and its members, boolean ``(n_cells,)``.

    Raises
    ------
    DataError
        Where there is none of that name, or its file is damaged.
    """
    settings = settings or get_settings()
    path = _path(content_hash, name, settings)
    found = _read(path)
    if found is None:
        if path.exists():
            raise _damaged(name)
        raise DataError(f"There is no selection called '{name}' for this data set.")
    try:
        selection = _selection(found)
        n = selection.n_cells
        size = (n + 7) // 8
        inflate = zlib.decompressobj()
        packed = inflate.decompress(base64.b64decode(found["members"], validate=True), size + 1)
        if len(packed) != size:
            raise ValueError("length")
        mask = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n).astype(bool)
    except (KeyError, TypeError, ValueError, zlib.error):
        raise _damaged(name) from None
    if int(mask.sum()) != selection.n_selected:
        raise _damaged(name)
    return selection, mask


def _damaged(name: str) -> DataError:
    return DataError(f"The selection '{name}' is damaged: delete it and select again.")


def rename_selection(
    content_hash: str, old: str, new: str, settings: Settings | None = None
) -> Selection:
    """Give a selection another name; its place in the list stays.

    Raises
    ------
    DataError
        Where there is no ``old``, or ``new`` is taken.
    """
    settings = settings or get_settings()
    new = check_name(new)
    load_selection(content_hash, old, settings)
    source, target = _path(content_hash, old, settings), _path(content_hash, new, settings)
    if source == target:
        return load_selection(content_hash, old, settings)[0]
    if target.exists():
        raise DataError(f"There is a selection '{new}' already: choose another name.")
    content = {**(_read(source) or {}), "name": new}
    _write(target, content)
    source.unlink(missing_ok=True)
    return _selection(content)


def delete_selection(content_hash: str, name: str, settings: Settings | None = None) -> None:
    """Delete a selection.

    Raises
    ------
    DataError
        Where there is none of that name.
    """
    path = _path(content_hash, name, settings or get_settings())
    try:
        path.unlink()
    except FileNotFoundError:
        raise DataError(f"There is no selection called '{name}' for this data set.") from None


def save_as_dataset(
    status: DataSetStatus,
    cells: AnnData,
    mask: np.ndarray,
    *,
    id: str,
    label: str,
    how: str = "",
    settings: Settings | None = None,
) -> DataSetStatus:
    """Store the selected cells as a data set of their own, for every panel.

    Parameters
    ----------
    status
        Of the data set that ``cells`` are; licence, citation and origin travel along.
    mask
        Boolean, ``(n_cells,)``.
    id, label
        Of the new data set.

    Raises
    ------
    DataError
        Where the id is taken or unusable, or no cell is selected.
    """
    from core.data import store
    from core.data.cells import validate_cells
    from core.data.registry import DATASETS
    from core.data.workspace import status_of

    settings = settings or get_settings()
    mask = np.asarray(mask, dtype=bool)
    if not mask.any():
        raise DataError("No cell is selected, so there is nothing to save as a data set.")
    if store.check_id(id) in {*DATASETS.names(), *store.stored(settings)}:
        raise DataError(f"There is a data set '{id}' already: choose another id.")
    part = subset(cells, mask)
    organism = None if status.organism == "unknown" else status.organism
    found = validate_cells(part, organism=organism)
    from core.data.cells import cells_hash

    meta = {
        "label": label or id,
        "organism": found.organism,
        "source": f"{status.n_rows or len(mask):,} cells of '{status.id}', of which "
        f"{int(mask.sum()):,} were selected" + (f": {how}" if how else ""),
        "licence": status.licence,
        "citation": status.citation,
        "homepage": status.homepage,
        "note": status.note,
        "simulated": status.simulated,
        "values": found.values,
        "identifiers": found.identifiers,
        "warnings": found.warnings,
        "understood": found.understood,
        "content_hash": cells_hash(found.cells),
    }
    return status_of(id, store.write_cells(id, found.cells, settings, meta))


def subset(cells: AnnData, mask: np.ndarray) -> AnnData:
    """The selected cells as an AnnData of their own, in memory; ``cells`` may be backed."""
    part = cells[np.flatnonzero(mask)]
    return part.to_memory() if cells.isbacked else part.copy()
