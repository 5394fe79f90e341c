"""Scans: broken off and taken up, refused where they are of something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CancelledError, ConfigError, RunError
from core.models.rank_transformer import RankTransformer, RankTransformerConfig
from core.models.rank_transformer.knockout import knock_out
from core.models.rank_transformer.modes import Mode
from core.models.rank_transformer.scan import clock, finished, scan, scan_ranks


@pytest.fixture(scope="module")
def model() -> RankTransformer:
    torch.manual_seed(1)
    return RankTransformer(
        RankTransformerConfig(
            vocab_size=60,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=40,
            initializer_range=0.4,
        )
    ).eval()


CELL = np.random.default_rng(2).permutation(np.arange(2, 60))[:30]


def test_scan_is_all_single_knock_outs(model: RankTransformer, tmp_path: Path) -> None:
    whole = scan(model, CELL, Mode.DELETE, folder=tmp_path / "a", piece=7)
    direct = knock_out(model, CELL, mode=Mode.DELETE)
    np.testing.assert_allclose(whole.shift, direct.shift, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(whole.after, direct.after, atol=1e-6)
    assert whole.targets == direct.targets
    assert finished(tmp_path / "a") == (30, 30)


def test_interrupted_scan_goes_on(model: RankTransformer, tmp_path: Path) -> None:
    passed: list[int] = []

    def stop() -> bool:
        passed.append(1)
        return len(passed) > 12

    with pytest.raises(CancelledError):
        scan(model, CELL, Mode.PAIRED, folder=tmp_path, piece=5, should_cancel=stop)
    assert finished(tmp_path) == (10, 30)
    told: list[tuple[int, int, str]] = []
    again = scan(
        model,
        CELL,
        Mode.PAIRED,
        folder=tmp_path,
        piece=5,
        on_progress=lambda done, total, words: told.append((done, total, words)),
    )
    assert told[0][:2] == (11, 30), "what was finished is not done again"
    assert "left" in told[0][2]
    straight = scan(model, CELL, Mode.PAIRED, piece=5)
    np.testing.assert_allclose(again.shift, straight.shift, rtol=1e-5, atol=1e-12)


def test_other_scans_are_not_mixed(model: RankTransformer, tmp_path: Path) -> None:
    scan(model, CELL, Mode.DELETE, folder=tmp_path, stride=10)
    with pytest.raises(RunError, match="another cell"):
        scan(model, CELL[:-1], Mode.DELETE, folder=tmp_path, stride=10)
    with pytest.raises(RunError, match="another mode"):
        scan(model, CELL, Mode.PAIRED, folder=tmp_path, stride=10)
    with pytest.raises(RunError, match="another choice of ranks"):
        scan(model, CELL, Mode.DELETE, folder=tmp_path, stride=5)
    other = RankTransformer(model.config).eval()
    with pytest.raises(RunError, match="another model"):
        scan(other, CELL, Mode.DELETE, folder=tmp_path, stride=10)
    anew = scan(model, CELL, Mode.PAIRED, folder=tmp_path, stride=15, resume=False)
    assert anew.ranks.tolist() == [0, 15]
    assert finished(tmp_path) == (2, 2)


def test_damaged_pieces_are_explained(model: RankTransformer, tmp_path: Path) -> None:
    scan(model, CELL, Mode.DELETE, folder=tmp_path, stride=10)
    (tmp_path / "00000.npz").write_bytes(b"PK nonsense")
    with pytest.raises(RunError, match="damaged"):
        scan(model, CELL, Mode.DELETE, folder=tmp_path, stride=10)
    (tmp_path / "plan.json").write_text("[")
    with pytest.raises(RunError, match="cannot be read"):
        finished(tmp_path)


def test_ranks_of_a_scan() -> None:
    assert scan_ranks(10, 4).tolist() == [0, 4, 8]
    assert scan_ranks(10, 4, extra=[9, 4, 12]).tolist() == [0, 4, 8, 9]
    with pytest.raises(ConfigError, match="at least 1"):
        scan_ranks(10, 0)
    assert [clock(s) for s in (40, 720, 11160)] == ["40 s", "12 min", "3.1 h"]
