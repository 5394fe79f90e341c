"""scETM, alone and after the residual corrector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import sparse

from core.data.gene_sets import read_gmt
from core.errors import DataError
from core.models.integrators.base import (
    INTEGRATORS,
    Integrated,
    Integrator,
    IntegratorParams,
    raw_counts,
    read_batches,
)
from core.models.integrators.corrector import Corrector, CorrectorParams
from core.models.scetm import TopicModel, TopicOptions
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData

#: Gene sets with fewer measured genes than this make no row of a fixed pathway embedding.
LEAST_GENES = 5


class TopicParams(IntegratorParams):
    """Size of the topic model and how it is trained."""

    n_topics: int = Field(50, ge=2, le=1000, title="Topics", description="Number of topics.")
    n_embedding: int = Field(
        400, ge=2, le=4000, title="Gene embedding", description="Length of a gene's embedding ρ."
    )
    epochs: int = Field(
        60,
        ge=1,
        le=50_000,
        title="Most epochs",
        description="Training stops before when the likelihood of held-out cells stands still "
        "(the paper: always 12,000).",
    )
    patience: int = Field(
        40, ge=1, title="Patience", description="Epochs without a gain before training stops."
    )
    learning_rate: float = Field(
        0.005, gt=0, le=1, title="Learning rate", description="Of Adam; falls as a half cosine."
    )
    minibatch: int = Field(
        128,
        ge=16,
        title="Minibatch",
        description="Cells a step (the paper: 2,000, which is all cells of a small set at once).",
    )
    dropout: float = Field(0.1, ge=0, lt=1, title="Dropout", description="In the encoder.")
    weight_decay: float = Field(
        0.1, ge=0, le=10, title="Weight decay", description="Decoupled, of all weights (AdamW)."
    )
    log_input: bool = Field(
        True,
        title="Logarithmic input",
        description="The encoder sees log(1 + 10⁴ · share) of each gene; off: the share itself.",
    )
    kl_weight: float = Field(
        3e-2,
        ge=0,
        le=10,
        title="KL weight",
        description="A read; reached linearly over the first third of the epochs. The paper's "
        "1e-7 explains reads better and separates cell types worse.",
    )
    gmt: str | None = Field(
        None,
        title="Pathways (GMT file)",
        description="Fixed rows of the gene embedding: one a gene set; empty: none.",
    )

    def options(self) -> TopicOptions:
        """The same for :class:`core.models.scetm.TopicModel`."""
        names = TopicOptions.__dataclass_fields__
        return TopicOptions(**{k: v for k, v in self.model_dump().items() if k in names})


@INTEGRATORS.register(
    "scetm",
    label="scETM",
    help="Embedded topic model: cells as mixtures of topics, topics and genes in one space, a "
    "batch effect in the decoder (Zhao 2021).",
    makes="embedding",
)
class ScETM(Integrator):
    """δ of each cell, with topics, topic × gene weights and the gene embedding as extras."""

    Params = TopicParams

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Fit to ``layers["counts"]`` of all cells; a tenth judges when to stop."""
        batches = read_batches(cells, batch_key)
        counts = raw_counts(cells)
        return _topics(counts, counts, batches, cells, self.params, seed, self.device, on_progress)


class CorrectedTopicParams(TopicParams):
    """The topic model's parameters, and those of the corrector before it."""

    corrector: CorrectorParams = Field(
        default_factory=CorrectorParams, title="Corrector", description="Residual MNN correction."
    )


@INTEGRATORS.register(
    "corrected-scetm",
    label="Corrector, then scETM",
    help="Batch effects are removed by the residual corrector first, and the topic model sees the "
    "corrected expression, as the report 'Batch corrected scETM' proposes.",
    makes="embedding",
)
class CorrectedScETM(Integrator):
    """scETM on the corrector's expression, without batches of its own."""

    Params = CorrectedTopicParams

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Corrected expression, put back on the scale of each cell's counts, explained by topics."""
        batches = read_batches(cells, batch_key)
        counts = raw_counts(cells)

        def first(done: int, total: int, message: str) -> None:
            on_progress(done, 2 * total, message)

        def second(done: int, total: int, message: str) -> None:
            on_progress(total + done, 2 * total, message)

        before = Corrector(self.params.corrector, device=self.device).fit_transform(
            cells, batch_key, seed=seed, on_progress=first
        )
        if before.corrected is None:
            raise DataError("The corrector made no corrected expression.")
        made = _topics(
            _as_counts(before.corrected, counts),
            counts,
            batches,
            cells,
            self.params,
            seed,
            self.device,
            second,
            corrected=True,
        )
        kept = {k: v for k, v in before.extras.items() if k not in made.extras}
        return Integrated(made.embedding, corrected=before.corrected, extras=kept | made.extras)


def _as_counts(corrected: np.ndarray, counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Corrected log expression as counts: each cell's total is its own, entries are not whole."""
    values = np.expm1(np.maximum(corrected, 0.0))
    values[values < 1e-3] = 0.0
    totals = np.asarray(counts.sum(axis=1)).ravel()
    sums = values.sum(axis=1)
    values *= (totals / np.where(sums > 0, sums, 1.0))[:, None]
    return sparse.csr_matrix(values, dtype=np.float32)


def _topics(
    explained: sparse.csr_matrix,
    counts: sparse.csr_matrix,
    batches: Any,
    cells: AnnData,
    params: TopicParams,
    seed: int,
    device: str,
    on_progress: OnProgress,
    *,
    corrected: bool = False,
) -> Integrated:
    genes = cells.var_names.astype(str).tolist()
    codes = np.zeros_like(batches.codes) if corrected else batches.codes
    names = ("all",) if corrected else batches.names
    pathways, notes = _pathways(params.gmt, genes)
    model = TopicModel.fit(
        explained,
        codes,
        names,
        params.options(),
        seed=seed,
        device=device,
        pathways=pathways,
        on_progress=on_progress,
    )
    best = model.history.iloc[int(model.history["held_out_nll"].to_numpy().argmin())]
    notes.append(
        f"Trained for {int(model.history['epoch'].iloc[-1])} epochs; the likelihood of "
        f"{len(model.held_out_rows):,} held-out cells was best at epoch {int(best['epoch'])} "
        f"({-best['held_out_nll']:.4f} nats a read)."
    )
    return Integrated(
        model.transform(explained),
        extras={
            "topics": model.topics(explained),
            "topic_genes": model.topic_genes(),
            "gene_embedding": model.gene_embedding(),
            "losses": model.history,
            "notes": notes,
        },
    )


def _pathways(gmt: str | None, genes: list[str]) -> tuple[np.ndarray | None, list[str]]:
    """Membership rows float32 ``(n_sets, n_genes)`` of the sets that are measured, centred."""
    if gmt is None:
        return None, []
    sets = read_gmt(Path(gmt))
    at = sets.genes.get_indexer(pd.Index([gene.upper() for gene in genes]))
    found = np.flatnonzero(at >= 0)
    rows = np.zeros((len(sets), len(genes)), dtype=np.float32)
    rows[:, found] = sets.membership[:, at[found]].toarray()
    sizes = rows.sum(axis=1)
    kept = sizes >= LEAST_GENES
    if not kept.any():
        raise DataError(
            f"None of the {len(sets):,} gene sets has {LEAST_GENES} of the {len(genes):,} chosen "
            "genes: are they of this organism?"
        )
    rows = rows[kept] / np.sqrt(sizes[kept])[:, None]
    return rows, [f"{int(kept.sum()):,} of {len(sets):,} gene sets are fixed rows of ρ."]
