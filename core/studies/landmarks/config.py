"""Configuration of the landmark study: one place for form, CLI options and run parameters."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from core.models.expression.base import EXPRESSION_MODELS
from core.studies.base import StudyConfig


class LandmarkDataConfig(StudyConfig):
    """Filters, normalisation and split; the defaults are the paper's without its balancing."""

    min_counts: int = Field(
        1000, ge=0, title="Counts a cell", description="Cells with fewer counts are removed."
    )
    gene_min_reads: int = Field(
        3, ge=1, title="Reads a cell", description="Reads that count as expressed in a cell."
    )
    gene_min_cells: int = Field(
        5, ge=1, title="Cells a gene", description="Cells that must express a gene for it to stay."
    )
    genes_first: bool = Field(
        False,
        title="Genes before cells",
        description="Filter genes first and judge cells by the genes that stay; else cells are "
        "judged by all their reads.",
    )
    max_mito: float | None = Field(
        None,
        ge=0,
        le=100,
        title="Most mitochondrial reads (%)",
        description="Cells with more are removed; empty: off.",
    )
    target_sum: float | None = Field(
        1e4,
        gt=0,
        title="Counts after scaling",
        description="Each cell is scaled to so many counts, then log(1 + x); empty: the median.",
    )
    max_per_type: int | None = Field(
        None,
        ge=10,
        title="Cells a type",
        description="Most cells of one type, as in the paper, whose types have similar numbers; "
        "empty: all.",
    )
    max_cells: int = Field(
        20_000, ge=100, title="Cells at most", description="More cells than these are sampled."
    )
    label_key: str | None = Field(
        None, title="Cell type column", description="Empty: recognised by its name."
    )
    test_share: float = Field(
        0.2, gt=0, lt=0.9, title="Test share", description="Share of each cell type held out."
    )
    seed: int = Field(0, ge=0, title="Sampling seed", description="Seed of balancing and sampling.")


class ExpressionModelConfig(StudyConfig):
    """One model of the run and its own parameters."""

    name: str = Field("ridge", title="Model", description="A registered expression model.")
    params: dict[str, Any] = Field(
        default_factory=dict, title="Parameters", description="Parameters of that model."
    )

    @model_validator(mode="after")
    def _check(self) -> ExpressionModelConfig:
        EXPRESSION_MODELS.get(self.name).value.Params(**self.params)
        return self


#: What is run unless something else is asked for: the paper's models, and those past it.
DEFAULT_MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mean", {}),
    ("cell_type_mean", {}),
    ("linear_raw", {}),
    ("linear", {}),
    ("dnn", {}),
    ("dnn", {"loss": "weighted"}),
    ("ridge", {}),
    ("reduced_rank_ridge", {}),
    ("pls", {}),
    ("knn", {}),
    ("kernel_ridge", {}),
    ("residual_network", {}),
    ("ratio_ridge", {}),
    ("ratio_knn", {"n_neighbors": 100}),
    ("ratio_kernel", {}),
)


class LandmarksConfig(StudyConfig):
    """The landmark study: predict every other gene from a few, in cells never seen."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("baron-human", title="Data set", description="Cells with raw counts.")
    data: LandmarkDataConfig = Field(LandmarkDataConfig(), title="Filters and split")
    genes: tuple[str, ...] = Field(
        (),
        title="Measured genes",
        description="Symbols, separated by commas or spaces; empty: the 978 L1000 landmarks.",
    )
    gene_set: str = Field(
        "", max_length=80, title="Name of the set", description="How the measured genes are called."
    )
    models: tuple[ExpressionModelConfig, ...] = Field(
        tuple(
            ExpressionModelConfig.model_construct(name=name, params=params)
            for name, params in DEFAULT_MODELS
        ),
        min_length=1,
        title="Models",
        description="Each is fitted anew in every split.",
    )
    n_splits: int = Field(
        3, ge=1, le=50, title="Splits", description="Random train-test splits, stratified by type."
    )
    ensemble: bool = Field(
        True,
        title="Ensemble",
        description="Join the models, once for each metric, with weights fitted on held-out "
        "training cells.",
    )
    ensemble_folds: int = Field(
        1,  # a second one moves no weight by more than 0.02 and costs a fifth of the run
        ge=1,
        le=5,
        title="Held-out fifths",
        description="Fifths of the training cells whose predictions weigh the ensemble; every "
        "model is fitted once more for each.",
    )
    save_predictions: bool = Field(
        True,
        title="Keep predictions",
        description="Of the first split's test cells, for the figures of single genes.",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        title="Device",
        description="Of the networks; auto: the installation's setting, else a GPU if there is one.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Of the first split and of the models.")

    @field_validator("genes", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(dict.fromkeys(word for word in re.split(r"[\s,;]+", value) if word))
        return value

    @field_validator("models")
    @classmethod
    def _once(cls, value: tuple[ExpressionModelConfig, ...]) -> tuple[ExpressionModelConfig, ...]:
        keys = [model.model_dump_json() for model in value]
        if len(set(keys)) < len(keys):
            raise ValueError("two models have the same name and parameters")
        return value

    @property
    def set_label(self) -> str:
        """What the measured genes are called."""
        return self.gene_set or (f"{len(self.genes)} genes" if self.genes else "L1000")
