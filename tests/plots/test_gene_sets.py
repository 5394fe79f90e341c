from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.metrics.gene_sets_overlap import intersections
from core.plots import gene_sets as plots
from core.plots.gsea import gsea_bars


@pytest.mark.parametrize("shared", [0.0, 0.4, 2.0, np.pi])
def test_the_overlap_of_the_circles_has_the_asked_area(shared: float) -> None:
    d = plots.circle_distance(1.0, 1.5, shared)
    assert plots.lens_area(1.0, 1.5, d) == pytest.approx(shared, abs=1e-6)


def test_venn_tells_its_counts_and_interprets_no_name() -> None:
    fig = plots.venn(5, 3, 0, ("<b>a</b>", "b"))
    words = [t for trace in fig.data for t in trace.text]
    assert "<b>5</b>" in words and "<b>3</b>" in words
    assert not any(w.startswith("<b>a") for w in words)


def test_upset_has_a_bar_for_each_intersection() -> None:
    sets = {"a": "ABC", "b": "CD", "c": "CE"}
    fig = plots.upset(intersections(sets), {name: len(g) for name, g in sets.items()})
    assert list(fig.data[0].y) == [2, 1, 1, 1]


def test_scores_and_gains() -> None:
    row = {"set": "x", "n_genes": 9.0, "held_mse": 0.5, "panel_left": 0.3}
    row |= {"held_mse_low": 0.4, "held_mse_high": 0.6, "held_mse_gain": 0.1}
    row |= {"panel_left_gain": 0.2, "held_mse_gain_low": np.nan, "held_mse_gain_high": np.nan}
    table = pd.DataFrame([row])
    plain = plots.selection_scores(table)
    assert (plain.data[0].x[0], plain.data[0].y[0]) == (0.5, 0.3)
    assert plain.data[0].error_x.array[0] == pytest.approx(0.1)
    gain = plots.selection_scores(table, reference="Random")
    assert (gain.data[0].x[0], gain.data[0].y[0]) == (0.1, 0.2)
    assert gain.data[0].error_x.array is None


def test_dots_paths_and_bars_hold_their_numbers() -> None:
    terms = pd.DataFrame(
        {
            "set": ["a", "b"],
            "term": ["t1", "t1"],
            "overlap": [4, 1],
            "size": [10, 10],
            "fold": [2.0, 0.5],
            "p_value": [1e-4, 0.9],
            "q_value": [1e-3, 1.0],
        }
    )
    dots = plots.term_dots(terms, ["a", "b"]).data[0]
    assert list(dots.x) == [0, 1] and dots.marker.color[0] == pytest.approx(3.0)
    paths = pd.DataFrame({"set": "a", "n_genes": [3, 1], "error": [0.2, 0.9]})
    assert list(plots.selection_path(paths).data[0].y) == [0.9, 0.2]
    sets = pd.DataFrame({"set": "a", "frequency": [0.05, 1.0, 0.95]})
    assert list(plots.stability_bars(sets).data[0].y) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    genes = pd.DataFrame({"mean": [1.0, 2.0, 3.0], "dispersion": [0.0, -np.inf, 1.0]})
    boxes = plots.level_and_dispersion(genes, {"a": np.array([True, False, True])}).data
    assert [len(box.y) for box in boxes] == [2, 1, 2, 0]


def test_gsea_shows_both_ends_of_the_ranking() -> None:
    table = pd.DataFrame(
        {
            "term": [f"up {i}" for i in range(12)] + ["<b>down</b>"],
            "nes": [2.0 - 0.05 * i for i in range(12)] + [-1.5],
            "fdr": [0.01] * 12 + [0.3],
            "size": 20,
        }
    )
    fig = gsea_bars(table, n=10)
    (bar,) = fig.data
    assert len(bar.x) == 11 and bar.x[0] == -1.5 and bar.x[-1] == 2.0
    assert list(bar.marker.opacity) == [0.35] + [1.0] * 10
    assert "<b>" not in fig.layout.yaxis.ticktext[0]
    assert len(gsea_bars(table.iloc[:0]).data[0].x) == 0
