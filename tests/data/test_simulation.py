from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from scipy import stats

from core.data.facts import op2_compounds, op2_genes, op2_mechanism_classes, op2_pairs
from core.data.simulation import calibration, simulate_op2
from core.data.simulation.noise import draw_noise, noise_sd
from core.data.table import OBS_COLUMNS, PerturbationTable, content_hash
from core.errors import DataError

CELL_TYPES = list(calibration.CELL_TYPES)


@pytest.fixture(scope="module")
def table() -> PerturbationTable:
    return simulate_op2(seed=0)


def _rms(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=1))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, second = simulate_op2(seed=7, n_genes=120), simulate_op2(seed=7, n_genes=120)
    other = simulate_op2(seed=8, n_genes=120)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.truth.tobytes() == second.truth.tobytes()
    assert first.content_hash == second.content_hash != other.content_hash
    assert not np.array_equal(first.truth, other.truth)


def test_the_content_hash_is_that_of_the_table(table: PerturbationTable) -> None:
    assert table.content_hash == content_hash(table.obs, table.genes, table.values)


def test_the_design_is_that_of_the_competition(table: PerturbationTable) -> None:
    pairs, obs = op2_pairs(), table.obs
    assert tuple(obs.columns) == (*OBS_COLUMNS, "split", "id", "moa")
    for column in ("split", "cell_type", "sm_name"):
        assert obs[column].tolist() == pairs[column].tolist()
    counts = pd.crosstab(obs["cell_type"], obs["split"]).loc[CELL_TYPES]
    assert counts["train"].tolist() == [17, 17, 146, 146, 142, 146]
    assert counts["public_test"].tolist() == [50, 50, 0, 0, 0, 0]
    assert counts["private_test"].tolist() == [78, 77, 0, 0, 0, 0]
    assert obs["id"].iloc[:614].isna().all()
    assert obs["id"].iloc[614:].tolist() == list(range(255))
    compounds = op2_compounds().set_index("sm_name")
    for column in ("SMILES", "sm_lincs_id", "control", "moa"):
        expected = compounds[column].loc[obs["sm_name"]].reset_index(drop=True)
        pd.testing.assert_series_equal(obs[column], expected, check_names=False)


def test_the_positive_controls_are_trained_on_in_every_cell_type(table: PerturbationTable) -> None:
    controls = table.obs[table.obs["control"]]
    assert set(controls["sm_name"]) == {"Dabrafenib", "Belinostat"}
    assert set(controls["split"]) == {"train"}
    assert (controls.groupby("sm_name")["cell_type"].nunique() == 6).all()


def test_values_are_finite_float32_and_labelled_as_simulated(table: PerturbationTable) -> None:
    assert table.simulated and table.target == "signed −log10 p"
    assert table.genes.tolist() == op2_genes().tolist()
    for array in (table.values, table.truth):
        assert array.dtype == np.float32
        assert array.shape == (869, 18_211)
        assert np.isfinite(array).all()


def test_noise_has_zero_mean_and_is_not_in_the_truth(table: PerturbationTable) -> None:
    noise = (table.values - table.truth).astype(np.float64)
    standard_error = noise.std(axis=1) / np.sqrt(noise.shape[1])
    assert (np.abs(noise.mean(axis=1)) < 5 * standard_error).all()
    assert abs(noise.mean()) < 5 * noise.std() / np.sqrt(noise.size)
    # Noise of one row tells nothing of the noise of another.
    assert abs(np.corrcoef(noise[:200])[np.triu_indices(200, 1)].mean()) < 1e-3


def test_the_truth_beats_every_baseline_on_the_test_rows(table: PerturbationTable) -> None:
    obs, values = table.obs, table.values
    train = (obs["split"] == "train").to_numpy()
    test = np.flatnonzero(~train)
    oracle = _rms(values[test] - table.truth[test]).mean()
    frame = obs.assign(row=np.arange(len(obs)))[train]
    by_compound = frame.groupby("sm_name")["row"].apply(list)
    by_cell_type = frame.groupby("cell_type")["row"].apply(list)
    pooled = {
        "zero": np.zeros((len(test), 1), dtype=np.float32),
        "mean": values[train].mean(axis=0),
        "median": np.median(values[train], axis=0),
        "compound": np.stack(
            [np.median(values[by_compound[name]], axis=0) for name in obs["sm_name"].iloc[test]]
        ),
        "cell type": np.stack(
            [values[by_cell_type[name]].mean(axis=0) for name in obs["cell_type"].iloc[test]]
        ),
    }
    for name, predicted in pooled.items():
        assert oracle < 0.8 * _rms(values[test] - predicted).mean(), name


