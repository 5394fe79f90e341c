"""The demonstration checkpoint that ships with the app: small, ours, and said to be so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.featurizers.rank_vocabulary import Vocabulary
from core.models.rank_transformer.checkpoint import read_checkpoint
from core.models.rank_transformer.network import RankTransformer
from core.settings import ASSETS

FOLDER = ASSETS / "knockout_demo"
CARD, VOCABULARY_FILE = "card.json", "vocabulary.parquet"


@dataclass(frozen=True)
class LoadedModel:
    """A model with the vocabulary that it was trained with.

    Attributes
    ----------
    card
        What is known of it (data, licence, measured figures); empty for a user's own folder.
    """

    model: RankTransformer
    vocabulary: Vocabulary
    card: dict[str, Any]

    @property
    def demonstration(self) -> bool:
        """Whether it is the one that ships with the app."""
        return bool(self.card.get("demonstration"))


def load_demonstration(folder: Path = FOLDER) -> LoadedModel:
    """Load the demonstration checkpoint.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    return load_model(folder)


def load_model(folder: Path, vocabulary: Path | None = None) -> LoadedModel:
    """Load a model folder with its vocabulary.

    Parameters
    ----------
    folder
        ``config.json`` and ``model.safetensors``: a Geneformer V1 folder, or one of ours.
    vocabulary
        Table of genes, tokens and medians; default: ``vocabulary.parquet`` in the folder.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the vocabulary has tokens that the model lacks.
    ConfigError
        If ``config.json`` describes another kind of model.
    """
    folder = Path(folder)
    table = folder / VOCABULARY_FILE if vocabulary is None else Path(vocabulary)
    if vocabulary is None and not table.is_file():
        raise DataError(
            f"The model folder {folder} has no {VOCABULARY_FILE}: name the table of its genes, "
            "tokens and medians."
        )
    known = Vocabulary.read(table)
    model = read_checkpoint(folder)
    if known.size > model.config.vocab_size:
        raise DataError(
            f"The vocabulary {table.name} has tokens up to {known.size - 1:,} and the model in "
            f"{folder} knows {model.config.vocab_size:,}: they do not belong together."
        )
    if (known.pad_token, known.mask_token) != (
        model.config.pad_token_id,
        model.config.mask_token_id,
    ):
        raise DataError(
            f"The vocabulary {table.name} has other padding and mask tokens "
            f"({known.pad_token}, {known.mask_token}) than the model in {folder}."
        )
    card_path = folder / CARD
    card: dict[str, Any] = {}
    if card_path.is_file():
        try:
            card = dict(json.loads(card_path.read_text(encoding="utf-8")))
        except ValueError:
            raise DataError(f"{card_path} is not a JSON file.") from None
    return LoadedModel(model, known, card)
