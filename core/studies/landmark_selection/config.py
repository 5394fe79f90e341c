"""Configuration of landmark selection: one place for form, CLI options and run parameters."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from core.models.selectors import SELECTORS
from core.studies.base import StudyConfig
from core.studies.landmarks.config import LandmarkDataConfig


class SelectorConfig(StudyConfig):
    """One selector of the run and its own parameters."""

    name: str = Field("group_lasso", title="Selector", description="A registered gene selector.")
    params: dict[str, Any] = Field(
        default_factory=dict, title="Parameters", description="Parameters of that selector."
    )

    @model_validator(mode="after")
    def _check(self) -> SelectorConfig:
        SELECTORS.get(self.name).value.Params(**self.params)
        return self


DEFAULT_SELECTORS = ("random", "highly_variable", "pivoted_qr", "group_lasso", "design")


class LandmarkSelectionConfig(StudyConfig):
    """Choose sets of landmark genes and judge them on held-out cells and genes."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("baron-mouse", title="Data set", description="Cells with raw counts.")
    selectors: tuple[SelectorConfig, ...] = Field(
        tuple(SelectorConfig.model_construct(name=name, params={}) for name in DEFAULT_SELECTORS),
        min_length=1,
        title="Selectors",
        description="How genes are chosen.",
    )
    n_genes: int = Field(
        910, ge=1, le=20_000, title="Genes", description="Size of each set; the paper's is 910."
    )
    lists: tuple[str, ...] = Field(
        ("L1000",),
        title="Lists",
        description="Saved gene lists that are judged beside the selected sets.",
    )
    n_splits: int = Field(
        3, ge=1, le=20, title="Splits", description="Divisions into training and test cells."
    )
    held_share: float = Field(
        0.2,
        gt=0,
        lt=0.9,
        title="Held-out genes",
        description="Share of the genes that no selector sees and that all sets must predict.",
    )
    n_bootstraps: int = Field(
        0,
        ge=0,
        le=200,
        title="Bootstraps",
        description="Selections on resampled training cells with other seeds, for stability; 0: "
        "none.",
    )
    transfer_dataset: str | None = Field(
        None,
        title="Other tissue",
        description="A second data set of cells on which the sets are tried; empty: none.",
    )
    data: LandmarkDataConfig = Field(LandmarkDataConfig(), title="Cells and genes")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        title="Device",
        description="Of networks; auto: the installation's setting, else a GPU where there is one.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Of splits, held-out genes and selectors.")

    @field_validator("lists", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
        return value

    @property
    def set_names(self) -> list[str]:
        """Names of the sets in tables, one a selector: a repeated selector gets a number."""
        names: list[str] = []
        for selector in self.selectors:
            label = SELECTORS.get(selector.name).label
            n = sum(name.split(" #")[0] == label for name in names)
            names.append(label if n == 0 else f"{label} #{n + 1}")
        return names
