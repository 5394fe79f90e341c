"""Files of others in binary formats, read in a helper process that can be killed.

HDF5's library may loop for ever, or crash, on a damaged file, and archives may unpack to more than
memory holds. The helper (:mod:`core.data.reading`) reads and checks the file and writes an h5ad
of its own making; this process reads only that.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.data.faults import InvalidTableError
from core.data.registry import RawArrays
from core.errors import DataError
from core.isolated import Pool, TimeLimitError
from core.settings import Settings

#: Endings of files that are read in the helper; ``.tar`` stands for ``.tar.gz`` and ``.tgz`` too.
ENDINGS = (".h5ad", ".h5", ".hdf5", ".loom", ".zip", ".tar", ".rdata", ".rda", ".rds")
#: Address space that libraries reserve without using it, in bytes.
RESERVED = 2 * 1024**3

_pool = Pool(
    "core.data", DataError, "ran out of memory or crashed: the file is damaged or too large"
)


@dataclass(frozen=True)
class CheckedCells:
    """Cells that were read and checked: our own h5ad, and what is known of them."""

    file: Path
    shape: tuple[int, int]
    meta: dict[str, Any]


@contextmanager
def read(
    path: Path,
    kind: str | None,
    organism: str | None,
    orientation: str | None,
    settings: Settings,
) -> Iterator[CheckedCells | RawArrays]:
    """Read and check a file; what is yielded lives until the block ends.

    Raises
    ------
    DataError
        Where the file is damaged or does not hold what it must, or reading it took longer than
        ``import_limit_s`` or more memory than ``memory_limit_gb``.
    """
    settings.workspace.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=".import-", dir=settings.workspace))
    arguments = {
        "path": str(path.resolve()),
        "out": str(out),
        "kind": kind,
        "organism": organism,
        "orientation": orientation,
        "limit": settings.upload_limit_mb * 10**6,
        "chunked_above": settings.chunked_above_mb * 10**6,
    }
    try:
        try:
            answer = _pool.call(
                "reading:read_and_check",
                arguments,
                timeout=settings.import_limit_s,
                what=f"Reading {path.name}",
                memory=int(settings.memory_limit_gb * 1024**3) + RESERVED,
            )
        except TimeLimitError as error:
            raise DataError(
                f"{str(error).rstrip('.')}: the file is damaged, or larger than the time allows "
                "(PERTURBSCOPE_IMPORT_LIMIT_S)."
            ) from None
        if "faults" in answer:
            raise InvalidTableError(answer["faults"])
        yield (
            _table(out, answer)
            if answer["type"] == "table"
            else CheckedCells(
                out / "data.h5ad", (answer["n_rows"], answer["n_vars"]), answer["meta"]
            )
        )
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _table(out: Path, answer: dict[str, Any]) -> RawArrays:
    return RawArrays(
        obs=pd.read_parquet(out / "obs.parquet"),
        genes=list(answer["genes"]),
        values=np.load(out / "values.npy", allow_pickle=False),
        notes=list(answer["understood"]),
    )
