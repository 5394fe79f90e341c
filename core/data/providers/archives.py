"""Single members out of zip and tar archives, written to names of our own choosing."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from core.data.faults import first_line
from core.errors import DataError

#: A member that unpacks to more than this is refused, in bytes.
MAX_MEMBER = 32 * 2**30


def find_member(names: Iterable[str], wanted: str, archive: Path) -> str:
    """The member whose path, or else whose file name, is ``wanted``; folders may differ."""
    names = [name for name in names if not PurePosixPath(name).name.startswith("._")]
    if wanted in names:
        return wanted
    found = sorted(name for name in names if PurePosixPath(name).name == wanted)
    if not found:
        raise DataError(f"The archive {archive.name} has no member '{wanted}'.")
    return found[0]


def extract_member(archive: Path, member: str, folder: Path, name: str | None = None) -> Path:
    """Write one member of a zip file (a wheel is one) into ``folder`` and return its path.

    The member's own path is never used, so that no archive can write elsewhere.

    Raises
    ------
    DataError
        Where the archive is damaged, lacks the member, or the member is too large.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (name or PurePosixPath(member).name)
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(archive) as file:
            info = file.getinfo(member)
            if info.file_size > MAX_MEMBER:
                raise DataError(f"'{member}' in {archive.name} unpacks to more than 32 GB.")
            with file.open(info) as source, part.open("wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
    except KeyError as error:
        raise DataError(f"The archive {archive.name} has no member '{member}'.") from error
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError(f"The archive {archive.name} is damaged: {first_line(error)}.") from error
    else:
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def extract_tar(archive: Path, ending: str, folder: Path) -> list[Path]:
    """Write the plain files of a tar whose names end so into ``folder``, sorted by name."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    try:
        with tarfile.open(archive) as file:
            for info in file:
                if not info.isfile() or not info.name.endswith(ending):
                    continue
                if info.size > MAX_MEMBER:
                    raise DataError(f"'{info.name}' in {archive.name} is larger than 32 GB.")
                source = file.extractfile(info)
                if source is None:
                    continue
                target = folder / PurePosixPath(info.name).name
                with source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 2**20)
                written.append(target)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"The archive {archive.name} is damaged: {first_line(error)}.") from error
    return sorted(written)
