"""Configuration of a screen: what is read, which run predicts, what counts as a hit."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from core.studies.base import StudyConfig

#: Stands for the signature that ships with the app, leukaemic against healthy bone marrow.
LEUKAEMIA = "leukaemia"


class Kind(StrEnum):
    """What a molecule is scored by."""

    GENES = "genes"
    SIGNATURE = "signature"


class Direction(StrEnum):
    """What the molecule should do to the genes, or to the signature."""

    LOWER = "lower"
    RAISE = "raise"
    REVERSE = "reverse"
    MATCH = "match"


class Score(StrEnum):
    """How a response is compared with a signature."""

    WEIGHTED = "weighted"
    COSINE = "cosine"
    SPEARMAN = "spearman"


DIRECTIONS = {
    Kind.GENES: (Direction.LOWER, Direction.RAISE),
    Kind.SIGNATURE: (Direction.REVERSE, Direction.MATCH),
}


class ObjectiveConfig(StudyConfig):
    """What the screen looks for; a higher score is always better."""

    kind: Kind = Field(
        Kind.GENES,
        title="Objective",
        description="genes: the mean predicted response of some genes; signature: connectivity "
        "of the whole response with a signature.",
    )
    direction: Direction = Field(
        Direction.LOWER,
        title="Direction",
        description="lower or raise genes; reverse or match a signature.",
    )
    genes: tuple[str, ...] = Field(
        ("CD69",), title="Genes", description="Genes to lower or raise, separated by commas."
    )
    up: tuple[str, ...] = Field(
        (), title="Up genes", description="Genes that are up in the signature."
    )
    down: tuple[str, ...] = Field(
        (), title="Down genes", description="Genes that are down in the signature."
    )
    table: str | None = Field(
        None,
        title="Signature table",
        description="A differential-expression table in the workspace's uploads instead of the two "
        "lists; 'leukaemia' is the example that ships with the app.",
    )
    n_top: int = Field(
        150, ge=1, le=5000, title="Genes a direction", description="Strongest genes of the table."
    )
    score: Score = Field(
        Score.WEIGHTED,
        title="Score",
        description="weighted: the Connectivity Map's running sums, which need every gene's rank; "
        "cosine: exact at streaming speed, for large libraries; spearman: ranks of the "
        "signature's genes.",
    )

    @field_validator("genes", "up", "down", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(dict.fromkeys(word for word in re.split(r"[\s,;]+", value) if word))
        return value

    @model_validator(mode="after")
    def _complete(self) -> ObjectiveConfig:
        allowed = DIRECTIONS[self.kind]
        if self.direction not in allowed:
            raise ValueError(f"for {self.kind} the direction is {allowed[0]} or {allowed[1]}")
        if self.kind is Kind.GENES and not self.genes:
            raise ValueError("name at least one gene")
        if self.kind is Kind.SIGNATURE and not (self.up or self.down or self.table):
            raise ValueError("give up or down genes, or a table")
        return self


class StandardiseConfig(StudyConfig):
    """How structures are standardised; parent, neutral form and clean-up are always done."""

    canonical_tautomer: bool = Field(
        False,
        title="Canonical tautomer",
        description="Also move every molecule to its canonical tautomer; slow.",
    )


class ScreeningConfig(StudyConfig):
    """Screen a library of molecules with a finished perturbation run."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    input: str = Field(
        "",
        title="Library",
        description="A file of molecules (in the workspace's uploads, or a path), or the id of a "
        "perturbation data set, whose compounds are screened.",
    )
    smiles_column: str | None = Field(
        None, title="Structure column", description="Empty: recognised by name or content."
    )
    id_column: str | None = Field(
        None, title="Identifier column", description="Empty: recognised by name, else row numbers."
    )
    run_id: str = Field("", title="Model", description="A finished perturbation run.")
    cell_types: tuple[str, ...] = Field(
        (), title="Cell types", description="In which the objective is judged; empty: all."
    )
    objective: ObjectiveConfig = Field(ObjectiveConfig(), title="Objective")
    standardise: StandardiseConfig = Field(StandardiseConfig(), title="Standardisation")
    n_permutations: int = Field(
        1000,
        ge=0,
        le=100_000,
        title="Permutations",
        description="Random signatures that give the p-value; 0: none.",
    )
    domain_similarity: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Domain",
        description="Least Tanimoto similarity (Morgan 2, 2,048 bits) to the nearest training "
        "compound for a molecule to count as inside the training chemistry.",
    )
    chunk_size: int = Field(
        2000, ge=10, le=100_000, title="Chunk", description="Rows that are done and saved at once."
    )
    top_n: int = Field(
        50,
        ge=0,
        le=2000,
        title="Kept responses",
        description="Best molecules whose full predicted responses are kept.",
    )
    seed: int = Field(0, ge=0, title="Seed", description="Seed of the random signatures.")

    @field_validator("cell_types", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value
