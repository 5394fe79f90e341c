"""Set-up of the 3D viewer's script, so that the viewer works with no internet.

The script is the file ``build/3Dmol-min.js`` of the npm package ``3dmol``, at the version that
py3Dmol was made for; npm fetches the package (and checks its integrity), nothing in it is run.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import FetchError
from core.molecules.viewer import CDN, VERSION
from core.settings import PROJECT_ROOT

FILE = "3Dmol-min.js"
MEMBER = f"package/build/{FILE}"
#: Seconds that npm may take.
TIME_LIMIT = 120
_LARGEST = 8 * 1024**2
#: The script does not say its own version: a first line of ours does.
_MARK = re.compile(rb"/\* 3dmol (\S+) \*/")


@dataclass(frozen=True)
class Source:
    """Where the viewer's script comes from.

    Attributes
    ----------
    address
        For the ``<script>`` element.
    offline
        Whether it is served by this app.
    """

    address: str
    offline: bool


def static_folder() -> Path:
    """The folder that Streamlit serves under ``/app/static``."""
    return PROJECT_ROOT / "static"


def source(base_path: str = "", folder: Path | None = None) -> Source:
    """The script's address: our own copy where it was placed, else the CDN.

    Parameters
    ----------
    base_path
        The app's base path (Streamlit's ``server.baseUrlPath``).
    """
    if version_of((folder or static_folder()) / FILE) == VERSION:
        prefix = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
        return Source(f"{prefix}/app/static/{FILE}", True)
    return Source(CDN, False)


def version_of(script: Path) -> str | None:
    """The version in a placed script's first line, None where there is none."""
    if not script.is_file():
        return None
    with script.open("rb") as lines:
        found = _MARK.match(lines.readline(200))
    return found[1].decode() if found else None


def place(folder: Path | None = None) -> Path:
    """Fetch the script through npm and put it into ``static/``; quick where it is there.

    Returns
    -------
    Path
        The placed script.

    Raises
    ------
    FetchError
        Where npm is missing, cannot fetch, or the package does not hold what it should; the
        viewer then uses its CDN and says so.
    """
    folder = folder or static_folder()
    target = folder / FILE
    if version_of(target) == VERSION:
        return target
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            "npm is not installed, so the 3D viewer's script cannot be placed; "
            "the viewer will load it from its CDN."
        )
    with tempfile.TemporaryDirectory() as scratch:
        archive = _pack(npm, Path(scratch))
        script = _extract(archive)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".part")
    fresh.write_bytes(f"/* 3dmol {VERSION} */\n".encode() + script)
    fresh.replace(target)
    return target


def _pack(npm: str, scratch: Path) -> Path:
    try:
        done = subprocess.run(
            [npm, "pack", f"3dmol@{VERSION}", "--ignore-scripts", "--silent"],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(
            f"npm did not fetch the 3D viewer's script within {TIME_LIMIT} seconds; "
            "the viewer will load it from its CDN."
        ) from None
    archives = sorted(scratch.glob("*.tgz"))
    if done.returncode or not archives:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = re.sub(r"^npm (ERR!|error)\s*", "", lines[0]) if lines else "no reason given"
        raise FetchError(
            f"npm could not fetch 3dmol {VERSION} ({reason[:120]}); "
            "the viewer will load it from its CDN."
        )
    return archives[0]


def _extract(archive: Path) -> bytes:
    """The script out of the package, read in place: nothing is unpacked onto the disk."""
    try:
        with tarfile.open(archive) as package:
            version = json.loads(_read(package, "package/package.json"))["version"]
            script = _read(package, MEMBER)
    except (tarfile.TarError, KeyError, ValueError, OSError, EOFError):
        raise FetchError(f"The npm package 3dmol {VERSION} does not hold {MEMBER}.") from None
    if version != VERSION or b"3Dmol" not in script:
        raise FetchError(f"npm gave version {version} of 3dmol where {VERSION} was asked for.")
    return script


def _read(package: tarfile.TarFile, member: str) -> bytes:
    stream = package.extractfile(member)
    if stream is None or package.getmember(member).size > _LARGEST:
        raise KeyError(member)
    return stream.read()
