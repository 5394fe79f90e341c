"""What is cut, normalised and selected; and the seed studies' choices as presets."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.registry import Registry


class Preprocessing(BaseModel):
    """Steps from raw counts to log-normalised expression; ``None`` leaves a step out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_counts: int | None = Field(
        None, ge=0, title="Min. reads", description="Cells with fewer reads are left out."
    )
    max_counts: int | None = Field(
        None, ge=1, title="Max. reads", description="Cells with more reads may be doublets."
    )
    min_genes: int | None = Field(
        None, ge=0, title="Min. genes", description="Genes with at least one read."
    )
    max_genes: int | None = Field(
        None, ge=1, title="Max. genes", description="Cells with more genes may be doublets."
    )
    max_mito: float | None = Field(
        None,
        ge=0,
        le=100,
        title="Max. mito (%)",
        description="Share of a cell's reads on mitochondrial genes; more speaks for a dying cell.",
    )
    gene_min_reads: int = Field(
        1,
        ge=1,
        title="Min. reads in a cell",
        description="A gene counts in a cell from this many reads on.",
    )
    gene_min_cells: int | None = Field(
        None, ge=0, title="Min. cells", description="Genes expressed in fewer are left out."
    )
    genes_first: bool = Field(
        False,
        title="Genes before cells",
        description="Leave genes out first and judge cells by the genes that stay; else cells are "
        "judged by all genes, and genes by the cells that stay.",
    )
    balance_key: str | None = Field(
        None,
        title="Balance",
        description="Column of obs whose groups are subsampled to equal numbers of cells.",
    )
    max_per_group: int | None = Field(
        None,
        ge=1,
        title="Most cells a group",
        description="With a balance column; empty: as many as the smallest group has.",
    )
    target_sum: float | None = Field(
        1e4,
        gt=0,
        title="Normalise to",
        description="Each cell is scaled to this total; empty: to the median cell.",
    )
    log: bool = Field(True, title="Log", description="ln(1 + x) of the normalised values.")
    n_hvg: int | None = Field(
        None,
        ge=2,
        title="Highly variable genes",
        description="How many are marked in var['highly_variable']; empty: none, all are used.",
    )
    hvg_flavor: Literal["seurat", "cell_ranger", "highest expressed"] = Field(
        "seurat",
        title="Chosen by",
        description="Dispersion as in Seurat or Cell Ranger (scanpy's flavours, on log values), or "
        "the highest mean of the normalised values.",
    )
    hvg_batch_key: str | None = Field(
        None,
        title="Within batches of",
        description="Column of obs: variable genes are chosen in each batch and merged.",
    )
    hvg_only: bool = Field(
        False,
        title="Keep only them",
        description="Leave all other genes out of the result; else they are only marked.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Seed of the balancing subsample.")

    @model_validator(mode="after")
    def _consistent(self) -> Preprocessing:
        for low, high, what in (
            (self.min_counts, self.max_counts, "reads"),
            (self.min_genes, self.max_genes, "genes"),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"least {what} a cell ({low}) is more than most ({high})")
        if self.max_per_group is not None and self.balance_key is None:
            raise ValueError("most cells a group needs a balance column")
        if self.n_hvg is None and self.hvg_only:
            raise ValueError("to keep only highly variable genes, say how many")
        if self.n_hvg is not None and not self.log and self.hvg_flavor != "highest expressed":
            raise ValueError("highly variable genes are chosen on log values: switch the log on")
        if self.hvg_batch_key is not None and self.hvg_flavor == "highest expressed":
            raise ValueError(
                "the highest expressed genes are chosen over all cells, not in batches"
            )
        return self


#: Choices of the seed studies and of scanpy's tutorial, by name.
PRESETS: Registry[Preprocessing] = Registry("preset of preprocessing")
PRESETS.add(
    "landmarks paper",
    Preprocessing(gene_min_reads=3, gene_min_cells=5, genes_first=True, min_counts=1000),
    label="Landmarks paper",
    help="Genes with at least 3 reads in at least 5 cells, cells with at least 1,000 reads, 10,000 "
    "reads a cell, log: L1000 and Beyond.",
)
PRESETS.add(
    "deepMNN paper",
    Preprocessing(min_genes=10, gene_min_cells=3, n_hvg=2000),
    label="deepMNN paper",
    help="Cells with at least 10 genes, genes in at least 3 cells, 10,000 reads a cell, log, 2,000 "
    "highly variable genes (Zou et al., Frontiers in Genetics 2021).",
)
PRESETS.add(
    "scETM paper",
    Preprocessing(
        min_genes=10, gene_min_cells=3, n_hvg=2000, hvg_flavor="highest expressed", hvg_only=True
    ),
    label="Batch-corrected scETM paper",
    help="As deepMNN, but with the 2,000 highest expressed genes, and only these.",
)
PRESETS.add(
    "scanpy",
    Preprocessing(min_genes=200, gene_min_cells=3, n_hvg=2000),
    label="Plain scanpy",
    help="Cells with at least 200 genes, genes in at least 3 cells, 10,000 reads a cell, log, 2,000 "
    "highly variable genes marked: scanpy's tutorial.",
)
PRESETS.add(
    "normalise only",
    Preprocessing(),
    label="Normalise only",
    help="Every cell and gene stays: 10,000 reads a cell, log.",
)
