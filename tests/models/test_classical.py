"""Baselines and classical models: contract, known answers, invariants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from core.errors import ConfigError
from core.featurizers.pipeline import FeaturePipeline
from core.models import kernels
from core.models.base import MODELS
from core.models.geometric_median import geometric_median
from core.models.inputs import Inputs
from core.models.kernels import molecule_kernel, tanimoto

BASELINES = ("zero", "mean", "median", "geometric_median", "cell_type_mean", "compound_mean")
CLASSICAL = ("knn", "ridge", "kernel_ridge", "forest")
SMILES = {
    "ethanol": "CCO",
    "propanol": "CCCO",
    "butanol": "CCCCO",
    "benzene": "c1ccccc1",
    "toluene": "Cc1ccccc1",
    "phenol": "Oc1ccccc1",
    "aniline": "Nc1ccccc1",
    "pyridine": "c1ccncc1",
}
CELLS = ("B cells", "NK cells")
NELDER = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 10_000, "maxfev": 10_000}


@pytest.fixture(scope="module")
def obs() -> pd.DataFrame:
    rows = [(cell, drug, smiles) for drug, smiles in SMILES.items() for cell in CELLS]
    return pd.DataFrame(rows, columns=["cell_type", "sm_name", "SMILES"])


@pytest.fixture(scope="module")
def targets(obs: pd.DataFrame) -> np.ndarray:
    """Alcohols, aromatics and the cell type each have a direction of their own, plus noise."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(3, 30))
    alcohol = obs["sm_name"].str.endswith("anol").to_numpy()[:, None]
    b_cell = (obs["cell_type"] == "B cells").to_numpy()[:, None]
    signal = np.where(alcohol, axes[0], axes[1]) + 0.5 * b_cell * axes[2]
    return (3 * signal + 0.3 * rng.normal(size=(len(obs), 30))).astype(np.float32)


@pytest.fixture(scope="module")
def pipeline(obs, targets) -> FeaturePipeline:
    pipeline = FeaturePipeline(
        [("onehot", {"compounds": False}), ("fragments", {}), ("morgan", {})]
    )
    pipeline.fit_transform(obs, targets)
    return pipeline


@pytest.fixture(scope="module")
def inputs(pipeline, obs) -> Inputs:
    return pipeline.transform(obs)


@pytest.fixture(scope="module")
def new(pipeline) -> Inputs:
    """A new alcohol and a new aromatic, in a known and in an unknown cell type."""
    return pipeline.transform(
        pd.DataFrame(
            {
                "cell_type": ["NK cells", "NK cells", "Myeloid cells"],
                "sm_name": ["pentanol", "xylene", "pentanol"],
                "SMILES": ["CCCCCO", "Cc1ccccc1C", "CCCCCO"],
            }
        )
    )


def make(name: str, seed: int = 0, **params):
    kind = MODELS.get(name).value
    return kind(kind.Params(**params), seed=seed)


def kinds() -> list[str]:
    return [*BASELINES, *CLASSICAL]


def test_kinds_are_tagged() -> None:
    assert {MODELS.get(name).tags["kind"] for name in BASELINES} == {"baseline"}
    assert {MODELS.get(name).tags["kind"] for name in CLASSICAL} == {"classical"}


@pytest.mark.parametrize("name", kinds())
def test_predictions_are_finite_float32_of_the_right_shape(name, inputs, targets, new) -> None:
    predicted = make(name).fit(inputs, targets).predict(new)
    assert predicted.shape == (3, 30)
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize("name", kinds())
def test_state_restores_the_same_predictions(name, inputs, targets, new) -> None:
    model = make(name).fit(inputs, targets)
    state = model.state()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    assert np.array_equal(make(name).restore(state).predict(new), model.predict(new))


