"""Where an integration keeps what, inside its run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.errors import RunError
from core.studies.perturbation.files import read_array, read_json, write_array, write_json

PLAN, SUMMARY = "integration.json", "summary.json"
CELLS, GENES, SCORES = "cells.parquet", "genes.parquet", "scores.parquet"
COUNTS, LOG = "counts.npz", "log.npz"
METHODS, DRAWS = "methods", "draws"
DONE, EMBEDDING, UMAP, CLUSTERS = "done.json", "embedding.npy", "umap.npy", "clusters.npy"
CONNECTIVITIES, CORRECTED = "connectivities.npz", "corrected.npy"
SWEEP, CELL_TYPES, BATCHES = "sweep.parquet", "cell_types.parquet", "batches.parquet"
EXTRA = "extra-"


def method_folder(folder: Path, key: str) -> Path:
    """Everything of one method on all cells."""
    return folder / METHODS / key


def draw_file(folder: Path, draw: int, key: str) -> Path:
    """Scores of one method on one draw."""
    return folder / DRAWS / f"{draw:03d}-{key}.json"


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write parquet whole or not at all; the index is kept where it has a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    frame.to_parquet(part, index=frame.index.name is not None)
    part.replace(path)


def read_frame(path: Path) -> pd.DataFrame:
    """Inverse of :func:`write_frame`.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise RunError(f"{path.name} is missing in {path.parent}: the run has no result.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} in {path.parent} is damaged: {error}.") from None


def write_sparse(path: Path, matrix: sparse.csr_matrix) -> None:
    """Write CSR whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.stem + ".part.npz")
    sparse.save_npz(part, sparse.csr_matrix(matrix))
    part.replace(path)


def read_sparse(path: Path) -> sparse.csr_matrix:
    """Inverse of :func:`write_sparse`; nothing in the file is unpickled."""
    try:
        return sparse.csr_matrix(sparse.load_npz(path))
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} in {path.parent} cannot be read: {error}.") from None


def write_extras(folder: Path, extras: dict[str, Any]) -> list[str]:
    """Keep arrays and frames of a method as files, all else as JSON; their names."""
    plain: dict[str, Any] = {}
    for name, value in extras.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            write_array(folder / f"{EXTRA}{name}.npy", value)
        elif isinstance(value, pd.DataFrame):
            frame = value.rename(columns=str)
            if not isinstance(frame.index, pd.RangeIndex) and frame.index.name is None:
                frame.index.name = "index"
            write_frame(folder / f"{EXTRA}{name}.parquet", frame)
        elif isinstance(value, np.ndarray):
            plain[name] = value.astype(str).tolist()
        elif not sparse.issparse(value):
            plain[name] = value
    write_json(folder / f"{EXTRA}plain.json", plain)
    return sorted(extras)


def read_extra(folder: Path, name: str) -> Any:
    """One extra of a method, or None where it has none of that name."""
    array, frame = folder / f"{EXTRA}{name}.npy", folder / f"{EXTRA}{name}.parquet"
    if array.exists():
        return read_array(array)
    if frame.exists():
        return read_frame(frame)
    plain = folder / f"{EXTRA}plain.json"
    return read_json(plain).get(name) if plain.exists() else None
