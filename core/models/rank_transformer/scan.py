"""All-rank scans: every gene of a cell knocked out, kept piece by piece, taken up where it broke.

A scan's folder holds ``plan.json`` and one ``.npz`` a piece; responses are stored as float32,
whose seven digits are more than the float32 forward pass gives.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ConfigError, RunError
from core.models.rank_transformer.checkpoint import fingerprint
from core.models.rank_transformer.knockout import KnockoutResult, check_cell, knock_out
from core.models.rank_transformer.modes import Mode
from core.models.rank_transformer.network import RankTransformer, resolve_layer
from core.progress import OnProgress, silent

PLAN = "plan.json"
_ARRAYS = ("shift", "cell_shift", "cell_shift_others", "before", "after")


def scan_ranks(length: int, stride: int = 1, *, extra: Sequence[int] = ()) -> np.ndarray:
    """Ranks of a scan: every ``stride``-th from 0, and ``extra`` ones; int64, ascending.

    Raises
    ------
    ConfigError
        If the stride is below 1.
    """
    if stride < 1:
        raise ConfigError("The stride of a scan is at least 1.")
    inside = [rank for rank in extra if 0 <= rank < length]
    return np.unique(np.concatenate([np.arange(0, length, stride), inside])).astype(np.int64)


def scan(
    model: RankTransformer,
    tokens: np.ndarray,
    mode: Mode = Mode.PAIRED,
    *,
    folder: Path | None = None,
    ranks: Sequence[int] | np.ndarray | None = None,
    stride: int = 1,
    layer: int | None = None,
    batch_size: int | None = None,
    precision: str = "float32",
    piece: int = 64,
    resume: bool = True,
    on_progress: OnProgress = silent,
    should_cancel: Callable[[], bool] | None = None,
) -> KnockoutResult:
    """Knock out many genes of a cell one by one, going on from what ``folder`` holds.

    Parameters
    ----------
    folder
        Of this cell and mode alone; ``None``: nothing is kept.
    ranks
        Ranks from 0; default: all, or every ``stride``-th.
    piece
        Knock-outs between two savings.
    resume
        Take up what is there; otherwise begin anew.
    on_progress
        Told the rate and the time left.

    Raises
    ------
    RunError
        If the folder holds a scan of another model, cell, mode or ranks, or is damaged.
    CancelledError
        If ``should_cancel`` says so; finished pieces stay.
    """
    ids = check_cell(model, tokens)
    wanted = scan_ranks(len(ids), stride) if ranks is None else np.unique(np.asarray(ranks))
    depth = resolve_layer(model, layer)
    if folder is not None:
        folder = Path(folder)
        _open(folder, _plan(model, ids, mode, wanted, depth, precision, piece), resume)
    parts: list[dict[str, Any]] = []
    done, fresh, started = 0, 0, time.perf_counter()
    notes: tuple[str, ...] = ()
    for index, start in enumerate(range(0, len(wanted), piece)):
        some = wanted[start : start + piece]
        path = None if folder is None else folder / f"{index:05d}.npz"
        if path is not None and path.exists():
            parts.append(_read(path, len(some)))
            done += len(some)
            continue

        def tell(n: int, _: int, __: str, done: int = done, fresh: int = fresh) -> None:
            rate = (fresh + n) / max(time.perf_counter() - started, 1e-9)
            left = (len(wanted) - done - n) / max(rate, 1e-9)
            message = f"{done + n:,} of {len(wanted):,} genes, {rate:,.1f}/s, {clock(left)} left"
            on_progress(done + n, len(wanted), message)

        result = knock_out(
            model,
            ids,
            [int(rank) for rank in some],
            mode,
            layer=depth,
            batch_size=batch_size,
            precision=precision,
            on_progress=tell,
            should_cancel=should_cancel,
        )
        notes = result.warnings
        part = {name: getattr(result, name) for name in _ARRAYS}
        part["shift"] = part["shift"].astype(np.float32)
        part["seconds"] = np.float64(result.seconds)
        if path is not None:
            _write(path, part)
        parts.append(part)
        done, fresh = done + len(some), fresh + len(some)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in _ARRAYS}
    arrays["shift"] = arrays["shift"].astype(np.float64)
    return KnockoutResult(
        mode=Mode(mode),
        tokens=ids,
        targets=tuple((int(rank),) for rank in wanted),
        layer=depth,
        precision=precision,
        seconds=float(sum(float(part["seconds"]) for part in parts)),
        warnings=notes,
        **arrays,
    )


def finished(folder: Path) -> tuple[int, int]:
    """Knock-outs that a scan's folder holds, and those planned; ``(0, 0)`` without a plan."""
    path = Path(folder) / PLAN
    if not path.exists():
        return 0, 0
    plan = _read_plan(path)
    n, piece = len(plan["ranks"]), int(plan["piece"])
    there = [int(file.stem) for file in path.parent.glob("*.npz")]
    return sum(min(piece, n - index * piece) for index in there), n


def clock(seconds: float) -> str:
    """``"40 s"``, ``"12 min"``, ``"3.1 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _plan(
    model: RankTransformer,
    tokens: np.ndarray,
    mode: Mode,
    ranks: np.ndarray,
    layer: int,
    precision: str,
    piece: int,
) -> dict[str, Any]:
    if piece < 1:
        raise ConfigError("A piece of a scan holds at least one knock-out.")
    return {
        "model": fingerprint(model),
        "cell": hashlib.sha256(tokens.astype("<i8").tobytes()).hexdigest(),
        "mode": Mode(mode).value,
        "layer": layer,
        "precision": precision,
        "piece": piece,
        "ranks": [int(rank) for rank in ranks],
    }


def _open(folder: Path, plan: dict[str, Any], resume: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PLAN
    if path.exists() and resume:
        before = _read_plan(path)
        changed = next((key for key in plan if before.get(key) != plan[key]), None)
        if changed is not None:
            raise RunError(
                f"The scan in {folder} is one of another {_WORDS.get(changed, changed)}; take "
                "another folder, or begin anew."
            )
        return
    for old in folder.glob("*.npz"):
        old.unlink()
    part = path.with_suffix(".part")
    part.write_text(json.dumps(plan), encoding="utf-8")
    part.replace(path)


_WORDS = {"cell": "cell", "model": "model", "ranks": "choice of ranks", "piece": "piece size"}


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise RunError(f"The plan of the scan in {path.parent} cannot be read.") from None


def _write(path: Path, part: dict[str, Any]) -> None:
    new = path.with_suffix(".part")
    with new.open("wb") as handle:
        np.savez(handle, **part)
    new.replace(path)


def _read(path: Path, n: int) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            part = {name: stored[name] for name in (*_ARRAYS, "seconds")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"The piece {path.name} of the scan is damaged ({error}).") from None
    if len(part["shift"]) != n:
        raise RunError(f"The piece {path.name} of the scan holds {len(part['shift'])}, not {n}.")
    return part
