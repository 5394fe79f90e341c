"""Configuration of knock-outs: cells, model, what is knocked out and how, what is read out."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from core.models.rank_transformer.modes import Mode
from core.studies.base import StudyConfig

#: Joins genes that go out together, as in ``CD3D+CD3E``.
TOGETHER = "+"


class Source(StrEnum):
    """Where the model comes from."""

    DEMONSTRATION = "demonstration"
    RUN = "pretraining run"
    FOLDER = "folder"
    UNTRAINED = "untrained"


class Target(StrEnum):
    """What is knocked out."""

    GENES = "genes"
    RANKS = "ranks"
    ALL = "all ranks"


class ModelChoice(StudyConfig):
    """The rank transformer."""

    source: Source = Field(
        Source.DEMONSTRATION,
        title="Model",
        description="demonstration: the small one that ships with the app; untrained: random "
        "weights, a control that knows no biology.",
    )
    run_id: str | None = Field(
        None, title="Pretraining run", description="A finished run of 'rank-pretraining'."
    )
    folder: str | None = Field(
        None,
        title="Model folder",
        description="config.json and model.safetensors, as of Geneformer V1.",
    )
    vocabulary: str | None = Field(
        None,
        title="Vocabulary",
        description="Table of genes, tokens and non-zero medians (parquet, CSV, TSV); default: "
        "vocabulary.parquet of the model.",
    )
    untrained_shape: Literal["demonstration", "Geneformer V1"] = Field(
        "demonstration", title="Shape of an untrained model", description="Layers and width."
    )
    seed: int = Field(0, ge=0, title="Weights' seed", description="Of an untrained model.")

    @model_validator(mode="after")
    def _complete(self) -> ModelChoice:
        if self.source is Source.RUN and not self.run_id:
            raise ValueError("name the pretraining run (run_id)")
        if self.source is Source.FOLDER and not self.folder:
            raise ValueError("name the model's folder")
        return self


class CellChoice(StudyConfig):
    """Which cells of the data set."""

    names: tuple[str, ...] = Field(
        (), title="Cells by name", description="With commas; empty: drawn at random."
    )
    n_cells: int = Field(5, ge=1, le=10_000, title="Cells", description="So many, drawn at random.")
    group_key: str | None = Field(
        None, title="Grouped by", description="Column of obs to take cells of one group only."
    )
    group: str | None = Field(None, title="Group", description="Its value.")
    min_genes: int = Field(
        0,
        ge=0,
        title="Least ranked genes",
        description="Only cells with so many genes of the vocabulary.",
    )
    seed: int = Field(0, ge=0, title="Cells' seed", description="Of the draw.")

    @field_validator("names", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @model_validator(mode="after")
    def _together(self) -> CellChoice:
        if (self.group_key is None) != (self.group is None):
            raise ValueError("a group needs its column, and a column its group")
        return self


class GoalChoice(StudyConfig):
    """A group of cells that knock-outs should move the others towards."""

    goal_key: str | None = Field(
        None, title="Goal: column", description="Column of obs that names the goal state."
    )
    goal_group: str | None = Field(None, title="Goal: group", description="Its value.")
    goal_cells: int = Field(
        50, ge=1, le=10_000, title="Goal: cells", description="So many make the goal's mean."
    )
    goal_min_cells: int = Field(
        1, ge=1, title="Goal: least cells", description="Genes knocked out in fewer are not tested."
    )

    @model_validator(mode="after")
    def _together(self) -> GoalChoice:
        if (self.goal_key is None) != (self.goal_group is None):
            raise ValueError("a goal needs its column, and a column its goal group")
        return self

    @property
    def asked(self) -> bool:
        """Whether there is a goal state."""
        return self.goal_key is not None


DEFAULT_MODES = (
    Mode.DELETE,
    Mode.SHIFT_ONLY,
    Mode.PAIRED,
    Mode.ATTENTION_MASK,
    Mode.MASK_TOKEN,
)


class KnockoutsConfig(StudyConfig):
    """Knock genes of ranked cells out, in one or more ways, and read out what answers."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("", title="Data set", description="Cells with raw counts.")
    target: Target = Field(
        Target.RANKS,
        title="Knock out",
        description="genes by name; whatever stands at some ranks; or every gene of each cell.",
    )
    genes: tuple[str, ...] = Field(
        (),
        title="Genes",
        description="Symbols or Ensembl ids with commas; genes joined by + go out together.",
    )
    ranks: tuple[int, ...] = Field(
        (100, 500, 1000, 1500, 1900),
        title="Ranks",
        description="From 0, with commas; those beyond a cell's last gene are passed over.",
    )
    stride: int = Field(
        10, ge=1, le=2048, title="Stride", description="Of all ranks, every so many-th."
    )
    modes: tuple[Mode, ...] = Field(
        DEFAULT_MODES,
        title="Modes",
        description="delete and shift only together give the share that the rank explains.",
    )
    cells: CellChoice = Field(CellChoice(), title="Cells", description="Which cells.")
    model: ModelChoice = Field(ModelChoice(), title="Model", description="The rank transformer.")
    goal: GoalChoice = Field(
        GoalChoice(), title="Goal state", description="Needs ranks or all ranks."
    )
    partners: tuple[str, ...] = Field(
        (),
        title="Known partners",
        description="Genes that should answer, with commas; they are held against genes of "
        "their own ranks.",
    )
    layer: int | None = Field(
        None,
        ge=0,
        title="Layer",
        description="Embeddings are read after it; default: the last. Geneformer's own default "
        "is the one before.",
    )
    top: int = Field(
        50, ge=5, le=500, title="Top genes", description="Of overlaps and gene-set enrichment."
    )
    window: int = Field(
        50, ge=5, le=1000, title="Rank window", description="Ranks on either side that are alike."
    )
    n_draws: int = Field(
        500, ge=50, le=20_000, title="Draws", description="Of every rank-matched null."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        title="Precision",
        description="bfloat16 hides most responses, which are 1e-7 to 1e-6; it is here to be "
        "compared.",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        title="Device",
        description="auto: the installation's setting, else a GPU where there is one.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Of nulls and intervals.")

    @field_validator("genes", "partners", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = re.split(r"[,;\n]+", value)
        words = (re.sub(r"\s*\+\s*", TOGETHER, str(word).strip()) for word in value)
        return tuple(dict.fromkeys(word for word in words if word))

    @field_validator("ranks", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [word for word in re.split(r"[\s,;]+", value) if word]
        return value

    @field_validator("ranks")
    @classmethod
    def _ordered(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(rank < 0 for rank in value):
            raise ValueError("ranks count from 0")
        return tuple(sorted(set(value)))

    @field_validator("modes", mode="before")
    @classmethod
    def _each_once(cls, value: Any) -> Any:
        if isinstance(value, str):
            names = sorted((mode.value for mode in Mode), key=len, reverse=True)
            value = re.findall("|".join(map(re.escape, names)), value)
        if not value:
            raise ValueError("choose at least one mode")
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _something(self) -> KnockoutsConfig:
        if self.target is Target.GENES and not self.genes:
            raise ValueError("name at least one gene to knock out")
        if self.target is Target.RANKS and not self.ranks:
            raise ValueError("name at least one rank to knock out")
        if any(not all(parts) for parts in self.gene_groups):
            raise ValueError("a + stands between two genes")
        if self.goal.asked and self.target is Target.ALL and self.window < self.stride:
            raise ValueError(
                f"a rank window of {self.window} holds no other knock-out of a scan with stride "
                f"{self.stride}: the goal state's null needs a wider one"
            )
        if self.goal.asked and self.target is Target.GENES:
            raise ValueError(
                "a goal state needs ranks or all ranks: other genes' knock-outs are its null"
            )
        return self

    @property
    def gene_groups(self) -> tuple[tuple[str, ...], ...]:
        """Genes that go out together, one tuple a knock-out."""
        return tuple(tuple(word.split(TOGETHER)) for word in self.genes)
