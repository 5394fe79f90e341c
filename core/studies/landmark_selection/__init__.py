"""The landmark-selection study: which few genes stand for all the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.landmark_selection.config import LandmarkSelectionConfig

if TYPE_CHECKING:
    from core.studies.landmark_selection.result import LandmarkSelectionResult


class LandmarkSelectionStudy:
    """What is registered; torch is imported when a network is chosen."""

    Config: type[StudyConfig] = LandmarkSelectionConfig

    def run(
        self, config: LandmarkSelectionConfig, context: StudyContext
    ) -> LandmarkSelectionResult:
        """Run to the end; see :func:`core.studies.landmark_selection.run.run`."""
        from core.studies.landmark_selection.run import run

        return run(config, context)

    def load(self, folder: Path) -> LandmarkSelectionResult:
        """Read back a finished selection."""
        from core.studies.landmark_selection.result import LandmarkSelectionResult

        return LandmarkSelectionResult.load(folder)


STUDIES.add(
    "landmark-selection",
    LandmarkSelectionStudy(),
    label="Landmark selection",
    help="Which few genes predict all the others? Chooses sets by several methods and judges them "
    "on cells and genes that none of them saw.",
)
