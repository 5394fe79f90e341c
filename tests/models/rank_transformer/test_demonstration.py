"""The checkpoint that ships with the app, and the artefact that it shows on a real cell."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from core.errors import DataError
from core.featurizers.rank_value import encode
from core.metrics.knockout import agreement, positional_share, read_outs
from core.models.rank_transformer import Mode, knock_out
from core.models.rank_transformer.demonstration import FOLDER, load_demonstration


def test_it_is_small_and_says_what_it_is() -> None:
    loaded = load_demonstration()
    assert loaded.demonstration
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 6e6
    assert loaded.vocabulary.size == loaded.model.config.vocab_size
    assert loaded.vocabulary.organism == "human"
    for key in ("data", "licence", "training", "metrics", "note"):
        assert loaded.card[key], f"the card does not say its {key}"
    assert loaded.card["metrics"]["perplexity"] > 1


def test_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no vocabulary\.parquet"):
        load_demonstration(tmp_path)


def test_the_artefact_on_a_real_cell(shared_data: Path) -> None:
    """Deleting steps, controls that keep positions do not; nothing here is fitted to it."""
    loaded = load_demonstration()
    cells = anndata.read_h5ad(shared_data / "pbmc_3chemistries.h5ad")
    detected = np.asarray((cells.X > 0).sum(axis=1)).ravel()
    deep = cells[[int(np.argmax(detected))]].copy()
    cell = encode(deep, loaded.vocabulary).cell(0)
    assert len(cell) >= 1950
    ranks = [100, 500, 1500]
    found = {
        mode: knock_out(loaded.model, cell, ranks, mode)
        for mode in (Mode.DELETE, Mode.SHIFT_ONLY, Mode.PAIRED, Mode.ATTENTION_MASK)
    }
    outs = {mode: read_outs(r.shift, r.ranks) for mode, r in found.items()}
    for column in ("auc", "auc_near"):
        assert (outs[Mode.DELETE][column] >= 0.99).all()
        assert (outs[Mode.SHIFT_ONLY][column] >= 0.99).all()
    # a trend along the cell is no step: the genes on either side of the rank answer alike
    assert (np.abs(outs[Mode.ATTENTION_MASK]["auc_near"] - 0.5) < 0.3).all()
    assert (np.abs(outs[Mode.PAIRED]["auc_near"] - 0.5) < 0.3).all()
    assert positional_share(found[Mode.DELETE].shift, found[Mode.SHIFT_ONLY].shift) > 0.9
    mask = found[Mode.ATTENTION_MASK].shift
    paired = agreement(found[Mode.PAIRED].shift, mask, np.array(ranks))["spearman"]
    raw = agreement(found[Mode.DELETE].shift, mask, np.array(ranks))["spearman"]
    assert (paired >= 0.95).all() and (raw < 0.9).all()
