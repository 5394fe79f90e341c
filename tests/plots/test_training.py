from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.plots.theme import DARK, LIGHT
from core.plots.training import loss_curves, mean_over_folds, smooth


def history() -> pd.DataFrame:
    """Two folds of one run: fold 1 stops a step before fold 0; a final fit without validation."""
    nan = float("nan")
    rows = [
        ("a", "mlp", 0, 1, 1.0, 1.2, 1.1),
        ("a", "mlp", 0, 2, 0.8, 1.0, 0.9),
        ("a", "mlp", 0, 3, 0.6, 1.4, 1.3),
        ("a", "mlp", 1, 1, 2.0, 2.2, 2.1),
        ("a", "mlp", 1, 2, 1.0, 2.0, 1.9),
        ("a", "mlp", "final", 1, 0.9, nan, nan),
    ]
    names = ["run", "model", "fold", "epoch", "train_loss", "val_loss", "val_mrrmse"]
    return pd.DataFrame(rows, columns=names).assign(seconds=0.1)


def test_smoothing_by_hand() -> None:
    # weight 0.5: (1·½)/½ = 1; (1·¼ + 3·½)/¾ = 7/3
    np.testing.assert_allclose(smooth(np.array([1.0, 3.0]), 0.5), [1.0, 7 / 3], rtol=1e-6)
    np.testing.assert_allclose(smooth(np.array([1.0, 3.0]), 0.0), [1.0, 3.0])


def test_smoothing_passes_over_gaps() -> None:
    out = smooth(np.array([2.0, np.nan, 2.0]), 0.9)
    assert np.isnan(out[1])
    np.testing.assert_allclose(out[[0, 2]], 2.0, rtol=1e-6)


@pytest.mark.parametrize("weight", [-0.1, 1.0, 2.0])
def test_smoothing_weight_outside_its_range(weight: float) -> None:
    with pytest.raises(ValueError, match="smoothing weight"):
        smooth(np.ones(3), weight)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50),
    st.floats(0, 0.99),
)
def test_smoothed_values_stay_within_the_curve(values: list[float], weight: float) -> None:
    out = smooth(np.array(values), weight)
    slack = 1e-3 + 1e-5 * max(abs(v) for v in values)
    assert len(out) == len(values)
    assert min(values) - slack <= out.min()
    assert out.max() <= max(values) + slack


def test_mean_over_folds_counts_who_takes_part() -> None:
    mean = mean_over_folds(history())
    assert mean["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(mean["train_loss"], [1.5, 0.9, 0.6])
    assert mean["n_folds"].tolist() == [2, 2, 1]
    assert mean["complete"].tolist() == [True, True, False]


def mark(figure, symbol: str):
    return next(t for t in figure.data if t.marker.symbol == symbol and t.x[0] is not None)


def test_best_epoch_and_gap_by_hand() -> None:
    figure = loss_curves(history().query("fold == 0"), LIGHT)
    star, gap = mark(figure, "star"), mark(figure, "line-ew-open")
    assert (star.x[0], star.y[0]) == (2, pytest.approx(1.0))
    np.testing.assert_allclose(gap.y, [1.0, 0.8], rtol=1e-6)
    assert "+0.2000" in gap.hovertemplate
    assert "+0.4000" in star.hovertemplate  # validation MRRMSE rises from 0.9 to 1.3


def test_mean_curve_is_judged_where_all_folds_take_part() -> None:
    star = mark(loss_curves(history(), LIGHT), "star")
    assert (star.x[0], star.y[0]) == (2, pytest.approx(1.5))


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda p: p.mode)
@pytest.mark.parametrize("folds", ["mean", "folds"])
@pytest.mark.parametrize("quantity", ["loss", "mrrmse"])
def test_curves_show_what_was_measured(palette, folds, quantity) -> None:
    figure = loss_curves(history(), palette, quantity=quantity, folds=folds)
    drawn = np.concatenate(
        [t.y for t in figure.data if t.mode == "lines" and t.x is not None and t.x[0] is not None]
    )
    column = "val_loss" if quantity == "loss" else "val_mrrmse"
    table = mean_over_folds(history()) if folds == "mean" else history()
    for value in table[column].dropna():
        assert np.isclose(drawn, value, rtol=1e-6).any()
    assert {t.name for t in figure.data if t.name} >= {"a", "best epoch"}


def test_smoothing_keeps_the_raw_curve_in_sight() -> None:
    plain = loss_curves(history(), LIGHT)
    smoothed = loss_curves(history(), LIGHT, smoothing=0.8)
    assert len(smoothed.data) == len(plain.data) + 2  # raw training and validation
    stars = [t for t in smoothed.data if t.marker.symbol == "star" and t.x[0] is not None]
    assert stars[0].x[0] == 2  # the best epoch is that of the raw curve


def test_one_panel_a_model_and_one_colour_a_run() -> None:
    both = pd.concat([history(), history().assign(model="transformer"), history().assign(run="b")])
    figure = loss_curves(both, LIGHT, colours={"a": "#111111", "b": "#222222"})
    assert {note.text for note in figure.layout.annotations} == {"mlp", "transformer"}
    assert {t.line.color for t in figure.data if t.mode == "lines" and t.hovertemplate} == {
        "#111111",
        "#222222",
    }


def test_no_epoch_yet_draws_an_empty_figure() -> None:
    figure = loss_curves(history().iloc[:0], LIGHT)
    assert all(t.x[0] is None for t in figure.data)


def test_run_names_are_not_interpreted() -> None:
    figure = loss_curves(history().assign(run="<b>x</b>"), LIGHT)
    assert all("<b>" not in (t.name or "") for t in figure.data)
    assert any("&lt;b&gt;" in (t.name or "") for t in figure.data)