@pytest.mark.parametrize("name", kinds())
def test_same_seed_same_predictions(name, inputs, targets, new) -> None:
    first, second = (make(name, seed=1).fit(inputs, targets).predict(new) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", kinds())
def test_order_of_the_training_rows_does_not_matter(name, inputs, targets, new) -> None:
    if name == "forest":
        pytest.skip("its random splits are drawn in the order of the rows")
    order = np.random.default_rng(2).permutation(len(inputs))
    forward = make(name).fit(inputs, targets).predict(new)
    shuffled = make(name).fit(inputs.take(order), targets[order]).predict(new)
    np.testing.assert_allclose(forward, shuffled, atol=2e-3)


@pytest.mark.parametrize("name", [n for n in kinds() if n != "zero"])
def test_models_move_with_the_responses(name, inputs, targets, new) -> None:
    """Adding a constant response to every row adds it to every prediction."""
    shift = np.linspace(-2, 2, 30, dtype=np.float32)
    before = make(name).fit(inputs, targets).predict(new)
    after = make(name).fit(inputs, targets + shift).predict(new)
    np.testing.assert_allclose(after, before + shift, atol=5e-3)


@pytest.mark.parametrize("name", [n for n in kinds() if n not in ("zero", "forest", "knn")])
def test_a_row_of_weight_zero_is_not_there(name, inputs, targets, new) -> None:
    weights = np.ones(len(inputs))
    weights[5] = 1e-12
    spoilt = targets.copy()
    spoilt[5] += 50
    kept = np.flatnonzero(np.arange(len(inputs)) != 5)
    without = make(name).fit(inputs.take(kept), targets[kept]).predict(new)
    np.testing.assert_allclose(
        make(name).fit(inputs, spoilt, weights).predict(new), without, atol=0.25
    )


@pytest.mark.parametrize("name", CLASSICAL)
def test_structure_is_learned(name, inputs, targets, new) -> None:
    """A new alcohol is predicted nearer to the alcohols than to the aromatics, and conversely."""
    params = {"min_leaf": 2, "max_features": 0.5} if name == "forest" else {}
    alcohol, aromatic = make(name, **params).fit(inputs, targets).predict(new)[:2]
    means = [targets[1:6:2].mean(axis=0), targets[7::2].mean(axis=0)]
    axis = means[0] - means[1]
    assert (alcohol - aromatic) @ axis > 0.2 * (axis @ axis)


def test_baselines_by_hand() -> None:
    inputs = Inputs(
        np.array([0, 0, 1]), np.array([0, 1, 0]), 2, 2, {"v": np.zeros((3, 1))}, {"v": "cell"}
    )
    targets = np.array([[0.0, 2.0], [4.0, 2.0], [8.0, -1.0]], dtype=np.float32)
    unseen = Inputs(
        np.array([1, -1]), np.array([-1, 0]), 2, 2, {"v": np.zeros((2, 1))}, {"v": "cell"}
    )
    found = {name: make(name).fit(inputs, targets).predict(unseen) for name in BASELINES}
    assert found["zero"].tolist() == [[0, 0], [0, 0]]
    assert found["mean"].tolist() == [[4, 1], [4, 1]]
    assert found["median"].tolist() == [[4, 2], [4, 2]]
    assert found["cell_type_mean"].tolist() == [[8, -1], [4, 1]]
    assert found["compound_mean"].tolist() == [[4, 1], [4, 0.5]]


def test_weighted_median_equals_repeated_rows() -> None:
    rng = np.random.default_rng(3)
    targets = rng.normal(size=(7, 20)).astype(np.float32)
    times = np.array([1, 3, 2, 1, 1, 4, 2])
    weighted = make("median").constant(targets, times)
    np.testing.assert_allclose(weighted, np.median(np.repeat(targets, times, axis=0), axis=0))


def test_geometric_median_minimises_the_sum_of_distances() -> None:
    rng = np.random.default_rng(4)
    rows = rng.standard_t(2, size=(25, 4)).astype(np.float32)
    weights = rng.uniform(0.5, 2, 25)

    def cost(point: np.ndarray) -> float:
        return float(weights @ np.linalg.norm(rows - point, axis=1))

    best = minimize(cost, rows.mean(axis=0), method="Nelder-Mead", options=NELDER)
    np.testing.assert_allclose(geometric_median(rows, weights), best.x, atol=1e-3)


def test_geometric_median_ignores_one_wild_row() -> None:
    rows = np.zeros((9, 3), dtype=np.float32)
    rows[0] = 1e4
    assert np.abs(geometric_median(rows)).max() < 1e-2


def test_tanimoto_by_hand_and_positive_definite() -> None:
    left = np.array([[2, 0, 1], [0, 0, 0]], dtype=np.float32)
    right = np.array([[1, 3, 1], [2, 0, 1], [0, 0, 0]], dtype=np.float32)
    np.testing.assert_allclose(tanimoto(left, right), [[2 / 6, 1, 0], [0, 0, 1]])
    counts = np.random.default_rng(5).poisson(0.7, size=(30, 40)).astype(np.float32)
    kernel = tanimoto(counts, counts)
    expected = [[np.minimum(a, b).sum() / np.maximum(a, b).sum() for b in counts] for a in counts]
    np.testing.assert_allclose(kernel, expected, atol=1e-12)
    assert np.linalg.eigvalsh(kernel).min() > -1e-9


def test_kernel_models_say_what_is_missing() -> None:
    bare = Inputs(np.zeros(2, int), np.zeros(2, int), 1, 1, {"v": np.zeros((2, 1))}, {"v": "cell"})
    with pytest.raises(ConfigError, match="need fingerprints"):
        make("knn").fit(bare, np.zeros((2, 3), dtype=np.float32))


def test_knn_far_from_everything_predicts_the_center(inputs, targets, new) -> None:
    lonely = make("knn", power=64).fit(inputs, targets).predict(new)[2]
    np.testing.assert_allclose(lonely, geometric_median(targets), atol=1e-2)


def test_knn_uses_the_cell_type(inputs, targets, pipeline) -> None:
    pair = pd.DataFrame({"cell_type": CELLS, "sm_name": "x", "SMILES": "CCCCCO"})
    b_cell, nk_cell = make("knn").fit(inputs, targets).predict(pipeline.transform(pair))
    observed = targets[0::2].mean(axis=0) - targets[1::2].mean(axis=0)
    assert (b_cell - nk_cell) @ observed > 0.3 * (observed @ observed)


def test_ridge_is_scikit_learns(inputs, targets, new) -> None:
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    parts = []
    for train, test in ((inputs.cell, new.cell), (inputs.molecule, new.molecule)):
        varies = train.std(axis=0) > 0
        scaler = StandardScaler().fit(train[:, varies])
        parts.append(
            [scaler.transform(x[:, varies]) / np.sqrt(varies.sum()) for x in (train, test)]
        )
    train, test = (np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))
    expected = Ridge(alpha=0.7).fit(train, targets).predict(test)
    found = make("ridge", penalty=0.7).fit(inputs, targets).predict(new)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_kernel_ridge_without_robustness_is_the_textbook_formula(inputs, targets, new) -> None:
    model = make("kernel_ridge", robustness=0.0, penalty=0.5).fit(inputs, targets)
    kernel = model.mixtures(inputs)
    centered = targets - targets.mean(axis=0)
    dual = np.linalg.solve(kernel + 0.5 * np.eye(len(inputs)), centered)
    expected = model.mixtures(new) @ dual + targets.mean(axis=0)
    np.testing.assert_allclose(model.predict(new), expected, atol=2e-3)


