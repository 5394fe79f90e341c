"""A pretraining from start to end: counts, vocabulary, training, judging on held-out cells."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from core.data import load_cells
from core.data.cells import cells_hash
from core.errors import ConfigError, DataError
from core.featurizers.rank_value import RankEncoded, Vocabulary, encode
from core.models.rank_transformer import RankTransformer, RankTransformerConfig, write_checkpoint
from core.models.rank_transformer.pretraining import average_positions, gene_vectors, start_at
from core.studies.base import StudyContext
from core.studies.perturbation.files import write_json
from core.studies.rank_pretraining.config import RankPretrainingConfig
from core.studies.rank_pretraining.judging import judge_labels, judge_perplexity
from core.studies.rank_pretraining.result import (
    EVALUATION,
    MODEL,
    VOCABULARY,
    RankPretrainingResult,
)
from core.training import resolve_device
from core.training.masked_tokens import MaskedTokenOptions, MaskedTokenTrainer

if TYPE_CHECKING:
    from anndata import AnnData

WORK = "checkpoints"
_NOT_OF_THE_TRAINER = {"svd_start", "smooth_positions", "device"}


@dataclass(frozen=True)
class Prepared:
    """Ranked cells of all data sets, and which of them train."""

    encoded: list[RankEncoded]
    cells: list[np.ndarray]
    origin: np.ndarray  # (n, 2): data set, row in it
    train: np.ndarray
    held_out: np.ndarray
    vocabulary: Vocabulary
    data_hash: str
    sources: list[AnnData]


def run(config: RankPretrainingConfig, context: StudyContext) -> RankPretrainingResult:
    """Train to the end, going on from a checkpoint where there is one.

    Raises
    ------
    ConfigError, DataError
        Where a data set is not there or has no counts, or too few cells or genes are left.
    CancelledError
        After writing a checkpoint.
    """
    started = time.perf_counter()
    folder = context.folder
    context.on_progress(0, 0, "Reading and ranking the cells")
    data = prepare(config, context)
    device = resolve_device(config.training.device, context.settings.device)
    model = build(config, data).to(device)
    train = [data.cells[i] for i in data.train]
    held_out = [data.cells[i] for i in data.held_out]
    options = MaskedTokenOptions(**config.training.model_dump(exclude=_NOT_OF_THE_TRAINER))
    trainer = MaskedTokenTrainer(model, options, data.vocabulary.tokens)

    def on_epoch(record: dict[str, Any]) -> None:
        context.on_epoch({"model": "rank transformer", "fold": "final", **record})

    def on_step(done: int, total: int) -> None:
        rate = done / max(time.perf_counter() - started, 1e-9)
        context.on_progress(done, total, f"step {done:,} of {total:,}, {rate:.1f}/s")

    outcome = trainer.fit(
        train,
        held_out[: config.judged_cells],
        folder=folder / WORK,
        resume=context.resume,
        on_epoch=on_epoch,
        on_step=on_step,
        should_cancel=context.should_cancel,
    )
    model.eval()
    average_positions(model, config.training.smooth_positions)
    context.on_progress(0, 0, "Judging on held-out cells")
    metrics: dict[str, Any] = {
        "n_cells": len(data.cells),
        "n_training_cells": len(train),
        "n_genes": len(data.vocabulary),
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "epochs": outcome.epochs,
        "training_seconds": float(sum(r["seconds"] for r in outcome.history)),
        **judge_perplexity(model, train, held_out[: config.judged_cells], data, config),
        **judge_labels(model, data, config),
    }
    dtype = torch.float16 if config.half_precision else torch.float32
    write_checkpoint(model, folder / MODEL, dtype=dtype)
    data.vocabulary.write(folder / MODEL / VOCABULARY)
    reports = {
        id: one.report.sentences() for id, one in zip(_ids(config), data.encoded, strict=True)
    }
    write_json(
        folder / EVALUATION,
        {
            "config": config.model_dump(mode="json"),
            "metrics": metrics,
            "data_hash": data.data_hash,
            "history": outcome.history,
            "encoding": reports,
        },
    )
    return RankPretrainingResult.load(folder)


def _ids(config: RankPretrainingConfig) -> list[str]:
    return list(dict.fromkeys([config.dataset, *config.more_datasets]))


def prepare(config: RankPretrainingConfig, context: StudyContext) -> Prepared:
    """Load, split, and rank; vocabulary and medians come from the training cells alone."""
    if not config.dataset:
        raise ConfigError("Name a data set of cells to train on.")
    sources = [load_cells(id, context.settings) for id in _ids(config)]
    digest = hashlib.sha256("".join(cells_hash(cells) for cells in sources).encode())
    rng = np.random.default_rng(config.training.seed)
    kept_out = [rng.random(cells.n_obs) < config.held_out for cells in sources]
    if config.vocabulary is not None:
        vocabulary = Vocabulary.read(Path(config.vocabulary))
    else:
        training = [cells[~out] for cells, out in zip(sources, kept_out, strict=True)]
        vocabulary = Vocabulary.from_counts(
            training, min_cells=config.min_cells, name=" + ".join(_ids(config))
        )
    encoded = [encode(cells, vocabulary, max_length=config.model.max_length) for cells in sources]
    cells: list[np.ndarray] = []
    origin, out_of_training = [], []
    for number, one in enumerate(encoded):
        for row in np.flatnonzero(one.lengths >= config.min_genes):
            cells.append(one.cell(int(row)))
            origin.append((number, int(row)))
            out_of_training.append(bool(kept_out[number][row]))
    held = np.array(out_of_training, dtype=bool)
    if held.sum() < 1 or (~held).sum() < 2:
        raise DataError(
            f"Only {len(cells):,} cells have {config.min_genes} ranked genes or more; too few to "
            "train on some and judge on others."
        )
    order = rng.permutation(np.flatnonzero(held))
    return Prepared(
        encoded,
        cells,
        np.array(origin),
        np.flatnonzero(~held),
        order,
        vocabulary,
        digest.hexdigest(),
        sources,
    )


def build(config: RankPretrainingConfig, data: Prepared) -> RankTransformer:
    """The untrained model, at its start."""
    shape = RankTransformerConfig(
        vocab_size=data.vocabulary.size,
        hidden_size=config.model.width,
        num_hidden_layers=config.model.layers,
        num_attention_heads=config.model.heads,
        intermediate_size=config.model.feedforward,
        max_position_embeddings=config.model.max_length,
        hidden_act=config.model.activation,
        hidden_dropout_prob=config.model.dropout,
        pad_token_id=data.vocabulary.pad_token,
        mask_token_id=data.vocabulary.mask_token,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        model = RankTransformer(shape)
    if config.training.svd_start:
        values, frequency = _training_values(data)
        vectors = gene_vectors(values, config.model.width, seed=config.training.seed)
        start_at(model, vectors, data.vocabulary.tokens, frequency)
    return model


def _training_values(data: Prepared) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Values of training cells ``(n_train, n_genes)``, and how often each gene is ranked."""
    place = np.full(data.vocabulary.size, -1)
    place[data.vocabulary.tokens] = np.arange(len(data.vocabulary))
    columns, values, lengths = [], [], []
    for number, row in data.origin[data.train]:
        one = data.encoded[number]
        piece = slice(one.indptr[row], one.indptr[row + 1])
        columns.append(place[one.tokens[piece]])
        values.append(one.values[piece])
        lengths.append(len(columns[-1]))
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate(columns)
    matrix = sparse.csr_matrix(
        (np.concatenate(values), flat, indptr), shape=(len(data.train), len(data.vocabulary))
    )
    return matrix, np.bincount(flat, minlength=len(data.vocabulary)).astype(np.float64)
