"""Configuration of an integration: cells, batches, preprocessing, methods, how they are judged."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from core.data.preprocessing import Preprocessing
from core.metrics.clustering import RESOLUTIONS
from core.models.integrators.base import INTEGRATORS
from core.studies.base import StudyConfig


class Genes(StrEnum):
    """Which genes the methods see."""

    WITHIN_BATCHES = "variable within batches"
    OVERALL = "variable overall"
    HIGHEST = "highest expressed"


class PreparationConfig(StudyConfig):
    """From raw counts to the log-normalised genes that every method gets."""

    min_counts: int | None = Field(
        None, ge=0, title="Least reads a cell", description="Cells with fewer are left out."
    )
    min_genes: int | None = Field(
        10, ge=0, title="Least genes a cell", description="Cells with fewer are left out."
    )
    max_mito: float | None = Field(
        None,
        ge=0,
        le=100,
        title="Most mitochondrial reads (%)",
        description="Cells with a larger share are left out; empty: none.",
    )
    gene_min_cells: int | None = Field(
        3, ge=0, title="Least cells a gene", description="Genes expressed in fewer are left out."
    )
    target_sum: float | None = Field(
        1e4,
        gt=0,
        title="Reads a cell after normalisation",
        description="Each cell is scaled to this total; empty: to the median cell.",
    )
    n_hvg: int = Field(2000, ge=50, le=20_000, title="Genes", description="How many are used.")
    genes: Genes = Field(
        Genes.WITHIN_BATCHES,
        title="Chosen as",
        description="variable within batches: in each batch, then merged, so that genes that only "
        "differ between batches gain nothing; highest expressed: as the seed paper.",
    )

    def preprocessing(self, batch_key: str) -> Preprocessing:
        """The same as steps of :func:`core.data.preprocessing.preprocess`."""
        highest = self.genes is Genes.HIGHEST
        return Preprocessing(
            min_counts=self.min_counts,
            min_genes=self.min_genes,
            max_mito=self.max_mito,
            gene_min_cells=self.gene_min_cells,
            target_sum=self.target_sum,
            n_hvg=self.n_hvg,
            hvg_flavor="highest expressed" if highest else "seurat",
            hvg_batch_key=batch_key if self.genes is Genes.WITHIN_BATCHES else None,
            hvg_only=True,
        )


class MethodConfig(StudyConfig):
    """One integration method by name, with its own parameters."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        return INTEGRATORS.get(value).name

    @field_validator("params")
    @classmethod
    def _checked(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get("name")
        if name is None:
            return value
        params = INTEGRATORS.get(name).value.Params.model_validate(value)
        return params.model_dump(mode="json", include=set(value))


DEFAULT_METHODS = ("none", "harmony")


class IntegrationConfig(StudyConfig):
    """Integrate the batches of a set of cells by several methods, and judge them alike."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("", title="Data set", description="Cells of the workspace.")
    batch_key: str = Field(
        "", title="Batches", description="Column of obs that names each cell's batch."
    )
    label_key: str | None = Field(
        None,
        title="Cell types",
        description="Column of obs with known cell types, for the scores only; the methods never "
        "see it.",
    )
    methods: tuple[MethodConfig, ...] = Field(
        tuple(MethodConfig.model_construct(name=name, params={}) for name in DEFAULT_METHODS),
        min_length=1,
        title="Methods",
        description="Each gets the same cells and genes. None (PCA) is added where it is missing: "
        "the others are held against it.",
    )
    preparation: PreparationConfig = Field(PreparationConfig(), title="Preparation")
    resolutions: tuple[float, ...] = Field(
        RESOLUTIONS,
        min_length=1,
        max_length=60,
        title="Resolutions",
        description="Leiden's resolutions, separated by commas; the seed paper's by default.",
    )
    n_draws: int = Field(
        0,
        ge=0,
        le=50,
        title="Draws",
        description="Repeat everything on so many random subsets, the same for all methods, to "
        "see which differences are noise; 0: all cells once.",
    )
    draw_share: float = Field(
        0.9, gt=0.1, lt=1, title="Share a draw", description="Part of the cells in each draw."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        title="Device",
        description="Of methods that train a network; auto: the installation's setting.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Of draws, methods and clusters.")

    @field_validator("resolutions", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [word for word in value.replace(";", ",").split(",") if word.strip()]
        return value

    @field_validator("resolutions")
    @classmethod
    def _ordered(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0 or max(value) > 20:
            raise ValueError("a resolution lies above 0 and at most at 20")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _different(self) -> IntegrationConfig:
        if self.label_key and self.label_key == self.batch_key:
            raise ValueError("batches and cell types are the same column")
        keys = [method.model_dump_json() for method in self.methods]
        if len(set(keys)) < len(keys):
            raise ValueError("the same method with the same parameters is named twice")
        return self

    @property
    def every_method(self) -> tuple[MethodConfig, ...]:
        """The methods, with the plain PCA first where nobody named it."""
        if any(method.name == "none" and not method.params for method in self.methods):
            return self.methods
        return (MethodConfig(name="none"), *self.methods)


def method_keys(methods: tuple[MethodConfig, ...]) -> dict[str, MethodConfig]:
    """A short key for each method: its name, then ``name-2`` … where it comes again."""
    keys: dict[str, MethodConfig] = {}
    for method in methods:
        key, count = method.name, 1
        while key in keys:
            count += 1
            key = f"{method.name}-{count}"
        keys[key] = method
    return keys
