from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError, DataError, RunError
from core.models.integrators.base import principal_components
from core.models.integrators.corrector import Corrector, CorrectorParams
from core.models.integrators.latent import Evened
from core.models.integrators.pairs import coarse_to_fine
from tests.models.integrators.small import between_batches, islands

BOTH = {"a": {"x": 60, "y": 60, "z": 40}, "b": {"x": 50, "y": 70, "z": 40}}
PARAMS = CorrectorParams(n_pcs=10)


def test_a_planted_shift_is_removed() -> None:
    cells = islands(BOTH, shift=4.0)
    before = principal_components(cells.X, 10)[1]
    result = Corrector(PARAMS).fit_transform(cells, "batch", seed=0)
    assert result.embedding is not None
    assert result.corrected is not None
    assert between_batches(before, cells) > 3.5
    assert between_batches(result.embedding, cells) < 0.2 * between_batches(before, cells)
    assert between_batches(result.corrected, cells) < 0.3 * between_batches(cells.X, cells)
    shift = result.extras["gene_shift"]
    assert shift.index.tolist() == cells.var_names.tolist()
    # Each batch goes half of the way: what one gains in a gene the other loses.
    moved = np.stack([shift["a"], shift["b"]])
    assert np.corrcoef(moved)[0, 1] < -0.9


def test_the_kernel_sharpens_over_half_of_the_rounds_and_ends_sharp() -> None:
    four = [coarse_to_fine(number, 4, 0.2, 5.0) for number in range(4)]
    np.testing.assert_allclose(four, [0.2, 1.0, 5.0, 5.0])
    for rounds in (1, 2, 3, 7):
        assert coarse_to_fine(rounds - 1, rounds, 0.2, 5.0) == 5.0
    assert coarse_to_fine(0, 4, 0.2, 0.0) == 0.0


def test_equal_batches_stay_where_they_are() -> None:
    cells = islands(BOTH, shift=0.0)
    result = Corrector(PARAMS).fit_transform(cells, "batch", seed=0)
    before, after = result.extras["input_embedding"], result.embedding
    assert after is not None
    moved = np.linalg.norm(after - before, axis=1).mean()
    spread = np.linalg.norm(before - before.mean(axis=0), axis=1).mean()
    assert moved < 0.1 * spread


def test_cells_and_genes_are_evened_and_a_change_is_undone() -> None:
    values = np.array([[3.0, 4.0, 0.0], [6.0, 8.0, 0.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    whole = Evened.fit(values, cell_power=1.0, gene_power=1.0)
    assert whole.typical == 5.0  # of the lengths 5, 10, 5; a cell of zeros has none
    cosine = np.array([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0], [0.0, 5.0]])
    np.testing.assert_allclose(whole.spread, [*cosine.std(axis=0), 1.0], rtol=1e-6)
    evened = whole.apply(values)
    np.testing.assert_allclose(evened[:, :2], cosine / cosine.std(axis=0), rtol=1e-6)
    np.testing.assert_allclose(whole.undo(evened, values), values, atol=1e-6)
    none = Evened.fit(values, cell_power=0.0, gene_power=0.0)
    np.testing.assert_array_equal(none.apply(values), values)
    half = Evened.fit(values, cell_power=0.5, gene_power=0.0).apply(values)
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), np.sqrt([25, 50, 0, 25]), rtol=1e-6)


def test_a_cell_of_half_the_reads_lies_with_its_kind() -> None:
    cells = islands(BOTH, shift=0.0)
    cells.X = cells.X - cells.X.min() + 0.1  # no negative expression
    shallow = cells.copy()
    shallow.X[::2] *= 0.5
    result = Corrector(PARAMS.model_copy(update={"cell_power": 1.0})).fit_transform(
        shallow, "batch"
    )
    same = Corrector(PARAMS.model_copy(update={"cell_power": 1.0})).fit_transform(cells, "batch")
    assert result.embedding is not None
    assert result.corrected is not None
    assert same.embedding is not None
    # The cosine does not see the length but for the typical one, a factor for all cells.
    ratio = np.linalg.norm(result.extras["input_embedding"]) / np.linalg.norm(
        same.extras["input_embedding"]
    )
    np.testing.assert_allclose(
        result.extras["input_embedding"] / ratio, same.extras["input_embedding"], atol=2e-3
    )
    change = result.corrected - shallow.X
    assert np.abs(change[::2]).mean() < 0.6 * np.abs(change[1::2]).mean()


