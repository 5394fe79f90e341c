"""Where a perturbation run keeps what, inside its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from core.errors import RunError

CONFIG, METRICS, SCORES, DATA = "config.json", "metrics.json", "scores.json", "data.json"
GENES, ROWS, EPOCHS = "genes.parquet", "rows.parquet", "epochs.parquet"
UNMEASURED = "unmeasured.parquet"
PREDICTIONS, FINAL, WORK = "predictions", "final", "work"
PIPELINE, COMPOUNDS = "pipeline", "compounds.parquet"
ENSEMBLE = "ensemble"
MODEL_JSON, MODEL_ARRAYS = "model.json", "model.safetensors"


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; NaN becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(_plain(value), indent=1, ensure_ascii=False), encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.name} is missing in {path.parent}: the run has no result.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} in {path.parent} is damaged: {error}.") from None


def write_array(path: Path, values: np.ndarray) -> None:
    """Write ``.npy`` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    part.replace(path)


def read_array(path: Path) -> np.ndarray:
    """A read-only memory map of an ``.npy`` file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} in {path.parent} cannot be read: {error}.") from None


def write_model(folder: Path, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a fitted model: what it is as JSON, its arrays as safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / MODEL_ARRAYS)
    write_json(folder / MODEL_JSON, about)


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Inverse of :func:`write_model`."""
    about = read_json(folder / MODEL_JSON)
    try:
        return about, load_file(folder / MODEL_ARRAYS)
    except (OSError, SafetensorError) as error:
        raise RunError(f"The model in {folder} cannot be read: {error}.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(of) for of in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
