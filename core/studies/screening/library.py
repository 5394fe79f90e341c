"""Where a screen's molecules come from: an uploaded file, a path, or a data set's compounds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pandas as pd

from core.data.signatures import Signature
from core.errors import DataError
from core.molecules.reading import preview, read_blocks
from core.settings import Settings, get_settings

UPLOADS = "uploads"
_BLOCK = 2**20


def uploads_folder(settings: Settings | None = None) -> Path:
    """Files that users gave to screens."""
    return (settings or get_settings()).workspace / UPLOADS


def save_upload(
    name: str, content: BinaryIO | bytes | str, settings: Settings | None = None
) -> str:
    """Keep an upload in the workspace; returns the name to put into ``ScreeningConfig.input``.

    The name begins with a hash of the content, so that the same file is kept once and another one
    of the same name does not replace it.

    Raises
    ------
    DataError
        Where the file is larger than the installation's limit.
    """
    settings = settings or get_settings()
    folder = uploads_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name).name).strip("._")[-80:] or "molecules.smi"
    limit = settings.upload_limit_mb * 2**20
    part = folder / f".{safe}.{id(content):x}.part"
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as target:
        for block in _blocks(content):
            size += len(block)
            if size > limit:
                break
            digest.update(block)
            target.write(block)
    if size > limit:
        part.unlink()
        raise DataError(
            f"The file {safe} is larger than {settings.upload_limit_mb:,} MB, the limit of uploads."
        )
    kept = f"{digest.hexdigest()[:12]}-{safe}"
    part.replace(folder / kept)
    return kept


def save_signature(signature: Signature, name: str, settings: Settings | None = None) -> str:
    """Keep a signature as a table in the uploads; returns the name for ``objective.table``."""
    text = signature.table().rename(columns={"weight": "score"}).to_csv(index=False)
    return save_upload(f"{name}.csv", text, settings)


def _blocks(content: BinaryIO | bytes | str) -> Iterator[bytes]:
    if isinstance(content, str):
        content = content.encode("utf-8")
    if isinstance(content, bytes | bytearray | memoryview):
        yield bytes(content)
        return
    while block := content.read(_BLOCK):
        yield bytes(block)


def resolve_file(name: str, settings: Settings) -> Path:
    """The file called ``name``: in the uploads, else a path of this machine.

    Raises
    ------
    DataError
        Where there is none.
    """
    for path in (uploads_folder(settings) / name, Path(name).expanduser()):
        if path.is_file():
            return path
    raise DataError(f"There is no file '{name}', neither in the uploads nor as a path.")


class Rows(Protocol):
    """Consecutive rows of an input, numbered from ``start``."""

    @property
    def start(self) -> int:
        """Number of the first row; the input's first one is 1."""
        ...

    def __len__(self) -> int: ...

    def texts(self) -> tuple[list[str], list[str], list[str]]:
        """Identifiers, SMILES and faults; a row without fault can be looked at."""
        ...


@dataclass(frozen=True)
class Compounds:
    """Compounds of a data set, as :class:`Rows`."""

    start: int
    ids: list[str]
    smiles: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def texts(self) -> tuple[list[str], list[str], list[str]]:
        """Names, SMILES and no fault."""
        return self.ids, self.smiles, [""] * len(self)


class MoleculeSource:
    """The rows of a screen's input, in chunks of one size, the same ones each time."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        smiles_column: str | None = None,
        id_column: str | None = None,
    ) -> None:
        if not name:
            raise DataError("The screen has no library: name a file or a data set.")
        self.name, self.settings = name, settings
        self.smiles_column, self.id_column = smiles_column, id_column
        self.dataset = (settings.datasets_folder / name / "meta.json").is_file()
        self.path = None if self.dataset else resolve_file(name, settings)
        self._rows: pd.DataFrame | None = None

    def n_rows(self) -> int:
        """How many rows there are, an estimate for a large file."""
        if self.path is None:
            return len(self._compounds())
        return preview(self.path).n_rows

    def content_hash(self) -> str:
        """SHA-256 of the file, or of the data set's compounds."""
        if self.path is None:
            return hashlib.sha256(self._compounds().to_csv(index=False).encode()).hexdigest()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def chunks(self, size: int) -> Iterator[Rows]:
        """Blocks of rows, raw as :func:`core.molecules.reading.read_blocks` cuts them."""
        if self.path is not None:
            yield from read_blocks(self.path, self.smiles_column, self.id_column, size=size)
            return
        rows = self._compounds()
        for start in range(0, len(rows), size):
            part = rows.iloc[start : start + size]
            yield Compounds(start + 1, part["id"].tolist(), part["smiles"].tolist())

    def _compounds(self) -> pd.DataFrame:
        if self._rows is None:
            from core.data import load_perturbation

            table = load_perturbation(self.name, self.settings)
            both = [table.obs] + ([] if table.unmeasured is None else [table.unmeasured])
            obs = pd.concat([frame[["sm_name", "SMILES"]] for frame in both], ignore_index=True)
            obs = obs.drop_duplicates("sm_name")
            self._rows = pd.DataFrame(
                {
                    "id": obs["sm_name"].astype(str).to_numpy(),
                    "smiles": obs["SMILES"].fillna("").astype(str).to_numpy(),
                }
            )
        return self._rows
