from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.data.table import PRIVATE_TEST, PUBLIC_TEST, TRAIN
from core.plots import embedding, perturbation_effects, perturbation_overview
from core.plots.theme import DARK, LIGHT

HOSTILE = "<img src=x onerror=alert(1)>"


def words(fig: go.Figure) -> str:
    """Everything that the browser would read."""
    return fig.to_json()


def test_design_matrix_codes_splits_and_leaves_gaps() -> None:
    matrix = pd.DataFrame(
        [[TRAIN, PUBLIC_TEST], [PRIVATE_TEST, ""]], index=["T", "B"], columns=["a", HOSTILE]
    )
    fig = perturbation_overview.design_matrix(matrix)
    z = np.asarray(fig.data[0].z)
    assert z[0].tolist() == [0, 1]
    assert z[1][0] == 2
    assert np.isnan(z[1][1])
    assert {t.name for t in fig.data[1:]} == {"train", "public test", "private test"}
    assert HOSTILE not in words(fig)


def test_split_counts_bars() -> None:
    counts = pd.DataFrame({TRAIN: [3, 1], PUBLIC_TEST: [0, 2]}, index=["T", "B"])
    fig = perturbation_overview.split_counts(counts)
    assert [list(trace.x) for trace in fig.data] == [[3, 1], [0, 2]]
    assert fig.layout.barmode == "stack"
    assert list(fig.data[1].text) == ["", "2"]


def test_top_genes_are_the_highest_in_order() -> None:
    statistics = pd.DataFrame({"sd": [1.0, 3.0, 2.0]}, index=["A", "B", "C"])
    fig = perturbation_overview.top_genes(statistics, "sd", "SD", n=2)
    assert list(fig.data[1].y) == ["B", "C"]
    assert list(fig.data[1].x) == [3.0, 2.0]
    assert fig.layout.xaxis.title.text == "SD"


def test_regulated_genes_go_both_ways() -> None:
    statistics = pd.DataFrame(
        {"n_up": [1, 5], "n_down": [2, 0], "share_regulated": [0.3, 0.5]}, index=["A", "B"]
    )
    fig = perturbation_overview.regulated_genes(statistics, 2.0)
    assert list(fig.data[0].y) == ["B", "A"]
    assert list(fig.data[0].x) == [0, -2]
    assert list(fig.data[1].x) == [5, 1]


def test_heatmap_is_centred_on_zero() -> None:
    frame = pd.DataFrame([[1.0, -4.0], [np.nan, 2.0]], index=["A", "B"], columns=["x", "y"])
    heat = perturbation_overview.heatmap(frame, "v").data[0]
    assert heat.zmin == -heat.zmax
    assert 2 < heat.zmax <= 4
    empty = perturbation_overview.heatmap(frame * 0, "v").data[0]
    assert empty.zmax == 1


def test_row_norms_separates_outliers() -> None:
    norms = pd.DataFrame(
        {
            "cell_type": ["T", "T", "B"],
            "sm_name": [HOSTILE, "b", "c"],
            "rms": [9.0, 1.0, 0.5],
            "share": [0.9, 0.08, 0.02],
            "outlier": [True, False, False],
        }
    )
    fig = perturbation_overview.row_norms(norms)
    usual, outliers, curve = fig.data
    assert list(outliers.x) == [9.0]
    assert len(usual.x) == 2
    assert np.asarray(curve.y) == pytest.approx([90, 98, 100])
    assert HOSTILE not in words(fig)


def test_gene_effect_draws_no_violin_of_few_points() -> None:
    effect = pd.DataFrame(
        {
            "cell_type": ["T"] * 10 + ["B"] * 3,
            "sm_name": [HOSTILE] * 13,
            "value": np.arange(13.0),
        }
    )
    fig = perturbation_effects.gene_effect(effect, "CD69", "signed −log10 p", palette=DARK)
    few, many = fig.data
    assert isinstance(few, go.Box)
    assert isinstance(many, go.Violin)
    assert few.name.endswith("n = 3")
    assert many.name.endswith("n = 10")
    assert list(few.y) == [10, 11, 12]
    assert few.y.dtype == np.float32
    assert fig.layout.yaxis.title.text == "CD69: signed −log10 p"
    assert HOSTILE not in words(fig)


