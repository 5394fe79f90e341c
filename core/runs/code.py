"""Which code a run was made with."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib import metadata

from core.settings import PROJECT_ROOT

_SECONDS = 5


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version on disk when this process first asked: the code that it has loaded."""
    return version_on_disk()


def version_on_disk() -> str:
    """Git commit of the checkout, ``-dirty`` behind it where files differ; else the release."""
    command = ["git", "-C", str(PROJECT_ROOT), "describe"]
    command += ["--always", "--dirty", "--abbrev=12", "--exclude=*"]
    if (PROJECT_ROOT / ".git").exists():
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=True
            )
            return done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return "unknown checkout"
    try:
        return metadata.version("perturbscope")
    except metadata.PackageNotFoundError:
        return "unknown"
