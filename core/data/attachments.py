"""What was computed for a stored data set and lies beside it: coordinates and groups of cells.

The stored file is never rewritten: arrays go into the folder ``embeddings`` of the data set, and
:func:`core.data.load_cells` adds them to ``obsm`` and ``obs``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.data import store
from core.errors import DataError
from core.settings import Settings, get_settings

if TYPE_CHECKING:
    from anndata import AnnData

FOLDER, INDEX = "embeddings", "index.json"
#: Added to a key that the stored file has already: what came with the data is not hidden.
SUFFIX = "_computed"


def attach(
    id: str,
    content_hash: str,
    obsm: Mapping[str, np.ndarray],
    groups: Mapping[str, np.ndarray],
    *,
    about: Mapping[str, Any],
    settings: Settings | None = None,
) -> None:
    """Put coordinates and groups beside a stored data set; a key replaces its former array.

    Parameters
    ----------
    content_hash
        Of the cells that were computed on; what belongs to other content is dropped.
    obsm
        Key to float array ``(n_cells, n_dims)``.
    groups
        Name of an ``obs`` column to int array ``(n_cells,)``.
    about
        How they were made, as JSON.

    Raises
    ------
    DataError
        Where the data set is gone or has changed meanwhile.
    """
    settings = settings or get_settings()
    home = store.folder_of(id, settings)
    meta = store.read_meta(home)
    if meta is None or meta.get("content_hash") != content_hash:
        raise DataError(f"The data set '{id}' has changed meanwhile: compute its embedding again.")
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    index = _index(home, content_hash)
    for kind, arrays in (("obsm", obsm), ("obs", groups)):
        for key, values in arrays.items():
            array = np.asarray(values, dtype=np.float32 if kind == "obsm" else np.int32)
            if len(array) != meta["n_rows"]:
                raise DataError(
                    f"'{key}' has {len(array):,} rows, '{id}' {meta['n_rows']:,} cells."
                )
            name = f"{uuid.uuid4().hex}.npy"
            np.save(folder / name, array, allow_pickle=False)
            index[kind][key] = {"file": name, "about": dict(about)}
    part = folder / f".{uuid.uuid4().hex}.part"
    part.write_text(json.dumps({**index, "content_hash": content_hash}), encoding="utf-8")
    part.replace(folder / INDEX)
    used = {entry["file"] for kind in ("obsm", "obs") for entry in index[kind].values()}
    for old in folder.glob("*.npy"):
        if old.name not in used:
            old.unlink(missing_ok=True)


def _index(home: Path, content_hash: str | None) -> dict[str, Any]:
    try:
        index = json.loads((home / FOLDER / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"obsm": {}, "obs": {}}
    if index.get("content_hash") != content_hash:
        return {"obsm": {}, "obs": {}}
    return {kind: dict(index.get(kind, {})) for kind in ("obsm", "obs")}


def stamp(id: str, settings: Settings | None = None) -> str:
    """A text that changes whenever something is attached: part of the key of caches of cells."""
    path = store.folder_of(id, settings or get_settings()) / FOLDER / INDEX
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return ""


def attached(id: str, settings: Settings | None = None) -> dict[str, dict[str, Any]]:
    """What is attached: ``{"obsm": {key: about}, "obs": {name: about}}``."""
    home = store.folder_of(id, settings or get_settings())
    meta = store.read_meta(home) or {}
    index = _index(home, meta.get("content_hash"))
    return {kind: {key: entry["about"] for key, entry in index[kind].items()} for kind in index}


def add_attached(cells: AnnData, id: str, settings: Settings | None = None) -> AnnData:
    """Add what is attached to ``cells`` (in memory or backed), in place; returns them."""
    home = store.folder_of(id, settings or get_settings())
    meta = store.read_meta(home) or {}
    index = _index(home, meta.get("content_hash"))
    for kind in ("obsm", "obs"):
        for key, entry in index[kind].items():
            try:
                path = home / FOLDER / Path(str(entry["file"])).name
                values: Any = np.load(path, allow_pickle=False)
            except (OSError, ValueError):
                continue  # swept by a newer computation: the next opening has that one
            if len(values) != cells.n_obs:
                continue
            if kind == "obsm":
                cells.obsm[key if key not in cells.obsm else key + SUFFIX] = values
            else:
                name = key if key not in cells.obs else key + SUFFIX
                groups = [str(group) for group in range(int(values.max(initial=-1)) + 1)]
                words = pd.Categorical.from_codes(values, categories=pd.Index(groups))
                cells.obs[name] = words
    return cells
