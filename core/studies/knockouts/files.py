"""Where a knock-out run keeps what, inside its folder."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import RunError
from core.models.rank_transformer.knockout import KnockoutResult
from core.models.rank_transformer.modes import Mode
from core.studies.integration.files import read_frame, write_frame
from core.studies.perturbation.files import read_json, write_json

__all__ = ["read_frame", "read_json", "write_frame", "write_json"]

PLAN, SUMMARY = "knockouts.json", "summary.json"
CELLS, RANKING = "cells.parquet", "ranking.parquet"
READ_OUTS, SHARES = "read_outs.parquet", "shares.parquet"
AGREEMENT, INTERVALS = "agreement.parquet", "intervals.parquet"
GOAL, GOAL_TESTS = "goal_shifts.parquet", "goal_tests.parquet"
ENRICHMENT, PARTNERS = "enrichment.parquet", "partners.parquet"
RESPONSES, SCANS = "responses", "scans"
GOAL_MEAN = "goal.npy"
_ARRAYS = ("shift", "cell_shift", "cell_shift_others", "before", "after")


def slug(mode: Mode) -> str:
    """A mode as part of a file name."""
    return mode.value.replace(",", "").replace(" ", "-")


def response_file(folder: Path, cell: int, mode: Mode) -> Path:
    """Responses of one cell in one mode."""
    return folder / RESPONSES / f"{cell:05d}-{slug(mode)}.npz"


def scan_folder(folder: Path, cell: int, mode: Mode) -> Path:
    """Pieces of a scan that is not finished yet."""
    return folder / SCANS / f"{cell:05d}-{slug(mode)}"


def write_response(path: Path, result: KnockoutResult, labels: Sequence[str]) -> None:
    """Write whole or not at all; responses as float32, whose digits the forward pass gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = np.array([len(t) for t in result.targets], dtype=np.int64)
    flat = np.array([rank for t in result.targets for rank in t], dtype=np.int64)
    part = path.with_suffix(".part")
    with part.open("wb") as handle:
        np.savez(
            handle,
            tokens=result.tokens,
            sizes=sizes,
            flat=flat,
            labels=np.array(list(labels), dtype=np.str_),
            layer=np.int64(result.layer),
            seconds=np.float64(result.seconds),
            precision=np.array(result.precision),
            **{
                name: getattr(result, name).astype(np.float32 if name == "shift" else np.float64)
                for name in _ARRAYS
            },
        )
    part.replace(path)


def read_response(path: Path, mode: Mode) -> tuple[KnockoutResult, tuple[str, ...]]:
    """Inverse of :func:`write_response`.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name].astype(np.float64) for name in _ARRAYS}
            cuts = np.cumsum(stored["sizes"])[:-1]
            targets = tuple(
                tuple(int(rank) for rank in part) for part in np.split(stored["flat"], cuts)
            )
            result = KnockoutResult(
                mode=mode,
                tokens=stored["tokens"],
                targets=targets,
                layer=int(stored["layer"]),
                precision=str(stored["precision"]),
                seconds=float(stored["seconds"]),
                **arrays,
            )
            return result, tuple(str(label) for label in stored["labels"])
    except FileNotFoundError:
        raise RunError(f"{path.name} is missing in {path.parent}: the run has no result.") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path.name} in {path.parent} is damaged: {error}.") from None
