from __future__ import annotations

import numpy as np
import pandas as pd

from core.featurizers.target_statistics import (
    STATISTICS,
    TargetStatistics,
    TargetStatisticsParams,
    svd_scores,
)


def summaries(targets: np.ndarray) -> np.ndarray:
    values = targets.astype(np.float64)
    return np.column_stack(
        [values.mean(1), values.std(1), np.median(values, 1), *np.quantile(values, [0.25, 0.75], 1)]
    )


def test_statistics_by_hand(obs, targets, new) -> None:
    featurizer = TargetStatistics(TargetStatisticsParams(n_components=0)).fit(obs, targets)
    table = pd.DataFrame(featurizer.transform(new), columns=featurizer.names)
    rows = summaries(targets)
    own = rows[(obs["sm_name"] == "aspirin").to_numpy()]
    expected = {"mean": own.mean(0), "sd": own.std(0), "median": np.median(own, 0)}
    expected |= {"q25": np.quantile(own, 0.25, 0), "q75": np.quantile(own, 0.75, 0)}
    for stat in STATISTICS:
        for i, part in enumerate(STATISTICS):
            found = table.loc[0, f"sm_name {stat} genes_{part}"]
            np.testing.assert_allclose(found, expected[stat][i], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(table.loc[0, "sm_name log_rows"], np.log(4.0), rtol=1e-6)
    # Never seen: the statistics of all rows, and no rows.
    np.testing.assert_allclose(
        table.loc[1, "cell_type mean genes_mean"], rows[:, 0].mean(), rtol=1e-4, atol=1e-6
    )
    assert table.loc[1, "cell_type log_rows"] == 0


def test_svd_scores_are_numpys() -> None:
    values = np.random.default_rng(1).normal(size=(12, 30)).astype(np.float32)
    left, singular, _ = np.linalg.svd(values.astype(np.float64), full_matrices=False)
    expected = left[:, :4] * singular[:4] / np.sqrt(30)
    scores = svd_scores(values, 4)
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), atol=1e-4)
    assert svd_scores(np.zeros((3, 5), dtype=np.float32), 4).shape == (3, 0)


def test_training_features_hold_nothing_of_the_own_response(obs, targets) -> None:
    params = TargetStatisticsParams(n_components=0, n_folds=3)
    before = TargetStatistics(params).fit_transform(obs, targets)
    for row in range(len(obs)):
        changed = targets.copy()
        changed[row] = 1000.0
        after = TargetStatistics(params).fit_transform(obs, changed)
        assert np.array_equal(before[row], after[row])
        assert not np.array_equal(before, after)


def test_training_features_are_the_statistics_of_the_other_folds(obs, targets) -> None:
    featurizer = TargetStatistics(TargetStatisticsParams(n_components=6, n_folds=3))
    features = featurizer.fit_transform(obs, targets)
    folds = featurizer.inner_folds(obs)
    assert sorted(np.bincount(folds)) == [6, 6, 6]
    column = featurizer.names.index("sm_name mean svd2")
    scores = svd_scores(targets, 6)[:, 1]
    for row in range(len(obs)):
        others = (obs["sm_name"] == obs["sm_name"][row]).to_numpy() & (folds != folds[row])
        np.testing.assert_allclose(features[row, column], scores[others].mean(), atol=1e-5)


def test_no_information_about_noise() -> None:
    """Leave-one-out by subtraction would correlate at −1 within a group; cross-fitting does not."""
    rng = np.random.default_rng(0)
    n = 600
    obs = pd.DataFrame(
        {"cell_type": rng.choice(list("abc"), n), "sm_name": rng.choice(list("wxyz"), n)}
    )
    values = rng.normal(size=(n, 1)) * np.ones((1, 5))
    featurizer = TargetStatistics(TargetStatisticsParams(n_components=1))
    features = featurizer.fit_transform(obs, values.astype(np.float32))
    column = featurizer.names.index("sm_name mean genes_mean")
    for drug in "wxyz":
        rows = (obs["sm_name"] == drug).to_numpy()
        assert abs(np.corrcoef(features[rows, column], values[rows, 0])[0, 1]) < 0.35


def test_one_row_and_one_cell_type_are_enough() -> None:
    obs = pd.DataFrame({"cell_type": ["a"], "sm_name": ["x"]})
    features = TargetStatistics().fit_transform(obs, np.ones((1, 4), dtype=np.float32))
    assert np.isfinite(features).all()
