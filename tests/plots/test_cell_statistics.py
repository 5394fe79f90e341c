"""Figures of statistics of cells: what is drawn, and that no name is interpreted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.metrics.densities import distributions
from core.metrics.energy_groups import energy_by_type, energy_matrix
from core.metrics.markers import composition, group_summary
from core.plots import cell_groups as groups
from core.plots import cell_strength as strength
from core.plots.cell_violins import violins
from core.plots.cell_volcano import volcano
from core.plots.theme import DARK, LIGHT

HOSTILE = "<b onmouseover=alert(1)>x</b>"


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "names": [HOSTILE, "UP", "DOWN", "FLAT", "ONLY"],
            "scores": [1.0, 9.0, -8.0, 0.0, 5.0],
            "logfoldchanges": [0.2, 2.0, -3.0, 0.0, 25.0],
            "pvals_adj": [0.5, 1e-12, 0.0, 1.0, 1e-6],
            "pct_nz_group": [0.5, 0.9, 0.2, 0.0, 0.3],
            "pct_nz_reference": [0.5, 0.2, 0.9, 0.0, 0.0],
        }
    )


def test_volcano_colours_clips_and_names() -> None:
    fig = volcano(table(), names=("a", HOSTILE), picked="FLAT", palette=DARK)
    rest, up, down, text, ring = fig.data
    assert sorted(up.customdata) == ["ONLY", "UP"]
    assert down.customdata.tolist() == ["DOWN"]
    assert rest.customdata.tolist() == [HOSTILE, "FLAT"]
    assert down.y[0] == pytest.approx(300)  # p of 0 in float64
    limit = max(fig.layout.xaxis.range)
    only = list(up.customdata).index("ONLY")
    assert up.x[only] == pytest.approx(3.3)  # a tenth beyond DOWN, which both sides express
    assert up.marker.symbol[only] == "triangle-up"
    assert limit > 3.3
    assert set(text.text) == {"ONLY", "UP", "DOWN", "FLAT"}
    assert ring.x.tolist() == [0.0]
    assert HOSTILE not in down.name
    assert not any(HOSTILE in words for words in rest.text)


def test_names_in_the_volcano_do_not_cover_each_other() -> None:
    n = 30
    crowd = pd.DataFrame(
        {
            "names": [f"GENE{i:02d}" for i in range(n)],
            "scores": np.linspace(9, 8, n),
            "logfoldchanges": np.linspace(2.0, 2.05, n),
            "pvals_adj": np.full(n, 1e-12),
        }
    )
    *_, text, ring = volcano(crowd, n_labels=n, picked="GENE29").data
    # Six places round one spot: the picked gene first, then the strongest; the rest go unnamed.
    assert text.text[0] == "GENE29" and ring.y[0] == pytest.approx(12)
    assert 2 <= len(text.text) <= 6
    assert len(set(text.textposition)) == len(text.textposition)
    apart = crowd.iloc[:12].assign(
        logfoldchanges=[-9.0, 9.0] * 6, pvals_adj=10.0 ** -np.arange(2.0, 14.0)
    )
    *_, text = volcano(apart, n_labels=n).data
    assert sorted(text.text) == sorted(apart["names"])


def test_volcano_of_one_flat_gene_has_axes() -> None:
    fig = volcano(table().iloc[[3]])
    assert np.isfinite(fig.layout.xaxis.range).all()
    assert np.isfinite(fig.layout.yaxis.range).all()


def test_densities_are_of_the_values() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(3, 1, 4000), np.full(20, 2.0), [1.0, np.nan]])
    labels = ["n"] * 4000 + ["flat"] * 20 + ["one", "one"]
    found = distributions(values, labels)
    summary = found.summary.set_index("group")
    assert summary.loc["n", "median"] == pytest.approx(3, abs=0.1)
    assert summary.loc["one", "n_cells"] == 1
    curve = found.density[found.density["group"] == "n"]
    peak = curve.loc[curve["density"].idxmax(), "value"]
    assert peak == pytest.approx(3, abs=0.3)
    share = curve["density"] / curve["density"].sum()
    mean = (curve["value"] * share).sum()
    assert mean == pytest.approx(3, abs=0.1)
    assert (((curve["value"] - mean) ** 2) * share).sum() ** 0.5 == pytest.approx(1, abs=0.12)
    assert "one" not in set(found.density["group"])


def test_violins_and_their_halves() -> None:
    values = np.arange(40.0)
    labels = np.repeat([HOSTILE, "b"], 20)
    left = distributions(values, labels)
    fig = violins(left, "gene", right=left, names=("ctrl", HOSTILE))
    names = [trace.name for trace in fig.data if trace.name]
    assert "ctrl" in names
    assert HOSTILE not in " ".join(names)
    assert HOSTILE not in " ".join(fig.layout.xaxis.ticktext)
    assert "n = 40" in fig.layout.xaxis.ticktext[0]
    assert not violins(left, "gene").layout.showlegend


def test_dots_have_the_area_of_their_share() -> None:
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [4.0, 2.0]])
    fig = groups.dot_plot(group_summary(x, ["a", "a", "b", "b"], genes=[HOSTILE, "h"]), scaled=True)
    size = np.asarray(fig.data[0].marker.size)
    assert size.tolist() == pytest.approx([20, 0, 20 * 0.5**0.5, 20])
    assert np.asarray(fig.data[0].marker.color).tolist() == [0, 0, 1, 1]
    assert HOSTILE not in " ".join(fig.layout.xaxis.ticktext)


def test_heat_map_keeps_cells_under_their_group() -> None:
    values = np.array([[0.0, 1.0], [0.0, 2.0], [5.0, 0.0]])
    fig = groups.cell_heatmap(values, ["g", HOSTILE], pd.Series(["a", "a", "b"]))
    strip, cells = fig.data
    assert strip.z.tolist() == [[0, 0, 1]]
    assert cells.z.tolist() == values.T.tolist()
    assert HOSTILE not in " ".join(cells.y)
    assert list(fig.layout.xaxis2.tickvals) == [1.0, 2.5]


def test_composition_adds_up() -> None:
    found = composition(["x", "x", "y"], ["p", HOSTILE, "p"])
    fig = groups.composition_bars(found)
    total = np.sum([np.asarray(trace.x, dtype=float) for trace in fig.data], axis=0)
    assert total.tolist() == [100, 100]
    assert HOSTILE not in " ".join(trace.name for trace in fig.data)


def test_gene_against_gene_has_the_colours_of_the_groups() -> None:
    kinds = pd.Series(pd.Categorical(["b", "a", "b", "b"], categories=["a", "b"]))
    fig = groups.gene_against_gene(np.arange(4.0), np.arange(4.0), ("X", "Y"), kinds)
    drawn = {trace.name[0]: (trace.legendrank, trace.marker.color) for trace in fig.data}
    assert drawn == {name: (i, LIGHT.colours(["a", "b"])[name]) for i, name in enumerate("ab", 1)}


def test_many_cells_are_counted_in_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).random((2, 200))
    labels = pd.Series(pd.Categorical(np.repeat(["a", HOSTILE], 100)))
    few = groups.gene_against_gene(x, y, ("G", HOSTILE), labels)
    assert sum(len(trace.x) for trace in few.data) == 200
    assert HOSTILE not in str(few.layout.yaxis.title.text)
    monkeypatch.setattr(groups, "MOST_POINTS", 100)
    (bins,) = groups.gene_against_gene(x, y, ("G", "H"), labels).data
    assert bins.customdata.sum() == 200


def test_energy_figures() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(120, 3))
    labels = np.repeat(["a", "b", HOSTILE], 40)
    points[80:] += 4
    found = energy_matrix(points, labels, n_permutations=99)
    (heat,) = strength.energy_heatmap(found.distance, found.p_adjusted).data
    names = list(found.distance.index)
    a, b, far = (names.index(name) for name in ("a", "b", HOSTILE))
    assert heat.text[a][far].endswith("*")
    assert not heat.text[a][b].endswith("*")
    assert np.isnan(heat.z[a, a])
    assert HOSTILE not in str(heat.customdata.tolist())
    table = energy_by_type(points, labels, None, HOSTILE, "a", n_permutations=99)
    fig = strength.energy_bars(table)
    assert fig.data[0].x[0] == pytest.approx(table["energy_distance"].iloc[0])
    shuffled = strength.shuffled_histogram(np.arange(50.0), 70.0)
    assert shuffled.data[0].y.sum() == 50