def test_robust_kernel_ridge_resists_a_wild_row(inputs, targets, new) -> None:
    spoilt = targets.copy()
    spoilt[3] *= 200
    shift = {
        robustness: np.abs(
            make("kernel_ridge", robustness=robustness).fit(inputs, spoilt).predict(new)
            - make("kernel_ridge", robustness=robustness).fit(inputs, targets).predict(new)
        ).max()
        for robustness in (0.0, 1.0)
    }
    assert shift[1.0] < 0.1 * shift[0.0]


def test_forest_mixes_training_rows(inputs, targets, new) -> None:
    model = make("forest", n_trees=20).fit(inputs, targets)
    mixtures = model.mixtures(new)
    assert mixtures.min() >= 0
    np.testing.assert_allclose(mixtures.sum(axis=1), 1.0)


def test_forest_leaves_are_scikit_learns(inputs, targets) -> None:
    """A training row shares a leaf with itself in every tree, so it weighs the most."""
    model = make("forest", n_trees=50, min_leaf=1, max_features=1.0).fit(inputs, targets)
    mixtures = model.mixtures(inputs)
    assert np.array_equal(mixtures.argmax(axis=1), np.arange(len(inputs)))


def test_all_models_take_thousands_of_genes_quickly(inputs) -> None:
    wide = np.random.default_rng(0).normal(size=(len(inputs), 18_211)).astype(np.float32)
    for name in kinds():
        assert make(name).fit(inputs, wide).predict(inputs).shape == wide.shape


def test_a_kernel_is_computed_once_while_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    left, other, right = ({"morgan": rng.poisson(0.4, (n, 30))} for n in (6, 6, 9))
    plainly = molecule_kernel(left, right)
    calls = []
    monkeypatch.setattr(kernels, "tanimoto", lambda a, b: calls.append((a, b)) or tanimoto(a, b))
    with kernels.remembered():
        for _ in range(3):
            np.testing.assert_array_equal(molecule_kernel(left, right), plainly)
        assert len(calls) == 1
        assert not np.array_equal(molecule_kernel(other, right), plainly)
        assert len(calls) == 2
    molecule_kernel(left, right)
    assert len(calls) == 3  # forgotten