def test_strength_specificity_names_the_far_and_high() -> None:
    rng = np.random.default_rng(0)
    response = pd.DataFrame(
        {
            "value": rng.normal(size=300),
            "typical": 0.0,
            "specificity": rng.normal(size=300),
        },
        index=[f"G{i}" for i in range(300)],
    )
    response.loc["G7"] = [9.0, 0.0, 8.0]
    response.loc["G8"] = [-9.0, 0.0, -8.0]
    response.loc["G9"] = [9.5, 9.5, 0.0]
    fig = perturbation_effects.strength_specificity(response, "z-score", n_labels=3)
    named = [a.text for a in fig.layout.annotations]
    assert {"G7", "G8"} <= set(named)
    assert "G9" not in named, "a gene that answers to everything is not this compound's own"
    assert len(named) <= 6
    assert sum(len(trace.x) for trace in fig.data) == 300
    heights = sorted(a.y for a in fig.layout.annotations if a.x > 0)
    assert (np.diff(heights) > 0.1).all(), "names do not lie on each other"


def test_correlation_shows_numbers_only_where_there_is_room() -> None:
    small = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("abc"))
    counts = pd.DataFrame(5, index=list("cba"), columns=list("cba"))
    fig = perturbation_effects.correlation(small, counts=counts)
    assert fig.data[0].texttemplate == "%{z:.2f}"
    assert (fig.data[0].zmin, fig.data[0].zmax) == (-1, 1)
    names = [str(i) for i in range(80)]
    big = perturbation_effects.correlation(pd.DataFrame(np.eye(80), index=names, columns=names))
    assert big.data[0].texttemplate is None
    assert big.layout.xaxis.showticklabels is False


def test_scatter_by_category_and_by_number() -> None:
    coordinates = np.arange(8.0).reshape(4, 2)
    hover = pd.Series([HOSTILE, "b", "c", "d"])
    groups = pd.Series(["x", "x", "other", HOSTILE])
    fig = embedding.scatter(coordinates, hover, groups, quiet=("other",))
    assert fig.data[0].name == "other (1)"
    assert fig.data[0].marker.color == LIGHT.muted
    assert fig.data[1].name == "x (2)"
    assert list(fig.data[1].x) == [0, 2]
    assert HOSTILE not in words(fig)
    number = embedding.scatter(coordinates, hover, pd.Series([4.0, 1, 2, 3], name="row RMS"))
    assert list(number.data[0].marker.color) == [1, 2, 3, 4], "the strongest are drawn last"
    assert list(number.data[0].x) == [2, 4, 6, 0]
    assert number.data[0].marker.colorbar.title.text == "row RMS"


def test_scatter_on_a_log_scale_keeps_the_numbers() -> None:
    numbers = pd.Series([1.0, 10.0, 100.0, 1000.0], name="row RMS")
    trace = embedding.scatter(np.zeros((4, 2)), pd.Series(list("abcd")), numbers, log=True).data[0]
    assert np.asarray(trace.marker.color) == pytest.approx([0, 1, 2, 3])
    assert list(trace.customdata) == [1, 10, 100, 1000]
    ticks = dict(zip(trace.marker.colorbar.ticktext, trace.marker.colorbar.tickvals, strict=True))
    assert ticks["100"] == pytest.approx(2)
    assert ticks["5"] == pytest.approx(np.log10(5))


def test_design_matrix_of_many_compounds_has_no_gaps() -> None:
    names = [str(i) for i in range(900)]
    matrix = pd.DataFrame([[TRAIN] * 900], index=["all cells"], columns=names)
    assert perturbation_overview.design_matrix(matrix).data[0].xgap == 0
