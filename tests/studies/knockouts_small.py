"""Small cells and a small model, for tests of the knock-out study, its page and its journey."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from scipy import sparse

from core.data import store
from core.data.gene_sets import go_biological_process
from core.featurizers.rank_value import Vocabulary
from core.models.rank_transformer import RankTransformer, RankTransformerConfig, write_checkpoint
from core.settings import Settings
from core.studies.knockouts.config import KnockoutsConfig

ID = "small-counts"
N_CELLS, N_GENES, LENGTH = 24, 120, 64


def gene_names(n: int = N_GENES) -> list[str]:
    """Human symbols that share GO processes."""
    sets = go_biological_process()
    names: dict[str, None] = {}
    for term in sets.terms[:40]:
        names |= dict.fromkeys(sets.members(term))
    return sorted(names)[:n]


def small_cells(n_cells: int = N_CELLS, seed: int = 0) -> anndata.AnnData:
    """Counts of two states, and one cell, ``empty``, without a gene of any vocabulary."""
    rng = np.random.default_rng(seed)
    state = np.array(["ill", "well"])[np.arange(n_cells) % 2]
    rates = rng.gamma(0.6, 3.0, N_GENES) * np.ones((n_cells, 1))
    rates[state == "ill", :20] *= 5
    counts = rng.poisson(rates).astype(np.float32)
    counts = np.hstack([counts, np.full((n_cells, 1), 2.0, dtype=np.float32)])
    counts[-1, :-1] = 0
    names = [f"c{i}" for i in range(n_cells - 1)] + ["empty"]
    return anndata.AnnData(
        X=sparse.csr_matrix(counts),
        obs=pd.DataFrame({"state": pd.Categorical(state)}, index=names),
        var=pd.DataFrame(index=pd.Index([*gene_names(), "NOT_KNOWN"])),
    )


def store_small(settings: Settings, cells: anndata.AnnData | None = None, id: str = ID) -> None:
    """Put the cells into the workspace."""
    meta = {
        "label": "Small counts",
        "organism": "human",
        "values": "counts",
        "content_hash": f"hash-{id}",
    }
    store.write_cells(id, small_cells() if cells is None else cells, settings, meta)


def write_model(folder: Path, *, seed: int = 0) -> Path:
    """An untrained model of one layer with the vocabulary of the small cells."""
    vocabulary = Vocabulary.from_counts(small_cells()[:, :N_GENES].copy(), name="small")
    config = RankTransformerConfig(
        vocab_size=vocabulary.size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=LENGTH,
        initializer_range=0.15,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RankTransformer(config).eval()
    write_checkpoint(model, folder)
    vocabulary.write(folder / "vocabulary.parquet")
    return folder


def small_config(folder: Path, **values: object) -> KnockoutsConfig:
    """Three ranks of three cells in the usual modes."""
    start: dict[str, object] = {
        "dataset": ID,
        "model": {"source": "folder", "folder": str(folder)},
        "ranks": [5, 20, 35],
        "cells": {"n_cells": 3, "min_genes": 45},
        "top": 5,
        "n_draws": 50,
        "device": "cpu",
    }
    return KnockoutsConfig.model_validate(start | values)
