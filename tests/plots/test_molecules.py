from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from core.plots import molecules as figures
from core.plots.theme import DARK, LIGHT, Palette

HOSTILE = "<img src=x onerror=alert(1)>"
PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda p: p.mode)


@PALETTES
def test_heat_map_leaves_zeros_blank_and_keeps_the_order(palette: Palette) -> None:
    counts = pd.DataFrame([[0, 2], [1, 0]], index=[HOSTILE, "b"], columns=["CO", HOSTILE])
    fig = figures.substructure_heatmap(counts, palette=palette)
    z = np.asarray(fig.data[0].z, dtype=float)
    assert np.isnan(z[0, 0]) and z[0, 1] == 2 and z[1, 0] == 1 and np.isnan(z[1, 1])
    assert fig.layout.xaxis.ticktext[0] == "CO"
    assert fig.layout.yaxis.autorange == "reversed"
    assert HOSTILE not in json.dumps(fig.to_dict(), default=str)


def test_an_empty_heat_map_is_a_figure_too() -> None:
    fig = figures.substructure_heatmap(pd.DataFrame(np.zeros((2, 0), int)), palette=LIGHT)
    assert np.asarray(fig.data[0].z).shape == (2, 0)


@PALETTES
def test_bit_map_marks_set_bits_and_collisions(palette: Palette) -> None:
    fig = figures.bit_map(100, bits=[0, 99, 5], collisions=[5], palette=palette)
    z = np.asarray(fig.data[0].z, dtype=float).ravel()
    assert np.flatnonzero(z[:100] == 1).tolist() == [0, 99]
    assert np.flatnonzero(z[:100] == 2).tolist() == [5]
    assert np.isnan(z[100:]).all() and len(z) == 128


def test_histogram_holds_every_similarity() -> None:
    fig = figures.similarity_histogram(np.array([0.1, 0.2, 1.0]), palette=LIGHT, marked=0.2)
    assert np.asarray(fig.data[0].x).tolist() == pytest.approx([0.1, 0.2, 1.0])
    assert fig.layout.shapes[0].x0 == 0.2


def _frame() -> pd.DataFrame:
    n = 30
    return pd.DataFrame(
        {
            "x": np.arange(n, dtype=float),
            "y": np.arange(n, dtype=float),
            "name": [HOSTILE, *[f"c{i}" for i in range(1, n)]],
            "moa": [f"m{i % 14}" for i in range(n - 1)] + [None],
            "mw": np.linspace(100, 500, n),
        }
    )


@PALETTES
@pytest.mark.parametrize("colour", [None, "moa", "mw"])
def test_every_compound_is_a_point_once_and_knows_its_row(
    palette: Palette, colour: str | None
) -> None:
    fig = figures.chemical_space(_frame(), palette=palette, colour=colour, marked=3)
    points = [trace for trace in fig.data if trace.type == "scattergl"]
    rows = np.concatenate([np.ravel(trace.customdata) for trace in points])
    assert sorted(rows.tolist()) == list(range(30))
    assert HOSTILE not in json.dumps(fig.to_dict(), default=str)
    ring = fig.data[-1]
    assert ring.name == "in use" and list(ring.x) == [3.0]


def test_rare_categories_share_one_grey() -> None:
    fig = figures.chemical_space(_frame(), palette=LIGHT, colour="moa")
    names = [trace.name for trace in fig.data]
    assert names[0] == "other" and len(names) == 11
    assert fig.data[0].marker.color == LIGHT.muted
    numbers = figures.chemical_space(_frame(), palette=LIGHT, colour="mw").data
    assert len(numbers) == 1 and np.asarray(numbers[0].marker.color).max() == 500
