from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.plots.agreement import density, density_map, predicted_against_observed
from core.plots.comparison import (
    error_against_strength,
    error_distribution,
    grouped_bars,
    published_dots,
    weight_bars,
)
from core.plots.theme import LIGHT

RNG = np.random.default_rng(0)


def bars() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "group": ["B cells", "NK cells", "B cells"],
            "series": ["mlp", "mlp", "mean"],
            "mrrmse": [0.9, 0.7, 1.0],
            "low": [0.8, 0.6, 0.9],
            "high": [1.1, 0.9, 1.2],
            "n": [15, 130, 15],
        }
    )


def test_bars_carry_values_and_their_own_interval() -> None:
    figure = grouped_bars(bars(), LIGHT)
    mlp, mean = figure.data
    np.testing.assert_allclose(mlp.y, [0.9, 0.7], rtol=1e-6)
    np.testing.assert_allclose(mlp.error_y.array, [0.2, 0.2], atol=1e-6)
    np.testing.assert_allclose(mlp.error_y.arrayminus, [0.1, 0.1], atol=1e-6)
    assert np.isnan(mean.y[1])  # the baseline has no NK rows: a gap, not a zero
    assert figure.layout.yaxis.rangemode == "tozero"
    assert "15 pairs" in mlp.hovertext[0]


def test_bars_without_intervals() -> None:
    figure = grouped_bars(bars()[["group", "series", "mrrmse"]], LIGHT)
    assert figure.data[0].error_y.visible is False


def test_density_counts_every_value_once() -> None:
    observed = RNG.standard_t(2, (150, 40)).astype(np.float32)
    predicted = (observed * 0.5).astype(np.float32)
    counts, xs, ys = density(observed, predicted, bins=30)
    assert counts.sum() == observed.size
    assert len(xs) == len(ys) == 31
    inside = (observed > xs[0]) & (observed < xs[-1])
    column = np.histogram(observed[inside], xs)[0]
    np.testing.assert_allclose(counts.sum(axis=0)[5:25], column[5:25], atol=2)


def test_density_by_hand() -> None:
    observed = np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)
    predicted = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    counts, _, _ = density(observed, predicted, bins=2, coverage=1.0)
    np.testing.assert_array_equal(counts, [[1, 1], [1, 1]])


def test_density_of_constant_and_of_unequal_arrays() -> None:
    flat = np.zeros((3, 4), np.float32)
    assert density(flat, flat, bins=4)[0].sum() == 12
    with pytest.raises(ValueError, match="shapes differ"):
        density(flat, flat[:2])


def test_density_map_leaves_empty_bins_blank() -> None:
    counts = np.array([[0, 10], [100, 0]])
    figure = density_map(counts, np.arange(3.0), np.arange(3.0), LIGHT)
    shade = np.asarray(figure.data[0].z)
    np.testing.assert_allclose(shade[0, 1], 1.0)
    np.testing.assert_allclose(shade[1, 0], 2.0)
    assert np.isnan(shade[0, 0])


def test_pair_scatter_names_the_strongest_genes() -> None:
    observed = np.array([0.1, -9.0, 3.0, 0.2], np.float32)
    names = np.array(["A", "B", "C<", "D"])
    figure = predicted_against_observed(observed, observed / 2, names, LIGHT, mark=2)
    points, marked = figure.data[0], figure.data[1]
    assert points.x.dtype == points.y.dtype == np.float32
    assert list(marked.text) == ["B", "C&lt;"]
    assert len(points.x) == 4


def test_error_distribution_reaches_one_and_marks_the_mean() -> None:
    frame = pd.DataFrame({"series": "mlp", "rmse": [1.0, 2.0, 6.0]})
    curve, mark = error_distribution(frame, LIGHT).data
    np.testing.assert_allclose(curve.x, [1, 2, 6])
    np.testing.assert_allclose(curve.y, [1 / 3, 2 / 3, 1.0])
    assert mark.x[0] == pytest.approx(3.0)
    assert mark.y[0] == pytest.approx(2 / 3)  # two of three pairs lie below their mean


def test_error_against_strength_survives_a_zero_row() -> None:
    frame = pd.DataFrame(
        {
            "series": "mlp",
            "rms": [0.0, 2.0],
            "rmse": [0.1, 1.0],
            "cell_type": "NK cells",
            "sm_name": ["x", "y"],
        }
    )
    figure = error_against_strength(frame, LIGHT)
    assert len(figure.data) == 2


def test_weights_are_stacked_by_model() -> None:
    frame = pd.DataFrame({"series": ["r", "r"], "model": ["mlp", "ridge"], "weight": [0.75, 0.25]})
    figure = weight_bars(frame, LIGHT)
    assert [t.name for t in figure.data] == ["mlp", "ridge"]
    assert sum(float(t.x[0]) for t in figure.data) == pytest.approx(1.0)


def test_published_figures_and_own_runs_stay_apart() -> None:
    published = pd.DataFrame(
        {"method": ["GRU", "LSTM"], "value": [0.733, 0.839], "note": ["late", None]}
    )
    own = pd.DataFrame({"series": ["mine"], "value": [0.78], "low": [0.7], "high": [0.9]})
    figure = published_dots(published, own, LIGHT)
    assert [t.name for t in figure.data] == ["published", "your runs"]
    assert list(figure.layout.yaxis.categoryarray) == ["LSTM", "mine", "GRU"]  # best on top
    assert len(published_dots(published, own.iloc[:0], LIGHT).data) == 1


def test_what_stands_back_is_dashed_each_in_its_own_way() -> None:
    frame = pd.DataFrame({"series": ["mlp", "mean", "median"], "rmse": [1.0, 2.0, 3.0]})
    figure = error_distribution(frame, LIGHT, dashed={"mean", "median"})
    lines = {t.name: t.line.dash for t in figure.data if t.mode == "lines"}
    assert lines["mlp"] == "solid"
    assert len(set(lines.values())) == 3
