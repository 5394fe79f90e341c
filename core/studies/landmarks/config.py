"""Configuration of the landmark study: one place for form, CLI options and run parameters."""

from __future__ import annotations

from pydantic import Field

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