def _nk_similarity(table: PerturbationTable) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Cosines between NK responses, the class of each compound, and its SMILES."""
    rows = table.rows(cell_type="NK cells")
    response = table.truth[rows] - np.median(table.truth[rows], axis=0)
    unit = response / np.linalg.norm(response, axis=1, keepdims=True)
    names = table.obs["sm_name"].iloc[rows]
    return unit @ unit.T, op2_mechanism_classes()[names].to_numpy(), table.obs["SMILES"].iloc[rows]


def test_compounds_of_one_mechanism_are_more_alike_than_others(table: PerturbationTable) -> None:
    cosine, mechanism, _ = _nk_similarity(table)
    same = (mechanism[:, None] == mechanism) & (mechanism != "unknown")
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    assert cosine[same & upper].mean() > cosine[~same & upper].mean() + 0.25


def test_compounds_of_like_structure_are_more_alike(table: PerturbationTable) -> None:
    cosine, mechanism, smiles = _nk_similarity(table)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetCountFingerprint(Chem.MolFromSmiles(text)) for text in smiles]
    tanimoto = np.stack([DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints])
    other = np.triu(mechanism[:, None] != mechanism, 1)
    assert stats.spearmanr(tanimoto[other], cosine[other]).statistic > 0.05


def test_nk_rows_are_as_heavy_tailed_as_the_real_ones(
    table: PerturbationTable, shared_data: Path
) -> None:
    real = pd.read_csv(shared_data / "op2_nk_row_rms.csv")["rmse_zero"]
    rms = _rms(table.values[table.rows(cell_type="NK cells")])
    for level in (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1):
        assert np.quantile(rms, level) == pytest.approx(np.quantile(real, level), rel=0.2), level
    assert rms.mean() == pytest.approx(real.mean(), rel=0.1)


@pytest.mark.parametrize("seed", [0, 3])
def test_means_per_cell_type_spread_and_correlate_as_the_real_ones(
    seed: int, shared_data: Path
) -> None:
    table = simulate_op2(seed=seed, n_genes=4000)
    real = pd.read_parquet(shared_data / "op2_mean_de_by_cell_type.parquet")[CELL_TYPES]
    means = pd.DataFrame(
        {c: table.values[table.rows(split="train", cell_type=c)].mean(axis=0) for c in CELL_TYPES}
    )
    ratio = np.sqrt((means**2).mean() / (real**2).mean())
    assert ratio.between(0.7, 1.4).all(), ratio.to_dict()
    assert np.abs(means.corr() - real.corr()).to_numpy().max() < 0.25


def test_b_and_myeloid_cells_are_noisier(table: PerturbationTable) -> None:
    weak = np.flatnonzero(_rms(table.truth) < 0.5)
    noise = _rms(table.values[weak] - table.truth[weak])
    mean = pd.Series(noise).groupby(table.obs["cell_type"].iloc[weak].to_numpy()).mean()
    assert mean[["B cells", "Myeloid cells"]].min() > mean[CELL_TYPES[2:]].max()


def test_noise_is_that_of_a_p_value() -> None:
    """Against p-values of real z-scores: exact without an effect, near with a strong one."""
    rng = np.random.default_rng(0)
    for shift, tolerance in ((0.0, 0.01), (8.0, 0.05), (15.0, 0.03)):
        z = shift + rng.standard_normal(400_000)
        signed = np.sign(z) * -(stats.norm.logsf(np.abs(z)) + np.log(2)) / np.log(10)
        expected = noise_sd(np.array([signed.mean() if shift else 0.0]), 1.0, np.ones(1))[0]
        assert signed.std() == pytest.approx(expected, rel=tolerance), shift


def test_drawn_noise_is_laplace_with_the_stated_spread() -> None:
    truth = np.tile(np.array([0.0, 1.0, -20.0], dtype=np.float32), (300_000, 1))
    scale = np.array([1.0, 0.5, 2.0], dtype=np.float32)
    drawn = draw_noise(np.random.default_rng(1), truth, 0.7, scale)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.std(axis=0), noise_sd(truth[:1], 0.7, scale)[0], rtol=0.02)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(stats.kurtosis(drawn, axis=0), 3, atol=0.35)


def test_the_constants_name_mechanisms_that_exist_and_matrices_that_are_correlations() -> None:
    classes = set(op2_mechanism_classes())
    assert set(calibration.POTENCY) <= classes
    assert set(calibration.LINEAGE_RESPONSE) <= classes
    assert all(len(row) == len(CELL_TYPES) for row in calibration.LINEAGE_RESPONSE.values())
    for matrix in (calibration.PROGRAMME_CORRELATION, calibration.LINEAGE_CORRELATION):
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diag(matrix), 1)
        assert np.linalg.eigvalsh(matrix).min() > 0


@pytest.mark.parametrize("n_genes", [1, 2, 500])
def test_a_subset_of_genes_keeps_their_order_and_has_cd69(n_genes: int) -> None:
    table = simulate_op2(n_genes=n_genes)
    positions = op2_genes().get_indexer(table.genes)
    assert table.values.shape == table.truth.shape == (869, n_genes)
    assert (positions >= 0).all() and (np.diff(positions) > 0).all()
    assert "CD69" in table.genes
    assert np.isfinite(table.values).all()


@pytest.mark.parametrize("n_genes", [0, -3, 18_212])
def test_an_impossible_number_of_genes_is_named(n_genes: int) -> None:
    with pytest.raises(DataError, match=f"n_genes={n_genes}"):
        simulate_op2(n_genes=n_genes)


def test_progress_runs_to_its_end() -> None:
    calls: list[tuple[int, int, str]] = []
    simulate_op2(n_genes=20, on_progress=lambda *call: calls.append(call))
    done = [call[0] for call in calls]
    assert done == sorted(done) and calls[-1][0] == calls[-1][1]
    assert {call[1] for call in calls} == {calls[-1][1]} and all(call[2] for call in calls)
