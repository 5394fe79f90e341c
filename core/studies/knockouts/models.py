"""The model of a knock-out study, from wherever the user takes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.errors import DataError, RunError
from core.featurizers.rank_vocabulary import Vocabulary
from core.models.rank_transformer import RankTransformer, RankTransformerConfig
from core.models.rank_transformer.demonstration import (
    LoadedModel,
    load_demonstration,
    load_model,
)
from core.settings import Settings, get_settings
from core.studies.knockouts.config import ModelChoice, Source
from core.studies.rank_pretraining.result import RankPretrainingResult


def open_model(choice: ModelChoice, settings: Settings | None = None) -> LoadedModel:
    """The model and its vocabulary, on the CPU; its card always has ``name`` and ``about``.

    Raises
    ------
    DataError, ConfigError
        If a file is missing or damaged, a weight has the wrong shape, or vocabulary and model do
        not belong together.
    RunError
        If there is no such pretraining run, or it has not finished.
    """
    settings = settings or get_settings()
    table = Path(choice.vocabulary) if choice.vocabulary else None
    if choice.source is Source.DEMONSTRATION:
        loaded = load_demonstration()
        about = "A demonstration: small, trained by this project on a few thousand blood cells."
        card = {"name": "Demonstration model", "about": about} | loaded.card
        return replace(loaded, card=card | {"demonstration": True})
    if choice.source is Source.UNTRAINED:
        return _untrained(choice, table)
    if choice.source is Source.RUN:
        result = _run(choice.run_id or "", settings)
        loaded = load_model(result.model_folder, table)
        card = {
            "name": result.config.name or f"Pretraining {choice.run_id}",
            "about": "Trained in this workspace by masked tokens.",
            "dataset": result.config.dataset,
            "metrics": result.summary(),
        }
        return replace(loaded, card=card | loaded.card)
    folder = Path(choice.folder or "").expanduser()
    if not folder.is_dir():
        raise DataError(f"There is no model folder {folder}.")
    loaded = load_model(folder, table)
    card = {"name": folder.name, "about": f"A model folder of yours: {folder}."}
    return replace(loaded, card=card | loaded.card)


def _run(run_id: str, settings: Settings) -> RankPretrainingResult:
    folder = settings.runs_folder / run_id
    if not run_id or Path(run_id).name != run_id or not folder.is_dir():
        raise RunError(f"There is no pretraining run '{run_id}'; name a finished one.")
    return RankPretrainingResult.load(folder)


def _untrained(choice: ModelChoice, table: Path | None) -> LoadedModel:
    """BERT's random weights, the same for the same seed."""
    base = load_demonstration()
    vocabulary = base.vocabulary if table is None else Vocabulary.read(table)
    shape = base.model.config
    if choice.untrained_shape == "Geneformer V1":
        shape = RankTransformerConfig()
    shape = shape.model_copy(
        update={
            "vocab_size": max(vocabulary.size, 3),
            "pad_token_id": vocabulary.pad_token,
            "mask_token_id": vocabulary.mask_token,
        }
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(choice.seed)
        model = RankTransformer(shape).eval()
    card: dict[str, Any] = {
        "name": f"Untrained model in the shape of {choice.untrained_shape}",
        "about": "Random weights: whatever it shows is mechanism, not biology.",
        "untrained": True,
    }
    return LoadedModel(model, vocabulary, card)
