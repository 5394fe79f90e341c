"""Prepared data sets on disk: one folder each, written whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.data.registry import CELLS, PERTURBATION
from core.data.table import PerturbationTable
from core.errors import DataError
from core.settings import Settings

if TYPE_CHECKING:
    from anndata import AnnData

FORMAT = 1
META, OBS, GENES, UNMEASURED = "meta.json", "obs.parquet", "genes.parquet", "unmeasured.parquet"
VALUES, BY_GENE, TRUTH, H5AD = "values.npy", "values_by_gene.npy", "truth.npy", "data.h5ad"
ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
#: Seconds after which a half-made folder of a killed process is swept away.
STALE = 24 * 3600
#: Tries to take the place of a folder that other processes replace at the same time.
ATTEMPTS = 50


def check_id(id: str) -> str:
    """Return ``id``, or say what an id may be: it names a folder and stands in URLs."""
    if not ID_PATTERN.fullmatch(id) or id.endswith("."):
        raise DataError(
            f"'{id}' cannot be a data set's id: use up to 64 lower-case letters, digits, '-', "
            "'_' and '.', beginning with a letter or digit."
        )
    return id


def folder_of(id: str, settings: Settings) -> Path:
    """The folder in which the data set ``id`` is or would be stored."""
    return settings.datasets_folder / check_id(id)


def read_meta(folder: Path) -> dict[str, Any] | None:
    """``meta.json`` of a prepared data set, or ``None`` where there is none that can be read."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and meta.get("format") == FORMAT else None


def stored(settings: Settings) -> dict[str, dict[str, Any]]:
    """``meta.json`` of every prepared data set, by id."""
    root = settings.datasets_folder
    if not root.is_dir():
        return {}
    found = {}
    for folder in sorted(root.iterdir()):
        if not folder.name.startswith(".") and (meta := read_meta(folder)) is not None:
            found[folder.name] = meta
    return found


def _sweep(root: Path) -> None:
    """Delete what killed processes left a day ago or earlier."""
    for left in root.glob(".*-*"):
        with suppress(FileNotFoundError):  # another process has just finished with it
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _new_folder(id: str, settings: Settings) -> Iterator[Path]:
    """A temporary folder that takes the data set's place when the block ends without error."""
    root = settings.datasets_folder
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    final = folder_of(id, settings)
    new = root / f".new-{uuid.uuid4().hex[:8]}-{id}"
    new.mkdir()
    try:
        yield new
        _replace(new, final)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _replace(new: Path, final: Path) -> None:
    """Put ``new`` in the place of ``final``; another process may be doing the same."""
    for attempt in range(ATTEMPTS):
        old: Path | None = final.with_name(f".old-{uuid.uuid4().hex[:8]}-{final.name}")
        try:
            final.rename(str(old))
        except FileNotFoundError:
            old = None
        try:
            new.rename(final)
        except OSError:  # someone else was quicker: theirs is whole as well, and is replaced
            if attempt == ATTEMPTS - 1:
                raise
            continue
        finally:
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
        return


def _finish(folder: Path, meta: dict[str, Any]) -> dict[str, Any]:
    size = sum(path.stat().st_size for path in folder.iterdir())
    meta = {
        **meta,
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "disk_mb": round(size / 1e6, 2),
    }
    (folder / META).write_text(json.dumps(meta, indent=1, ensure_ascii=False), encoding="utf-8")
    return meta


def write_perturbation(
    table: PerturbationTable, settings: Settings, meta: dict[str, Any]
) -> dict[str, Any]:
    """Store a table under its id; what was there before is replaced as one step."""
    values = np.ascontiguousarray(table.values, dtype=np.float32)
    with _new_folder(table.id, settings) as folder:
        table.obs.to_parquet(folder / OBS, index=False)
        pd.DataFrame({"gene": table.genes.astype(str)}).to_parquet(folder / GENES, index=False)
        np.save(folder / VALUES, values, allow_pickle=False)
        np.save(folder / BY_GENE, np.ascontiguousarray(values.T), allow_pickle=False)
        if table.truth is not None:
            truth = np.ascontiguousarray(table.truth, dtype=np.float32)
            np.save(folder / TRUTH, truth, allow_pickle=False)
        if table.unmeasured is not None:
            table.unmeasured.to_parquet(folder / UNMEASURED, index=False)
        return _finish(
            folder,
            {
                **meta,
                "id": table.id,
                "kind": PERTURBATION,
                "target": table.target,
                "simulated": table.simulated,
                "n_rows": table.n_pairs,
                "n_vars": table.n_genes,
                "content_hash": table.content_hash,
                "table_meta": table.meta,
            },
        )


def write_cells(
    id: str, cells: AnnData, settings: Settings, meta: dict[str, Any]
) -> dict[str, Any]:
    """Store an AnnData under ``id``; what was there before is replaced as one step."""
    with _new_folder(id, settings) as folder:
        cells.write_h5ad(folder / H5AD, compression="lzf")
        return _finish(
            folder,
            {**meta, "id": id, "kind": CELLS, "n_rows": cells.n_obs, "n_vars": cells.n_vars},
        )


def adopt_cells(
    id: str, file: Path, shape: tuple[int, int], settings: Settings, meta: dict[str, Any]
) -> dict[str, Any]:
    """As :func:`write_cells`, for an h5ad file of our own making, which is moved."""
    with _new_folder(id, settings) as folder:
        shutil.move(file, folder / H5AD)
        return _finish(
            folder, {**meta, "id": id, "kind": CELLS, "n_rows": shape[0], "n_vars": shape[1]}
        )


def _damaged(id: str, why: object) -> DataError:
    return DataError(f"The stored data set '{id}' is damaged ({why}): prepare or import it again.")


def read_perturbation(id: str, folder: Path, meta: dict[str, Any]) -> PerturbationTable:
    """The stored table, its values as read-only memory maps."""

    def array(name: str) -> np.ndarray:
        return np.load(folder / name, mmap_mode="r", allow_pickle=False)

    try:
        obs = pd.read_parquet(folder / OBS)
        genes = pd.Index(pd.read_parquet(folder / GENES)["gene"], name=None)
        values, by_gene = array(VALUES), array(BY_GENE)
        truth = array(TRUTH) if (folder / TRUTH).exists() else None
        unmeasured = (
            pd.read_parquet(folder / UNMEASURED) if (folder / UNMEASURED).exists() else None
        )
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(id, error) from error
    shape = (len(obs), len(genes))
    if values.shape != shape or by_gene.shape != shape[::-1]:
        raise _damaged(id, f"values are {values.shape}, {shape} are expected")
    return PerturbationTable(
        id=id,
        obs=obs,
        genes=genes,
        values=values,
        values_by_gene=by_gene,
        truth=truth,
        unmeasured=unmeasured,
        target=meta["target"],
        simulated=bool(meta["simulated"]),
        content_hash=meta["content_hash"],
        meta=dict(meta.get("table_meta") or {}),
    )


def read_cells(id: str, folder: Path) -> AnnData:
    """The stored AnnData."""
    import anndata

    try:
        return anndata.read_h5ad(folder / H5AD)
    except (OSError, KeyError, ValueError) as error:
        raise _damaged(id, error) from error


def delete(id: str, settings: Settings) -> None:
    """Remove the stored folder; it vanishes from lists at once, then from disk."""
    folder = folder_of(id, settings)
    grave = folder.with_name(f".old-{uuid.uuid4().hex[:8]}-{id}")
    folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)
