from __future__ import annotations

import numpy as np
import pandas as pd

from core.plots import integration as plots
from core.plots import integration_maps as maps
from core.plots.theme import DARK

RNG = np.random.default_rng(0)


def test_grid_draws_each_cell_in_each_panel_with_one_legend_a_colouring() -> None:
    points = RNG.normal(size=(30, 2))
    groups = np.array(["a", "b", "c"])[np.arange(30) % 3]
    clusters = {"PCA": (np.arange(30) % 2).astype(str), "X": groups}
    colours = {"Cluster": clusters, "Batch": {"PCA": groups, "X": groups}}
    fig = maps.grid({"PCA": points, "X": points}, colours, np.arange(30).astype(str))
    assert sum(len(t.x) for t in fig.data) == 4 * 30
    listed = [t.name for t in fig.data if t.showlegend and t.legend == "legend2"]
    assert sorted(listed) == ["a", "b", "c"]
    assert all((np.sort(t.customdata) == t.customdata).all() for t in fig.data)


def test_grid_brings_the_selection_forward_in_every_panel() -> None:
    points, selected = RNG.normal(size=(20, 2)), np.arange(20) < 5
    groups = {"A": np.array(["x"] * 20), "B": np.array(["x", "y"] * 10)}
    fig = maps.grid(
        {"A": points, "B": points}, {"Batch": groups}, np.arange(20).astype(str), selected=selected
    )
    for panel in ("x", "x2"):
        traces = [t for t in fig.data if (t.xaxis or "x") == panel]
        chosen = np.concatenate([t.customdata[list(t.selectedpoints)] for t in traces])
        assert sorted(chosen) == [0, 1, 2, 3, 4]


def test_more_categories_than_colours_differ_in_shape() -> None:
    names = np.array([f"t{i:02d}" for i in range(14)])
    fig = maps.grid(
        {"A": RNG.normal(size=(14, 2))}, {"Cell type": {"A": names}}, names, palette=DARK
    )
    looks = {(t.marker.color, t.marker.symbol) for t in fig.data}
    assert len(looks) == 14


def test_sample_of_rows_is_seeded() -> None:
    assert maps.drawn_rows(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert (maps.drawn_rows(1000, 10) == maps.drawn_rows(1000, 10)).all()
    assert len(maps.drawn_rows(1000, 10)) == 10


def test_pairs_are_lines_between_their_cells() -> None:
    points = np.array([[0, 0], [1, 1], [2, 2], [3, 3]], dtype=float)
    fig = maps.pairs(
        points, np.array(["a", "b", "a", "b"]), np.array([[0, 1], [2, 3]]), np.array([True, False])
    )
    same, different = fig.data[:2]
    assert same.x[:2].tolist() == [0, 1] and np.isnan(same.x[2])
    assert different.y[:2].tolist() == [2, 3] and "different types (1)" in different.name


def test_curves_draw_the_floor_and_leave_out_what_is_not_known() -> None:
    frame = pd.DataFrame(
        {
            "resolution": [0.1, 1.0],
            "ari": [np.nan] * 2,
            "nmi": [np.nan] * 2,
            "batch_ari": [0.1, 0.2],
        }
    )
    fig = plots.resolution_curves({"A": frame}, 0.05)
    assert len(fig.data) == 1
    lines = [s for s in fig.layout.shapes if s.type == "line"]
    assert [line.y0 for line in lines] == [0.05]
    known = frame.assign(ari=[0.5, 0.6])
    assert len(plots.resolution_curves({"A": known, "B": known}, np.nan).data) == 4


def test_trade_off_has_a_point_a_method_and_bars_where_there_are_draws() -> None:
    points = pd.DataFrame(
        {"x": [0.1, 0.4], "y": [0.5, 0.6], "x_sd": [0.01, np.nan]}, index=["A", "B"]
    )
    fig = plots.trade_off(points, "x", "y", titles=("mixing", "biology"))
    assert [t.x[0] for t in fig.data] == [0.1, 0.4]
    assert fig.data[0].error_x.array[0] == 0.01 and fig.data[1].error_x.array is None


def test_losses_bars_heat_and_shift() -> None:
    losses = plots.losses(pd.DataFrame({"epoch": [1, 2], "batch_loss": [2.0, 1.0]}))
    assert losses.data[0].name == "batch loss" and losses.layout.yaxis.type == "log"
    shift = pd.DataFrame(
        {"d1": [1.0, 0.1], "d2": [-1.0, 0.0], "rms": [1.0, 0.1]}, index=["A", "<b>"]
    )
    fig = plots.gene_shift(shift, n=2)
    assert fig.data[0].y[-1] == "A" and fig.data[0].y[0] == "&lt;b&gt;"
    heat = plots.heat(pd.DataFrame([[1.0, -3.0]], columns=["a", "b"]), "z", centre=0.0)
    assert (heat.data[0].zmin, heat.data[0].zmax) == (-3, 3)
    assert plots.bars(pd.Series({"A": 2.0, "B": 1.0}), "w").data[0].y[-1] == "A"
    shaded = maps.shaded(np.zeros((3, 2)), np.array([2.0, 0.0, 1.0]), "share")
    assert shaded.data[0].marker.color.tolist() == [0, 1, 2]
