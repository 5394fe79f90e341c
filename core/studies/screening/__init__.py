"""The screening study: which molecules of a library have the effect that is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.screening.config import ScreeningConfig

if TYPE_CHECKING:
    from core.studies.screening.result import ScreeningResult


class ScreeningStudy:
    """What is registered; torch and RDKit are imported when a run starts."""

    Config: type[StudyConfig] = ScreeningConfig

    def run(self, config: ScreeningConfig, context: StudyContext) -> ScreeningResult:
        """Run to the end; see :func:`core.studies.screening.run.run`."""
        from core.studies.screening.run import run

        return run(config, context)

    def load(self, folder: Path) -> ScreeningResult:
        """Read back a finished screen."""
        from core.studies.screening.result import ScreeningResult

        return ScreeningResult.load(folder)


STUDIES.add(
    "screening",
    ScreeningStudy(),
    label="Drug screening",
    help="Which molecules of a library lower a gene or reverse a signature? Predicts each with a "
    "finished run, in a stream, and ranks them.",
)
