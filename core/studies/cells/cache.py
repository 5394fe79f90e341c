"""Arrays of a stage under a key made of all that they depend on: content, config, stage."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.settings import Settings
from core.studies.cells.config import CellsConfig

#: Raise when a stage computes something else than before.
FORMAT = 2
PCA, NEIGHBOURS, UMAP, TSNE, LEIDEN = "pca", "neighbours", "umap", "tsne", "leiden"
Arrays = dict[str, np.ndarray]


def stage_keys(content_hash: str, config: CellsConfig) -> dict[str, str]:
    """File stem of every stage that the config asks for, in order of computation."""
    base = {
        "format": FORMAT,
        "data": content_hash,
        "preprocessing": json.loads(config.preprocessing.model_dump_json()),
        "n_pcs": config.n_pcs,
        "scale": config.scale,
        "seed": config.seed,
    }
    neighbours = {**base, "n_neighbors": config.n_neighbors, "metric": config.metric}
    keys = {PCA: _key(PCA, base)}
    if config.umap or config.leiden:
        keys[NEIGHBOURS] = _key(NEIGHBOURS, neighbours)
    if config.umap:
        own = {"min_dist": config.umap_min_dist, "spread": config.umap_spread}
        keys[UMAP] = _key(UMAP, {**neighbours, **own})
    if config.tsne:
        keys[TSNE] = _key(TSNE, {**base, "perplexity": config.tsne_perplexity})
    if config.leiden:
        keys[LEIDEN] = _key(LEIDEN, {**neighbours, "resolution": config.leiden_resolution})
    return keys


def _key(stage: str, of: Mapping[str, Any]) -> str:
    text = json.dumps(of, sort_keys=True)
    return f"{stage}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class StageCache:
    """Stages kept in the workspace's cache, each one ``.npz`` without pickles."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.workspace / "cache" / "cells"

    def path(self, key: str) -> Path:
        """File of a stage."""
        return self.folder / f"{key}.npz"

    def has(self, key: str) -> bool:
        """Whether a stage is there."""
        return self.path(key).exists()

    def read(self, key: str) -> Arrays | None:
        """Arrays of a stage; ``None`` where it is missing or damaged."""
        return read_arrays(self.path(key))

    def get(self, key: str, make: Callable[[], Arrays]) -> tuple[Arrays, bool]:
        """Arrays of a stage, and whether they had to be made."""
        found = self.read(key)
        if found is not None:
            return found, False
        arrays = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{uuid.uuid4().hex}.npz"
        try:
            with part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            part.replace(self.path(key))
        finally:
            part.unlink(missing_ok=True)
        return arrays, True

    def copy_to(self, key: str, target: Path) -> None:
        """Give a run its own copy, as a link where the disk allows it."""
        target.unlink(missing_ok=True)
        try:
            os.link(self.path(key), target)
        except OSError:
            shutil.copyfile(self.path(key), target)


def read_arrays(path: Path) -> Arrays | None:
    """Arrays of an ``.npz`` file; ``None`` where it is missing or damaged."""
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
