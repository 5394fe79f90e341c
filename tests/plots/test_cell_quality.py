from __future__ import annotations

import numpy as np
import pandas as pd

from core.plots.cell_quality import (
    bins,
    counts_against_genes,
    explained_variance,
    histogram,
    loading_bars,
    sample,
    top_loadings,
)
from core.plots.theme import DARK, LIGHT


def test_every_cell_is_in_a_bin() -> None:
    values = np.array([1, 5, 10, 100, 1000, np.nan])
    for log in (True, False):
        table = bins(values, log=log, n=7)
        assert table["cells"].sum() == 5
        np.testing.assert_allclose([table["low"].min(), table["high"].max()], [1, 1000])
    steps = bins(values, log=True, n=3)
    np.testing.assert_allclose(steps["high"], [10, 100, 1000], rtol=1e-9)
    assert steps["cells"].tolist() == [2, 1, 2]  # an edge belongs to the bin above, the last to it
    assert bins(np.array([np.nan]), log=False).empty
    assert bins(np.full(4, 7.0), log=False)["cells"].sum() == 4


def test_cut_offs_are_drawn_and_what_they_remove_is_grey() -> None:
    table = bins(np.arange(1, 101, dtype=float), log=False, n=10)
    fig = histogram(table, "<b>x</b>", low=50.5, high=90, palette=DARK)
    colours = list(fig.data[0].marker.color)
    assert colours.count(DARK.muted) == 5 + 1
    assert [shape.x0 for shape in fig.layout.shapes] == [50.5, 90]
    assert fig.layout.xaxis.title.text == "&lt;b&gt;x&lt;/b&gt;"
    log = histogram(bins(np.array([1.0, 1000]), log=True), "reads", low=100, log=True)
    assert log.layout.shapes[0].x0 == 100
    assert log.layout.annotations[0].x == 2


def test_removed_cells_are_told_from_kept_ones() -> None:
    table = pd.DataFrame(
        {"counts": [10.0, 20, 30], "genes": [5, 6, 7], "mito_percent": [1.0, np.nan, 3]}
    )
    fig = counts_against_genes(table, np.array([True, False, True]), palette=LIGHT)
    assert [trace.name for trace in fig.data] == ["removed (1)", "kept (2)"]
    assert fig.data[0].marker.color == LIGHT.muted
    np.testing.assert_array_equal(fig.data[1].marker.color, np.float32([1, 3]))
    assert len(sample(10**6)) == 5000
    assert sample(3).tolist() == [0, 1, 2]


def test_variance_adds_up_and_loadings_are_the_extremes() -> None:
    fig = explained_variance(np.array([0.5, 0.25]))
    assert list(fig.data[0].y) == [50, 25]
    assert list(fig.data[1].y) == [50, 75]
    loadings = pd.Series([0.1, -0.9, 0.5, 0.0, -0.2], index=list("abcde"))
    top = top_loadings(loadings, 2)
    assert top["gene"].tolist() == ["b", "e", "a", "c"]
    bars = loading_bars(top, "PC1")
    assert list(bars.layout.yaxis.ticktext) == ["b", "e", "a", "c"]
    assert top_loadings(pd.Series([1.0, 2.0, 3.0], index=list("abc")), 12)["gene"].tolist() == [
        "a",
        "c",
    ]