def test_kinds_stay_apart_and_a_kind_of_one_batch_is_not_merged() -> None:
    cells = islands({"a": {"x": 80, "only": 40}, "b": {"x": 80, "other": 40}}, shift=3.0)
    result = Corrector(PARAMS).fit_transform(cells, "batch", seed=0)
    before, after = result.extras["input_embedding"], result.embedding
    assert after is not None
    kind = cells.obs["kind"].to_numpy()
    centers = {k: after[kind == k].mean(axis=0) for k in np.unique(kind)}
    was = {k: before[kind == k].mean(axis=0) for k in np.unique(kind)}
    for a, b in (("only", "other"), ("only", "x"), ("other", "x")):
        gap, old = (np.linalg.norm(c[a] - c[b]) for c in (centers, was))
        assert gap > 0.6 * old, (a, b)


def test_batches_without_a_common_kind_are_left_alone() -> None:
    cells = islands({"a": {"x": 90}, "b": {"y": 60, "z": 40}})
    result = Corrector(PARAMS).fit_transform(cells, "batch", seed=0)
    before = result.extras["input_embedding"]
    assert result.embedding is not None
    assert len(result.extras["mnn_pairs"]) == 0
    assert "nothing was merged" in " ".join(result.extras["notes"])
    np.testing.assert_allclose(result.embedding, before, atol=1e-3)


@pytest.mark.parametrize("latent", ["pca", "autoencoder"])
def test_new_cells_equal_training_cells(latent: str) -> None:
    cells = islands(BOTH, shift=2.0)
    corrector = Corrector(PARAMS.model_copy(update={"latent": latent, "rounds": 2}))
    trained = corrector.fit_transform(cells, "batch", seed=0)
    some = cells[::7, ::-1].copy()  # a part of them, genes in another order
    again = corrector.transform(some, "batch")
    assert trained.embedding is not None
    assert again.embedding is not None
    assert again.corrected is not None
    assert trained.corrected is not None
    np.testing.assert_allclose(again.embedding, trained.embedding[::7], atol=1e-4)
    np.testing.assert_allclose(again.corrected, trained.corrected[::7], atol=1e-4)


def test_the_same_seed_gives_the_same_result() -> None:
    cells = islands(BOTH, shift=2.0)
    quick = PARAMS.model_copy(update={"rounds": 2, "epochs": 5})
    one, two, other = (
        Corrector(quick).fit_transform(cells, "batch", seed=seed).embedding for seed in (3, 3, 4)
    )
    assert one is not None
    assert two is not None
    assert other is not None
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-4


def test_losses_fall_and_input_is_not_modified() -> None:
    cells = islands(BOTH, shift=3.0)
    values = cells.X.copy()
    losses = Corrector(PARAMS).fit_transform(cells, "batch").extras["losses"]
    np.testing.assert_array_equal(cells.X, values)
    assert {"round", "epoch", "loss", "batch_loss", "rec_loss", "pair_distance"} <= set(losses)
    first = losses[losses["round"] == 1]["batch_loss"].to_numpy()
    assert first[-1] < 0.2 * first[0]
    distance = losses.groupby("round")["pair_distance"].first().to_numpy()
    assert distance[-1] < distance[0]


def test_batches_join_along_a_chosen_order() -> None:
    kinds = {"x": 40, "y": 40}
    cells = islands({"a": kinds, "b": kinds, "c": kinds}, shift=2.0)
    before = principal_components(cells.X, 10)[1]
    ordered = PARAMS.model_copy(update={"order": "c > a>b"})
    result = Corrector(ordered).fit_transform(cells, "batch")
    assert result.embedding is not None
    assert between_batches(result.embedding, cells) < 0.3 * between_batches(before, cells)
    # The last batch looks for its neighbours in the two others as one: fewer pairs than with each.
    every = Corrector(PARAMS).fit_transform(cells, "batch").extras["mnn_pairs"]
    assert 0 < len(result.extras["mnn_pairs"]) < len(every)
    wrong = PARAMS.model_copy(update={"order": "a > b"})
    with pytest.raises(ConfigError, match="must name each of them once: 'a', 'b', 'c'"):
        Corrector(wrong).fit_transform(cells, "batch")


def test_faults_are_explained() -> None:
    cells = islands(BOTH)
    with pytest.raises(RunError, match="not been trained"):
        Corrector().transform(cells, "batch")
    corrector = Corrector(PARAMS.model_copy(update={"rounds": 1, "epochs": 1}))
    corrector.fit_transform(cells, "batch")
    strange = cells.copy()
    strange.obs["batch"] = "c"
    with pytest.raises(DataError, match="'c' was not in training"):
        corrector.transform(strange, "batch")
    with pytest.raises(DataError, match="lack 1 of the 60 genes of training, 'g0' first"):
        corrector.transform(cells[:, 1:].copy(), "batch")
    few = islands({"a": {"x": 60}, "b": {"x": 7}})
    with pytest.raises(DataError, match="Batch 'b' has 7 cells, fewer than the k = 20"):
        Corrector(PARAMS).fit_transform(few, "batch")
