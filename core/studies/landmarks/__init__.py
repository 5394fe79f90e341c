"""The landmark study: a few genes that predict all the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.landmarks.config import LandmarksConfig

if TYPE_CHECKING:
    from core.studies.landmarks.result import LandmarksResult


class LandmarksStudy:
    """What is registered; torch and scikit-learn are imported when a run starts."""

    Config: type[StudyConfig] = LandmarksConfig

    def run(self, config: LandmarksConfig, context: StudyContext) -> LandmarksResult:
        """Run to the end; see :func:`core.studies.landmarks.run.run`."""
        from core.studies.landmarks.run import run

        return run(config, context)

    def load(self, folder: Path) -> LandmarksResult:
        """Read back a finished run."""
        from core.studies.landmarks.result import LandmarksResult

        return LandmarksResult.load(folder)


STUDIES.add(
    "landmarks",
    LandmarksStudy(),
    label="Landmark genes",
    help="How well do the L1000 landmarks, or any set of genes, predict the expression of all "
    "others in single cells? Linear models, neighbours, kernels and networks, on held-out cells.",
)
