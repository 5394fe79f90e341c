"""Training by masked tokens: it learns, repeats itself, and goes on where it was broken off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CancelledError, ConfigError
from core.models.rank_transformer import RankTransformer, RankTransformerConfig, fingerprint
from core.training.masked_tokens import MaskedTokenOptions, MaskedTokenTrainer

GENES = np.arange(2, 42)
OPTIONS = MaskedTokenOptions(
    epochs=4, batch_size=8, learning_rate=3e-3, sample_genes=16, long_genes=20, precision="float32"
)


def fresh() -> RankTransformer:
    torch.manual_seed(0)
    return RankTransformer(
        RankTransformerConfig(
            vocab_size=42,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
        )
    )


def two_kinds(n: int) -> list[np.ndarray]:
    """Cells of two kinds with disjoint genes: from the visible ones the kind is known."""
    rng = np.random.default_rng(0)
    return [rng.permutation(GENES[20 * (i % 2) :][:20]) for i in range(n)]


def test_it_learns_the_kind_of_cell() -> None:
    model = fresh()
    trainer = MaskedTokenTrainer(
        model, MaskedTokenOptions(**{**vars(OPTIONS), "epochs": 12}), GENES
    )
    cells = two_kinds(160)
    before = trainer.judge(cells[:20])
    outcome = trainer.fit(cells[20:], cells[:20])
    assert before == pytest.approx(np.log(42), abs=0.2)
    # twenty genes of its kind are possible as long as visible ones are not ruled out
    assert outcome.history[-1]["val_loss"] < np.log(30)


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    cells = two_kinds(64)
    straight = fresh()
    MaskedTokenTrainer(straight, OPTIONS, GENES).fit(cells, cells[:8])
    broken = fresh()
    with pytest.raises(CancelledError):
        MaskedTokenTrainer(broken, OPTIONS, GENES).fit(
            cells, cells[:8], folder=tmp_path, should_cancel=lambda: True
        )
    again = fresh()
    outcome = MaskedTokenTrainer(again, OPTIONS, GENES).fit(
        cells, cells[:8], folder=tmp_path, resume=True
    )
    assert [record["epoch"] for record in outcome.history] == [1, 2, 3, 4]
    assert fingerprint(again) == fingerprint(straight)


def test_too_few_cells_and_bad_losses() -> None:
    with pytest.raises(ConfigError, match="at least two cells"):
        MaskedTokenTrainer(fresh(), OPTIONS, GENES).fit(two_kinds(1))
    model = fresh()
    with torch.no_grad():
        model.head_bias[5] = float("nan")
    with pytest.raises(ConfigError, match="loss is nan"):
        MaskedTokenTrainer(model, OPTIONS, GENES).fit(two_kinds(16))
