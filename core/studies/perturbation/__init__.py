"""The perturbation study: how a drug changes each gene in each cell type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.perturbation.config import PerturbationConfig

if TYPE_CHECKING:
    from core.studies.perturbation.result import PerturbationResult


class PerturbationStudy:
    """What is registered; torch is imported when a run starts, not when a page is drawn."""

    Config: type[StudyConfig] = PerturbationConfig

    def run(self, config: PerturbationConfig, context: StudyContext) -> PerturbationResult:
        """Run to the end; see :func:`core.studies.perturbation.run.run`."""
        from core.studies.perturbation.run import run

        return run(config, context)

    def load(self, folder: Path) -> PerturbationResult:
        """Read back a finished run."""
        from core.studies.perturbation.result import PerturbationResult

        return PerturbationResult.load(folder)


STUDIES.add(
    "perturbation",
    PerturbationStudy(),
    label="Perturbation response",
    help="How does a drug change each gene in each cell type? Trains and compares models of the "
    "response on pairs they have not seen.",
)
