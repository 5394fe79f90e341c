from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.plots import knockouts as plots
from core.plots.theme import DARK

RNG = np.random.default_rng(0)
GENES = np.array([f"G{i}" for i in range(30)])


def responses(n_modes: int = 2) -> dict[str, np.ndarray]:
    out = {}
    for mode in range(n_modes):
        shift = RNG.random(30) * 1e-6
        shift[21:] += 0.01 if mode == 0 else 0.0
        shift[20] = np.nan
        out[f"mode {mode}"] = shift
    return out


def test_cosine_by_rank_draws_every_gene_and_marks_the_knocked_rank() -> None:
    shifts = responses()
    fig = plots.cosine_by_rank(shifts, GENES, [20], palette=DARK)
    assert len(fig.data) == 2 and len(fig.layout.shapes) == 2
    assert all(shape.x0 == shape.x1 == 20 for shape in fig.layout.shapes)
    first = fig.data[0]
    assert 20 not in first.x and len(first.x) == 29, "the knocked gene has no embedding"
    np.testing.assert_allclose(first.y, 1 - shifts["mode 0"][first.x.astype(int)])
    assert fig.layout.yaxis.range is None
    zoomed = plots.cosine_by_rank(shifts, GENES, [20], zoom=True)
    assert zoomed.layout.yaxis.range[0] == plots.ZOOM == 0.975


def test_a_logarithmic_distance_draws_what_did_not_move_as_well() -> None:
    fig = plots.cosine_by_rank({"a": np.array([0.0, 1e-7, np.nan])}, GENES[:3], [2], distance=True)
    assert fig.layout.yaxis.type == "log"
    assert fig.data[0].y.tolist() == [plots.FLOOR, 1e-7]
    assert fig.data[0].customdata.tolist() == [0.0, 1e-7], "the number told is the true one"


def test_partners_are_named() -> None:
    fig = plots.cosine_by_rank(responses(1), GENES, [20], highlight=["G3", "G7", "nobody"])
    plain, marked = fig.data
    assert len(plain.x) == 27 and list(marked.text) == ["G3", "G7"]
    assert marked.mode == "markers+text"


def test_many_modes_stand_in_two_rows() -> None:
    fig = plots.cosine_by_rank(responses(7), GENES, [20])
    assert len({trace.yaxis for trace in fig.data}) == 7
    assert len(fig.layout.annotations) == 7


def test_heat_map_has_a_row_a_knocked_rank_and_puts_columns_together() -> None:
    shift = np.full((3, 50), 1e-6)
    shift[:, 25:] = 1e-2
    shift[1, 10] = np.nan
    fig = plots.scan_heat(np.array([5, 10, 20]), shift, bins=10)
    heat = fig.data[0]
    assert heat.z.shape == (3, 10) and list(heat.y) == [5, 10, 20]
    np.testing.assert_allclose(heat.z[0], [-6] * 5 + [-2] * 5, atol=1e-6)
    assert fig.layout.yaxis.autorange == "reversed"
    nothing = plots.scan_heat(np.array([0, 1]), np.full((2, 5), np.nan))
    assert np.isnan(nothing.data[0].z.astype(float)).all()


def test_cell_shift_leaves_out_genes_that_were_put_in() -> None:
    table = pd.DataFrame(
        {
            "mode": ["delete", "delete", "over-express"],
            "rank": [3, 9, -1],
            "gene": ["A", "B", "C"],
            "cell": ["c", "c", "c"],
            "cell_shift": [1e-3, 1e-4, 1e-2],
            "cell_shift_others": [1e-4, 0.0, 1e-3],
        }
    )
    fig = plots.cell_shift_by_rank(table)
    drawn = {trace.name: list(trace.y) for trace in fig.data}
    assert drawn["delete"] == [1e-4, plots.FLOOR] and drawn["over-express"] == []


@pytest.mark.parametrize(("title", "low"), [("Spearman correlation", -1), ("Overlap", 0)])
def test_matrix_of_modes_writes_its_numbers(title: str, low: int) -> None:
    matrix = pd.DataFrame([[1.0, 0.25], [0.25, np.nan]], index=["a", "b"], columns=["a", "b"])
    heat = plots.mode_matrix(matrix, title).data[0]
    assert heat.zmin == low and heat.zmax == 1
    assert heat.text.tolist() == [["1.00", "0.25"], ["0.25", ""]]


def test_intervals_stand_beside_each_other_in_order_of_rank() -> None:
    table = pd.DataFrame(
        {
            "mode": ["delete", "delete", "mask token"],
            "target": ["rank 900", "rank 100", "rank 100"],
            "rank": [900, 100, 100],
            "n": 5,
            "auc_near": [1.0, 0.9, 0.5],
            "auc_near_low": [0.9, 0.8, np.nan],
            "auc_near_high": [1.0, 1.0, np.nan],
        }
    )
    fig = plots.intervals(table, "auc_near", "AUC")
    assert list(fig.layout.xaxis.ticktext) == ["rank 100", "rank 900"]
    first, second = fig.data
    assert list(first.y) == [0.9, 1.0] and list(second.y) == [0.5]
    np.testing.assert_allclose(first.error_y.array, [0.1, 0.0], atol=1e-9)
    assert first.x[0] < second.x[0] < first.x[1]
    assert any(shape.y0 == 0.5 for shape in fig.layout.shapes), "no step is drawn as a line"


def test_both_nulls_share_their_axis() -> None:
    tests = pd.DataFrame(
        {"gene": ["A", "B"], "rank": [1.0, 2.0], "p_matched": [0.5, 0.1], "p_pooled": [0.01, 0.9]}
    )
    fig = plots.null_comparison(tests)
    assert [list(trace.y) for trace in fig.data] == [[0.5, 0.1], [0.01, 0.9]]
    assert fig.layout.yaxis2.matches == "y"


def test_responders_largest_on_top_and_names_as_they_are() -> None:
    table = pd.DataFrame(
        {
            "gene": ["<b>x</b>", "B", "C"],
            "rank": [5, 2, 9],
            "shift": [3e-6, 2e-6, 1e-6],
            "percentile_in_rank": [1.0, 0.5, 0.2],
        }
    )
    bars = plots.responder_bars(table, n=2).data[0]
    assert list(bars.x) == [2e-6, 3e-6]
    assert "<b>" not in bars.y[1] and "x" in bars.y[1]


def test_sets_without_a_hit_are_not_drawn() -> None:
    table = pd.DataFrame(
        {
            "term": ["a", "b"],
            "overlap": [3, 0],
            "p_value": [0.001, 1.0],
            "p_matched": [0.1, 1.0],
        }
    )
    points, diagonal = plots.enrichment_points(table).data
    assert list(points.x) == pytest.approx([3.0]) and list(points.y) == pytest.approx([1.0])
    assert list(diagonal.x) == [0, pytest.approx(3.0)]
