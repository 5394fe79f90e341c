"""The knock-out study: how much of a transformer's answer is biology, how much the rank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.knockouts.config import KnockoutsConfig

if TYPE_CHECKING:
    from core.studies.knockouts.result import KnockoutsResult


class KnockoutsStudy:
    """What is registered; torch is imported when a run starts."""

    Config: type[StudyConfig] = KnockoutsConfig

    def run(self, config: KnockoutsConfig, context: StudyContext) -> KnockoutsResult:
        """Run to the end; see :func:`core.studies.knockouts.run.run`."""
        from core.studies.knockouts.run import run

        return run(config, context)

    def load(self, folder: Path) -> KnockoutsResult:
        """Read back a finished run."""
        from core.studies.knockouts.result import KnockoutsResult

        return KnockoutsResult.load(folder)


STUDIES.add(
    "knockouts",
    KnockoutsStudy(),
    label="Knock-outs",
    help="Removes genes from ranked cells in silico and tells how much of a transformer's answer "
    "is the gene's and how much its rank's.",
)
