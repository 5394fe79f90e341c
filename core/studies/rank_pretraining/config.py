"""Configuration of a pretraining."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from core.studies.base import StudyConfig

#: Labelled cells that a data set needs, in training and held out each, to have its labels judged.
FEWEST_LABELLED = 10


class RankModelConfig(StudyConfig):
    """Shape of the transformer."""

    layers: int = Field(3, ge=1, le=12, title="Layers", description="Encoder layers.")
    width: int = Field(128, ge=8, le=1024, title="Width", description="Width of a token.")
    heads: int = Field(4, ge=1, le=16, title="Heads", description="Attention heads.")
    feedforward: int = Field(
        256, ge=8, le=4096, title="Feed-forward width", description="Units inside a layer."
    )
    max_length: int = Field(
        2048, ge=16, le=8192, title="Length", description="Most genes of a cell."
    )
    activation: Literal["relu", "gelu"] = Field(
        "relu", title="Activation", description="Geneformer V1 has relu."
    )
    dropout: float = Field(0.02, ge=0, lt=1, title="Dropout", description="In training only.")

    @model_validator(mode="after")
    def _heads_divide(self) -> RankModelConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class RankTrainingConfig(StudyConfig):
    """How it is trained."""

    epochs: int = Field(10, ge=1, le=1000, title="Epochs", description="Passes over the cells.")
    batch_size: int = Field(32, ge=2, le=1024, title="Batch size", description="Cells a step.")
    learning_rate: float = Field(
        1e-3, gt=0, le=1, title="Learning rate", description="Peak learning rate of AdamW."
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, title="Weight decay", description="Decoupled weight decay of AdamW."
    )
    mask_share: float = Field(
        0.15, gt=0, lt=1, title="Masked share", description="Share of genes to guess."
    )
    sample_genes: int = Field(
        256,
        ge=8,
        le=8192,
        title="Sampled genes",
        description="Genes of a cell in a batch, drawn at random, each at its true position.",
    )
    long_genes: int = Field(
        1024, ge=8, le=8192, title="Genes of long batches", description="Genes of a long batch."
    )
    long_share: float = Field(
        0.1, ge=0, le=1, title="Long batches", description="Share of batches with more genes."
    )
    svd_start: bool = Field(
        True,
        title="Start from an SVD",
        description="Token embeddings begin at an SVD of the training cells, positions at "
        "sinusoids, the head at token frequencies; otherwise at random, as BERT.",
    )
    smooth_positions: float = Field(
        1.0,
        ge=0,
        le=64,
        title="Smoothing of positions",
        description="After training, the embedding of each rank is averaged with its neighbours' "
        "(Gaussian of so many ranks), because a few thousand cells teach it roughly; 0: as "
        "trained.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", title="Precision", description="auto: bfloat16 on a GPU that has it."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        title="Device",
        description="auto: the installation's setting, else a GPU where there is one.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Of split, weights and batches.")


class RankPretrainingConfig(StudyConfig):
    """Train a rank transformer on counts of cells."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("", title="Data set", description="Cells with raw counts.")
    more_datasets: tuple[str, ...] = Field(
        (), title="More data sets", description="Further cells, separated by commas."
    )
    vocabulary: str | None = Field(
        None,
        title="Vocabulary",
        description="Table of genes, tokens and non-zero medians (parquet, CSV, TSV); default: "
        "computed from the training cells.",
    )
    min_cells: int = Field(
        10,
        ge=1,
        title="Cells a gene",
        description="Genes of an own vocabulary are expressed in at least so many cells.",
    )
    min_genes: int = Field(
        50, ge=4, title="Genes a cell", description="Cells with fewer ranked genes are left out."
    )
    held_out: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        title="Held-out cells",
        description="Share of cells that are only judged: perplexity and label accuracy.",
    )
    judged_cells: int = Field(
        200, ge=1, title="Judged cells", description="Held-out cells whose perplexity is measured."
    )
    label_key: str | None = Field(
        None,
        title="Labels",
        description="Column of obs whose labels nearest neighbours should agree on; cells "
        "without it are not asked.",
    )
    half_precision: bool = Field(
        True, title="Store as float16", description="Halves the checkpoint; it is read as float32."
    )
    model: RankModelConfig = Field(
        RankModelConfig(), title="Model", description="Shape of the transformer."
    )
    training: RankTrainingConfig = Field(
        RankTrainingConfig(), title="Training", description="How it is trained."
    )

    @field_validator("more_datasets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(dict.fromkeys(word for word in re.split(r"[\s,;]+", value) if word))
        return value
