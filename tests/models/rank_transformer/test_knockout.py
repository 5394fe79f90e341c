"""The engine against edited inputs through the plain model, mode by mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import CancelledError, ConfigError
from core.models.rank_transformer import RankTransformer, RankTransformerConfig
from core.models.rank_transformer.knockout import (
    KnockoutResult,
    estimate_seconds,
    knock_out,
    over_express_new,
)
from core.models.rank_transformer.modes import Mode, edit, insert

LENGTH = 33
SINGLE_MODES = [mode for mode in Mode if mode is not Mode.PAIRED]


@pytest.fixture(scope="module")
def model() -> RankTransformer:
    torch.manual_seed(5)
    config = RankTransformerConfig(
        vocab_size=80,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
        initializer_range=0.4,
    )
    return RankTransformer(config).eval()


@pytest.fixture(scope="module")
def cell() -> np.ndarray:
    return np.random.default_rng(0).permutation(np.arange(2, 80))[:LENGTH]


def embed(model: RankTransformer, cell: np.ndarray, ranks: list[int], mode: Mode) -> np.ndarray:
    """Embeddings of one edited input by original rank, ``(l, d)``; NaN where there are none."""
    one = edit(cell, ranks, mode)
    with torch.no_grad():
        hidden = model(
            torch.as_tensor(one.tokens)[None], None, torch.as_tensor(one.positions)[None]
        )
    out = np.full((len(cell), 32), np.nan)
    there = one.source >= 0
    out[one.source[there]] = hidden[0].numpy()[there]
    return out


def plain(model: RankTransformer, cell: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.as_tensor(cell)[None])[0].double().numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


@pytest.mark.parametrize("mode", SINGLE_MODES)
def test_singles_agree_with_edited_inputs(
    model: RankTransformer, cell: np.ndarray, mode: Mode
) -> None:
    result = knock_out(model, cell, mode=mode)
    before = plain(model, cell)
    for rank in range(LENGTH):
        after = embed(model, cell, [rank], mode)
        np.testing.assert_allclose(result.cosine[rank], cosine(before, after), atol=1e-5)
    assert result.targets == tuple((rank,) for rank in range(LENGTH))
    gone = mode not in (Mode.SHIFT_ONLY, Mode.OVER_EXPRESS)
    assert (np.isnan(result.shift) == (np.eye(LENGTH, dtype=bool) & gone)).all()


@pytest.mark.parametrize("mode", SINGLE_MODES)
def test_attention_that_falls_on_one_gene_alone(cell: np.ndarray, mode: Mode) -> None:
    """Logits far apart: what is left when the strongest key goes must not drown in its rounding."""
    torch.manual_seed(1)
    config = RankTransformerConfig(
        vocab_size=80,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
        initializer_range=0.4,
    )
    sharp = RankTransformer(config).eval()
    with torch.no_grad():
        sharp.layers[0].qkv.weight[:64] *= 12
    result = knock_out(sharp, cell, mode=mode)
    before = plain(sharp, cell)
    for rank in range(LENGTH):
        after = embed(sharp, cell, [rank], mode)
        np.testing.assert_allclose(result.cosine[rank], cosine(before, after), atol=1e-4)


def test_paired_control_compares_delete_with_its_own_shift(
    model: RankTransformer, cell: np.ndarray
) -> None:
    result = knock_out(model, cell, [4, 20], Mode.PAIRED)
    for row, rank in enumerate((4, 20)):
        left = embed(model, cell, [rank], Mode.SHIFT_ONLY)
        right = embed(model, cell, [rank], Mode.DELETE)
        np.testing.assert_allclose(result.cosine[row], cosine(left, right), atol=1e-5)
        others = np.arange(LENGTH) != rank
        np.testing.assert_allclose(result.before[row], left[others].mean(0), atol=1e-5)
        np.testing.assert_allclose(result.after[row], right[others].mean(0), atol=1e-5)


def test_identity_attention_mask_is_delete_with_positions_kept(
    model: RankTransformer, cell: np.ndarray
) -> None:
    """The mask itself, given to the model as a mask, against both short cuts of the engine."""
    before = plain(model, cell)
    masked = knock_out(model, cell, mode=Mode.ATTENTION_MASK)
    kept = knock_out(model, cell, mode=Mode.DELETE_KEEP_POSITIONS)
    np.testing.assert_array_equal(masked.shift, kept.shift)
    for rank in (0, 7, 32):
        mask = torch.ones(1, LENGTH)
        mask[0, rank] = 0
        with torch.no_grad():
            after = model(torch.as_tensor(cell)[None], mask)[0].numpy()
        others = np.arange(LENGTH) != rank
        np.testing.assert_allclose(
            masked.cosine[rank, others], cosine(before, after)[others], atol=1e-5
        )


@pytest.mark.parametrize("mode", list(Mode))
def test_batch_composition_does_not_matter(
    model: RankTransformer, cell: np.ndarray, mode: Mode
) -> None:
    together = knock_out(model, cell, mode=mode, batch_size=8)
    alone = knock_out(model, cell, [19], mode, batch_size=1)
    backwards = knock_out(model, cell, [30, 19, 2], mode, batch_size=2)
    np.testing.assert_allclose(alone.shift[0], together.shift[19], atol=1e-6)
    np.testing.assert_allclose(backwards.shift[1], together.shift[19], atol=1e-6)
    np.testing.assert_allclose(backwards.cell_shift[2], together.cell_shift[2], atol=1e-6)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_group_of_one_is_a_single(model: RankTransformer, cell: np.ndarray, mode: Mode) -> None:
    groups = knock_out(model, cell, [[5, 9, 11], [3], 3, [8, 2]], mode)
    np.testing.assert_array_equal(groups.shift[1], groups.shift[2])
    assert groups.targets == ((5, 9, 11), (3,), (3,), (2, 8))
    if mode is not Mode.PAIRED:
        after = embed(model, cell, [5, 9, 11], mode)
        np.testing.assert_allclose(groups.cosine[0], cosine(plain(model, cell), after), atol=1e-5)


def test_edits_by_hand() -> None:
    cell = np.array([10, 11, 12, 13, 14])

    def of(mode: Mode, ranks: list[int]) -> tuple[list[int], list[int], list[int]]:
        one = edit(cell, ranks, mode, mask_token=1)
        return one.tokens.tolist(), one.positions.tolist(), one.source.tolist()

    assert of(Mode.DELETE, [1]) == ([10, 12, 13, 14], [0, 1, 2, 3], [0, 2, 3, 4])
    assert of(Mode.ATTENTION_MASK, [1]) == ([10, 12, 13, 14], [0, 2, 3, 4], [0, 2, 3, 4])
    assert of(Mode.MASK_TOKEN, [1]) == ([10, 1, 12, 13, 14], [0, 1, 2, 3, 4], [0, -1, 2, 3, 4])
    assert of(Mode.SHIFT_ONLY, [1]) == ([10, 11, 12, 13, 14], [0, 1, 1, 2, 3], [0, 1, 2, 3, 4])
    assert of(Mode.SHIFT_ONLY, [1, 3])[1] == [0, 1, 1, 2, 2]
    assert of(Mode.OVER_EXPRESS, [3, 1]) == (
        [11, 13, 10, 12, 14],
        [0, 1, 2, 3, 4],
        [1, 3, 0, 2, 4],
    )
    # the rest stands in shift-only where it stands in delete, for groups as well
    gone = edit(cell, [1, 3], Mode.DELETE)
    moved = edit(cell, [1, 3], Mode.SHIFT_ONLY)
    assert moved.positions[gone.source].tolist() == gone.positions.tolist()
    new = insert(cell, [40, 41], max_length=6)
    assert new.tokens.tolist() == [40, 41, 10, 11, 12, 13]
    assert new.source.tolist() == [-1, -1, 0, 1, 2, 3]


def test_cell_shift_with_and_without_the_gene(model: RankTransformer, cell: np.ndarray) -> None:
    before = plain(model, cell)
    result = knock_out(model, cell, [6], Mode.DELETE)
    after = embed(model, cell, [6], Mode.DELETE)
    others = np.arange(LENGTH) != 6
    pooled = after[others].mean(0)
    np.testing.assert_allclose(1 - result.cell_shift[0], cosine(before.mean(0), pooled), atol=1e-6)
    np.testing.assert_allclose(
        1 - result.cell_shift_others[0], cosine(before[others].mean(0), pooled), atol=1e-6
    )
    assert result.cell_shift[0] != pytest.approx(result.cell_shift_others[0], rel=1e-3)


def test_a_model_without_positions_knows_no_shift(model: RankTransformer, cell: np.ndarray) -> None:
    """Where all positions are one vector, shift-only does nothing and delete is the mask."""
    flat = RankTransformer(model.config)
    flat.load_state_dict(model.state_dict())
    with torch.no_grad():
        flat.positions.weight[:] = flat.positions.weight[0]
    still = knock_out(flat, cell, mode=Mode.SHIFT_ONLY)
    assert np.nanmax(still.shift) < 1e-11
    deleted = knock_out(flat, cell, mode=Mode.DELETE)
    masked = knock_out(flat, cell, mode=Mode.ATTENTION_MASK)
    np.testing.assert_allclose(deleted.shift, masked.shift, rtol=1e-3, atol=1e-12)


def test_genes_that_the_cell_lacks(model: RankTransformer, cell: np.ndarray) -> None:
    absent = [token for token in range(2, 80) if token not in cell]
    result = over_express_new(model, cell, [absent[0], absent[:10]])
    assert np.isfinite(result.shift[0]).all()
    # 33 genes and 10 new ones: three fall out of a model of 40
    assert np.isnan(result.shift[1, -3:]).all() and np.isfinite(result.shift[1, :-3]).all()
    with pytest.raises(ConfigError, match="ranked in the cell already"):
        over_express_new(model, cell, [int(cell[0])])


def test_earlier_layers(model: RankTransformer, cell: np.ndarray) -> None:
    first = knock_out(model, cell, [4], Mode.DELETE, layer=1)
    one = edit(cell, [4], Mode.DELETE)
    with torch.no_grad():
        before = model(torch.as_tensor(cell)[None], layer=1)[0].numpy()
        after = model(torch.as_tensor(one.tokens)[None], layer=1)[0].numpy()
    expected = cosine(before[one.source], after)
    np.testing.assert_allclose(first.cosine[0, one.source], expected, atol=1e-6)
    assert first.layer == 1


def test_bfloat16_warns_and_differs(model: RankTransformer, cell: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="3 significant digits"):
        coarse = knock_out(model, cell, [4], Mode.DELETE, precision="bfloat16")
    fine = knock_out(model, cell, [4], Mode.DELETE)
    assert coarse.warnings and not fine.warnings
    assert np.nanmax(np.abs(coarse.shift - fine.shift)) > 1e-6


@pytest.mark.parametrize(
    ("cell", "targets", "says"),
    [
        ([3, 4, 5], [3], "ranks go from 0 to 2"),
        ([3, 4, 5], [-1], "no rank -1"),
        ([3, 4, 5], [[1, 1]], "given twice"),
        ([3, 4, 5], [[0, 1, 2]], "none is left"),
        ([3, 4, 5], [[]], "at least one gene"),
        ([3], None, "at least two ranked genes"),
        ([3, 99], None, "do not belong together"),
        (list(range(2, 60)), None, "the model takes 40"),
    ],
)
def test_impossible_knock_outs_are_explained(
    model: RankTransformer, cell: list[int], targets: object, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        knock_out(model, np.array(cell), targets)  # type: ignore[arg-type]


def test_progress_cancel_and_estimate(model: RankTransformer, cell: np.ndarray) -> None:
    seen: list[int] = []
    knock_out(model, cell, [1, 2, 3], on_progress=lambda done, total, message: seen.append(done))
    assert seen == [1, 2, 3]
    with pytest.raises(CancelledError):
        knock_out(model, cell, should_cancel=lambda: True)
    assert 0 < estimate_seconds(model, cell, 10) < 60


def test_result_is_frozen(model: RankTransformer, cell: np.ndarray) -> None:
    result = knock_out(model, cell, [1])
    assert isinstance(result, KnockoutResult) and len(result) == 1
    assert result.ranks.tolist() == [1]
