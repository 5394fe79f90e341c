"""Files at public addresses: checksums, resuming, and mirrors for labs without internet."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import FetchError
from core.progress import OnProgress
from core.settings import Settings

CHUNK = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """One file at an address.

    Attributes
    ----------
    url
        The public address.
    filename
        Name in the downloads folder; by default the last part of the address.
    checksum
        ``"sha256:…"`` or ``"md5:…"`` where one is published. Without it the checksum of the
        first download is recorded, and every later one is held to it.
    """

    url: str
    filename: str | None = None
    checksum: str | None = None

    @property
    def name(self) -> str:
        """Name in the downloads folder."""
        return self.filename or unquote(urlsplit(self.url).path).rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Urls:
    """Provider of files at public addresses, by name."""

    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    #: Seconds before the first new try of a download that failed.
    wait: float = 1.0

    @property
    def source(self) -> str:
        """The addresses."""
        return ", ".join(file.url for file in self.files.values())

    def fetch(self, settings: Settings, on_progress: OnProgress) -> dict[str, Path]:
        """Fetch what is not here yet, and compare every checksum."""
        return {
            name: fetch_file(file, settings, on_progress, self.wait)
            for name, file in self.files.items()
        }


def sha256_of(path: Path, on_progress: OnProgress | None = None) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if on_progress and done % (64 * CHUNK) == 0:
                on_progress(done, total, f"Comparing the checksum of {path.name}")
    return digest.hexdigest()


def fetch_file(
    file: RemoteFile, settings: Settings, on_progress: OnProgress, wait: float = 1.0
) -> Path:
    """One file in the downloads folder, whole and with the right checksum.

    Raises
    ------
    FetchError
        No network, no such file, cut short, not the file that is expected, or being fetched by
        another process: two that append to one unfinished file would spoil it.
    """
    from filelock import FileLock, Timeout

    folder = settings.downloads_folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f".{file.name}.lock", timeout=0):
            return _fetch_locked(file, folder, settings.mirror, on_progress, wait)
    except Timeout as error:
        raise FetchError(
            f"{file.name} is being fetched by another page or command: wait until that is done."
        ) from error


def _fetch_locked(
    file: RemoteFile, folder: Path, mirror: str | None, on_progress: OnProgress, wait: float
) -> Path:
    path = folder / file.name
    record = folder / f"{file.name}.checksum.json"
    expected = file.checksum or _recorded(record)
    if path.exists() and not expected:  # put here by hand: the first sight of it counts
        _record(record, file.url, path)
        return path
    if path.exists() and expected and _matches(path, expected, on_progress):
        return path
    origin = mirrored(file, mirror)
    if isinstance(origin, Path):
        _copy(origin, path, expected, on_progress)
    else:
        _download(origin, path, expected, on_progress, wait, record)
    if not expected:
        _record(record, file.url, path)
    return path


def mirrored(file: RemoteFile, mirror: str | None) -> str | Path:
    """Where a file is really taken from: its address, the mirror's, or a file in a folder.

    A mirror's base URL takes the place of scheme and host. A mirror folder may hold the file
    under the address's path, under host and path (as ``wget -r`` writes), or by its name.
    """
    if not mirror:
        return file.url
    parts = urlsplit(file.url)
    path = parts.path.lstrip("/")
    if mirror.startswith(("http://", "https://")):
        query = f"?{parts.query}" if parts.query else ""
        return f"{mirror.rstrip('/')}/{path}{query}"
    folder = Path(mirror.removeprefix("file://")).expanduser()
    if not folder.is_dir():
        raise FetchError(f"The mirror folder {folder} does not exist (PERTURBSCOPE_MIRROR).")
    plain = unquote(path)
    tried = [folder / plain, folder / parts.netloc / plain, folder / file.name]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    raise FetchError(
        f"The mirror folder {folder} does not hold {file.name}: put it there by that name or as "
        f"{plain}."
    )


def _recorded(record: Path) -> str | None:
    try:
        return f"sha256:{json.loads(record.read_text())['sha256']}"
    except (OSError, ValueError, KeyError):
        return None


def _record(record: Path, url: str, path: Path) -> None:
    note = {
        "url": url,
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    record.write_text(json.dumps(note, indent=1), encoding="utf-8")


def _matches(path: Path, expected: str, on_progress: OnProgress) -> bool:
    kind, _, digest = expected.partition(":")
    if kind == "sha256":
        return sha256_of(path, on_progress) == digest.lower()
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() == digest.lower()


def _copy(origin: Path, path: Path, expected: str | None, on_progress: OnProgress) -> None:
    on_progress(0, 0, f"Copying {origin.name} from the mirror")
    part = path.with_name(path.name + ".copy")
    try:
        shutil.copyfile(origin, part)
        if expected and not _matches(part, expected, on_progress):
            raise FetchError(
                f"{origin} is not the file that is expected: its checksum differs from {expected}."
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _download(
    url: str,
    path: Path,
    expected: str | None,
    on_progress: OnProgress,
    wait: float,
    record: Path,
) -> None:
    import pooch

    from core.data.providers.download import ResumingDownloader

    part = path.with_name(path.name + ".part")
    downloader = ResumingDownloader(part, on_progress, wait)
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(
            url,
            known_hash=expected,
            fname=path.name,
            path=path.parent,
            downloader=downloader,
        )
    except ValueError as error:
        hint = f"; if the file was renewed on purpose, delete {record}" if record.exists() else ""
        raise FetchError(
            f"The file at {url} is not the one that is expected: its checksum differs from "
            f"{expected}{hint}."
        ) from error
    except OSError as error:
        raise FetchError(f"{path} cannot be written: {error.strerror or error}.") from error
