"""Shape of a rank-value encoded transformer, read from and written as BERT's ``config.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError, DataError

CONFIG_FILE = "config.json"


class RankTransformerConfig(BaseModel):
    """A BERT encoder with learned absolute positions; defaults are Geneformer V1's shape.

    Reference: Theodoris et al., "Transfer learning enables predictions in network biology",
    Nature 618:616 (2023), doi:10.1038/s41586-023-06139-9.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: int = Field(25_426, ge=3, title="Vocabulary", description="Tokens, specials too.")
    hidden_size: int = Field(256, ge=4, le=4096, title="Width", description="Width of a token.")
    num_hidden_layers: int = Field(6, ge=1, le=64, title="Layers", description="Encoder layers.")
    num_attention_heads: int = Field(4, ge=1, le=64, title="Heads", description="Attention heads.")
    intermediate_size: int = Field(
        512, ge=4, le=16_384, title="Feed-forward width", description="Units inside a layer."
    )
    max_position_embeddings: int = Field(
        2048, ge=2, le=65_536, title="Length", description="Longest cell in genes."
    )
    hidden_act: Literal["relu", "gelu"] = Field(
        "relu", title="Activation", description="Of the feed-forward layer and the head."
    )
    hidden_dropout_prob: float = Field(
        0.02, ge=0, lt=1, title="Dropout", description="In training only."
    )
    layer_norm_eps: float = Field(1e-12, gt=0, title="Norm epsilon", description="As in BERT.")
    initializer_range: float = Field(
        0.02, gt=0, title="Initial spread", description="Standard deviation of initial weights."
    )
    pad_token_id: int = Field(0, ge=0, title="Padding token", description="Never attended to.")
    mask_token_id: int = Field(1, ge=0, title="Mask token", description="Stands for any gene.")

    @model_validator(mode="after")
    def _heads_divide(self) -> RankTransformerConfig:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}"
            )
        return self

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_bert(cls, values: Mapping[str, Any], *, where: str = CONFIG_FILE) -> Self:
        """The shape in a BERT ``config.json``; settings that change nothing here are passed over.

        Raises
        ------
        ConfigError
            If it is not a BERT encoder with absolute positions, or a number is missing or wrong.
        """
        kind = values.get("model_type", "bert")
        if kind != "bert":
            raise ConfigError(f"{where} describes a '{kind}' model; a BERT encoder is needed.")
        positions = values.get("position_embedding_type") or "absolute"
        if positions != "absolute":
            raise ConfigError(f"{where} asks for '{positions}' positions; only absolute is known.")
        needed = [name for name in _SHAPE if name not in values]
        if needed:
            raise ConfigError(f"{where} does not say '{needed[0]}'.")
        known = {k: v for k, v in values.items() if k in cls.model_fields and v is not None}
        try:
            return cls(**known)
        except ValidationError as error:
            fault = error.errors()[0]
            name = ".".join(map(str, fault["loc"])) or "shape"
            reason = fault["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{where}: {name}: {reason}.") from None

    def to_bert(self) -> dict[str, Any]:
        """The shape as ``transformers.BertConfig`` reads it."""
        return {
            **self.model_dump(),
            "model_type": "bert",
            "architectures": ["BertForMaskedLM"],
            "attention_probs_dropout_prob": 0.0,
            "position_embedding_type": "absolute",
            "type_vocab_size": 2,
        }

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``config.json`` of a model folder.

        Raises
        ------
        DataError
            If it is missing or not JSON.
        ConfigError
            If it describes another kind of model.
        """
        path = Path(folder) / CONFIG_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise DataError(f"The folder {folder} has no {CONFIG_FILE}.") from None
        except ValueError:
            raise DataError(f"{path} is not a JSON file.") from None
        if not isinstance(values, dict):
            raise DataError(f"{path} does not hold a JSON object.")
        return cls.from_bert(values, where=str(path))

    def write(self, folder: Path) -> None:
        """Write ``config.json`` into ``folder``."""
        text = json.dumps(self.to_bert(), indent=1)
        (Path(folder) / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


_SHAPE = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
