"""HDF5 files, opened with care: damage is said, and no file may pull in another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data.faults import first_line
from core.errors import DataError

MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether the file begins as HDF5 does."""
    with path.open("rb") as file:
        return file.read(8) == MAGIC


@contextmanager
def open_h5(path: Path, kind: str = "h5ad") -> Iterator[Any]:
    """Open an HDF5 file, or say in one sentence why not.

    Raises
    ------
    DataError
        Where the file is missing, empty, cut short, no HDF5, or refers to other files.
    """
    import h5py

    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"The file {path.name} is empty.")
    if not is_hdf5(path):
        also = "" if "HDF5" in kind else " (HDF5)"
        raise DataError(f"The file {path.name} is no {kind}{also} file.")
    try:
        with h5py.File(path, "r") as file:
            _refuse_references(file, path)
            yield file
    except DataError:
        raise
    except Exception as error:  # damage shows in h5py and anndata as errors of many classes
        cut = "truncated" in str(error)
        why = (
            "is cut short: copy or download it again"
            if cut
            else f"is damaged ({first_line(error)})"
        )
        raise DataError(f"The {kind} file {path.name} {why}.") from error


def _refuse_references(file: Any, path: Path) -> None:
    """A file from elsewhere must not make us read other files of this machine."""
    import h5py

    def check(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.ExternalLink):
            return name
        element = file.get(name)
        stored = isinstance(element, h5py.Dataset) and (element.external or element.is_virtual)
        return name if stored else None

    if found := file.visititems_links(check):
        raise DataError(f"The part '{found}' of {path.name} refers to another file.")
