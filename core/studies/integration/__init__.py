"""The integration study: which clusters are biology, and which are batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.integration.config import IntegrationConfig

if TYPE_CHECKING:
    from core.studies.integration.result import IntegrationResult


class IntegrationStudy:
    """What is registered; scanpy and torch are imported when a run starts."""

    Config: type[StudyConfig] = IntegrationConfig

    def run(self, config: IntegrationConfig, context: StudyContext) -> IntegrationResult:
        """Run to the end; see :func:`core.studies.integration.run.run`."""
        from core.studies.integration.run import run

        return run(config, context)

    def load(self, folder: Path) -> IntegrationResult:
        """Read back a finished run."""
        from core.studies.integration.result import IntegrationResult

        return IntegrationResult.load(folder)


STUDIES.add(
    "integration",
    IntegrationStudy(),
    label="Batch integration",
    help="Are clusters biology or batch? Integrates batches by several methods and judges each "
    "beside the uncorrected cells.",
)
