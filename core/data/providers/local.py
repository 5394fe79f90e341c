"""Files that are here already: inside an installed package, or in a folder of the user's."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import FetchError
from core.progress import OnProgress
from core.settings import ASSETS, PROJECT_ROOT, Settings

SHARED_VARIABLE = "PERTURBSCOPE_SHARED"


@dataclass(frozen=True)
class PackageFile:
    """Provider of a file that an installed package carries; the package is not imported."""

    package: str
    path: str

    @property
    def source(self) -> str:
        """Package and path."""
        return f"installed package {self.package}, {self.path}"

    def fetch(self, settings: Settings, on_progress: OnProgress) -> dict[str, Path]:
        """The file inside the package."""
        spec = importlib.util.find_spec(self.package)
        for root in (spec.submodule_search_locations if spec else None) or []:
            path = Path(root) / self.path
            if path.is_file():
                return {"file": path}
        raise FetchError(f"The installed package {self.package} does not carry {self.path}.")


@dataclass(frozen=True)
class AssetFile:
    """Provider of a file that the project itself carries in ``assets/``."""

    name: str

    @property
    def source(self) -> str:
        """Where it lies in the project."""
        return f"assets/{self.name} of this project"

    def fetch(self, settings: Settings, on_progress: OnProgress) -> dict[str, Path]:
        """The file, if it is there."""
        path = ASSETS / self.name
        if not path.is_file():
            raise FetchError(f"The file {path} is missing; restore it from the repository.")
        return {"file": path}


@dataclass(frozen=True)
class SharedFile:
    """Provider of a file in the folder of shared real data, where there is one.

    The folder is the environment variable ``PERTURBSCOPE_SHARED``, or ``shared`` beside the
    project.
    """

    path: str

    @property
    def source(self) -> str:
        """Variable and path."""
        return f"${SHARED_VARIABLE}/{self.path}"

    def fetch(self, settings: Settings, on_progress: OnProgress) -> dict[str, Path]:
        """The file, if it is there."""
        root = Path(os.environ.get(SHARED_VARIABLE, PROJECT_ROOT.parent / "shared"))
        path = root / self.path
        if not path.is_file():
            raise FetchError(
                f"There is no {self.path} in {root}: set {SHARED_VARIABLE} to the folder that "
                "holds it, or import the file itself."
            )
        return {"file": path}
