"""A finished pretraining: the checkpoint, its vocabulary, and what it was measured to know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from core.featurizers.rank_vocabulary import Vocabulary
from core.studies.perturbation.files import read_json
from core.studies.rank_pretraining.config import RankPretrainingConfig

if TYPE_CHECKING:
    from core.models.rank_transformer import RankTransformer

MODEL, VOCABULARY, EVALUATION, CONFIG = (
    "model",
    "vocabulary.parquet",
    "evaluation.json",
    "config.json",
)


class RankPretrainingResult:
    """What a pretraining left in its folder."""

    def __init__(self, folder: Path, evaluation: dict[str, Any]) -> None:
        self.folder, self.evaluation = folder, evaluation

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the pretraining has not finished.
        """
        folder = Path(folder)
        return cls(folder, read_json(folder / EVALUATION))

    @property
    def config(self) -> RankPretrainingConfig:
        """The configuration of the pretraining."""
        return RankPretrainingConfig.model_validate(self.evaluation["config"])

    @property
    def model_folder(self) -> Path:
        """Holds ``config.json``, ``model.safetensors`` and ``vocabulary.parquet``."""
        return self.folder / MODEL

    def model(self) -> RankTransformer:
        """The trained model, on the CPU."""
        from core.models.rank_transformer import read_checkpoint

        return read_checkpoint(self.model_folder)

    def vocabulary(self) -> Vocabulary:
        """Genes, tokens and medians that the model was trained with."""
        return Vocabulary.read(self.model_folder / VOCABULARY)

    def summary(self) -> dict[str, float]:
        """Perplexities, label accuracies, cells, genes, seconds."""
        return {
            key: float(value)
            for key, value in self.evaluation["metrics"].items()
            if isinstance(value, int | float)
        }

    def data_hash(self) -> str:
        """SHA-256 over the cells of all data sets."""
        return str(self.evaluation["data_hash"])
