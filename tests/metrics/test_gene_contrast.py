from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu

from core.errors import DataError
from core.metrics.gene_contrast import gene_contrast
from core.settings import ASSETS


def test_against_scipy_in_every_group() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(400) < 0.4, rng.gamma(2, 1, 400), 0).astype(np.float32)
    second = rng.random(400) < 0.4
    groups = pd.Series(pd.Categorical(rng.choice(list("abc"), 400)))
    values[(groups == "a") & second] += 0.7
    found = gene_contrast(values, ~second, second, groups, names=("ctrl", "stim")).table
    assert found["group"].tolist()[0] == "all cells" and len(found) == 4
    ps = []
    for row in found.itertuples():
        part = np.ones(400, bool) if row.group == "all cells" else (groups == row.group).to_numpy()
        x, y = values[part & second], values[part & ~second]
        test = mannwhitneyu(x, y, use_continuity=False, method="asymptotic")
        assert row.p == pytest.approx(test.pvalue, rel=1e-5)
        auc = test.statistic / (len(x) * len(y))
        assert row.cliffs_delta == pytest.approx(2 * auc - 1, abs=1e-6)
        assert row.share_second == pytest.approx((x > 0).mean())
        assert row.mean_first == pytest.approx(y.mean(), rel=1e-5)
        ps.append(row.p)
    np.testing.assert_allclose(found["p_adjusted"][1:], false_discovery_control(ps[1:]))
    assert np.isnan(found["p_adjusted"][0])


def test_small_groups_have_means_but_no_test() -> None:
    groups = pd.Series(pd.Categorical(["x"] * 6 + ["y"] * 2))
    second = np.array([0, 0, 0, 1, 1, 1, 0, 0], dtype=bool)
    table = gene_contrast(np.arange(8.0), ~second, second, groups).table.set_index("group")
    assert table.loc["x", "p"] < 0.06 and table.loc["x", "cliffs_delta"] == 1
    assert table.loc["y", "n_second"] == 0 and np.isnan(table.loc["y", "p"])
    assert table.loc["y", "mean_first"] == 6.5


def test_what_cannot_be_compared() -> None:
    every, nobody = np.ones(4, bool), np.zeros(4, bool)
    with pytest.raises(DataError, match="in common"):
        gene_contrast(np.zeros(4), every, every)
    with pytest.raises(DataError, match="has no cell"):
        gene_contrast(np.zeros(4), every, nobody)


def test_cd69_of_the_opening_example() -> None:
    cells = anndata.read_h5ad(Path(ASSETS) / "bone_marrow_aml_healthy.h5ad")
    values = np.asarray(cells[:, "CD69"].X.todense()).ravel()
    healthy = (cells.obs["Type"] == "healthy").to_numpy()
    row = gene_contrast(values, healthy, ~healthy).table.iloc[0]
    assert (row["n_first"], row["n_second"]) == (527, 473)
    # 155 of 527 healthy and 13 of 473 leukaemic cells express it.
    assert row["share_first"] == pytest.approx(155 / 527)
    assert row["share_second"] == pytest.approx(13 / 473)
    assert row["p"] < 1e-25 and row["cliffs_delta"] == pytest.approx(-0.271, abs=0.001)
