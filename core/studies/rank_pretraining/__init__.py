"""The pretraining study: a rank transformer learns to guess masked genes of your cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.rank_pretraining.config import RankPretrainingConfig

if TYPE_CHECKING:
    from core.studies.rank_pretraining.result import RankPretrainingResult


class RankPretrainingStudy:
    """What is registered; torch is imported when a run starts, not when a page is drawn."""

    Config: type[StudyConfig] = RankPretrainingConfig

    def run(self, config: RankPretrainingConfig, context: StudyContext) -> RankPretrainingResult:
        """Run to the end; see :func:`core.studies.rank_pretraining.run.run`."""
        from core.studies.rank_pretraining.run import run

        return run(config, context)

    def load(self, folder: Path) -> RankPretrainingResult:
        """Read back a finished run."""
        from core.studies.rank_pretraining.result import RankPretrainingResult

        return RankPretrainingResult.load(folder)


STUDIES.add(
    "rank-pretraining",
    RankPretrainingStudy(),
    label="Rank transformer",
    help="Trains a small Geneformer-like transformer on ranked genes of your cells, by masked "
    "tokens, for in-silico knock-outs.",
)
