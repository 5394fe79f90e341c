"""Configuration of cells' preparation: cut-offs, normalisation, coordinates, clusters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from core.data.preprocessing import Preprocessing
from core.studies.base import StudyConfig


class CellsConfig(StudyConfig):
    """Filter and normalise cells, and compute their coordinates and clusters."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("", title="Data set", description="Cells of the workspace.")
    preprocessing: Preprocessing = Field(
        Preprocessing(n_hvg=2000),
        title="Preprocessing",
        description="Cut-offs, normalisation and variable genes; cells that come without raw "
        "counts are used as they are.",
    )
    save_as: str | None = Field(
        None,
        title="Save as",
        description="Id of a new data set with the cells and genes that are left, log-normalised "
        "and with their raw counts; empty: only coordinates are kept.",
    )
    n_pcs: int = Field(
        50,
        ge=2,
        le=200,
        title="Components",
        description="Principal components; fewer where data has fewer.",
    )
    scale: bool = Field(
        False,
        title="Scale genes",
        description="Give each variable gene unit variance (values clipped at 10) before PCA.",
    )
    n_neighbors: int = Field(
        15, ge=2, le=200, title="Neighbours", description="Of each cell, in PCA space."
    )
    metric: Literal["euclidean", "cosine", "manhattan"] = Field(
        "euclidean", title="Distance", description="Between cells in PCA space."
    )
    umap: bool = Field(True, title="UMAP", description="Compute UMAP from the neighbours.")
    umap_min_dist: float = Field(
        0.5, ge=0, le=2, title="Min. distance", description="Smaller packs points denser."
    )
    umap_spread: float = Field(
        1.0, gt=0, le=10, title="Spread", description="Scale of the embedded points."
    )
    tsne: bool = Field(
        False, title="t-SNE", description="Compute t-SNE from the PCA; slow above 100,000 cells."
    )
    tsne_perplexity: float = Field(
        30, ge=2, le=500, title="Perplexity", description="Below a third of the cells."
    )
    leiden: bool = Field(True, title="Leiden clusters", description="Communities of neighbours.")
    leiden_resolution: float = Field(
        1.0, gt=0, le=20, title="Resolution", description="Higher gives more clusters."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="Of every random step.")

    @field_validator("save_as", mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return value or None
