"""Figures of the landmark study: they draw the numbers they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.plots import landmarks as plots
from core.plots.theme import DARK, LIGHT, Palette

HOSTILE = "<b>x</b>"


@pytest.fixture(params=[LIGHT, DARK], ids=["light", "dark"])
def palette(request: pytest.FixtureRequest) -> Palette:
    return request.param


def test_the_histogram_counts_every_cell(palette: Palette) -> None:
    reads = np.array([1000.0, 1500, 2500, 9000, 1000])
    fig = plots.library_sizes(reads, 1000, palette)
    assert sum(fig.data[0].y) == 5 and len(fig.layout.shapes) == 1
    assert not plots.library_sizes(reads, 0, palette).layout.shapes


def test_balance_and_variance(palette: Palette) -> None:
    table = pd.DataFrame(
        {"cell_type": ["a", HOSTILE], "n_cells": [9, 4], "median_reads": [1e3, 2e3]}
    )
    fig = plots.type_balance(table, palette)
    assert list(fig.data[0].x) == [4, 9] and "<b>" not in fig.data[0].y[0]
    curve = plots.variance_curve(np.array([0.5, 0.25]), palette)
    np.testing.assert_allclose(curve.data[0].y, [0.5, 0.75])


def test_models_stand_in_order_of_the_error(palette: Palette) -> None:
    table = pd.DataFrame(
        {
            "label": ["good", "bad", HOSTILE],
            "kind": ["linear", "linear", "reference"],
            **{
                f"{metric}{end}": [0.1 + d, 0.5 + d, 0.9 + d]
                for metric in ("mse", "weighted_mse")
                for end, d in (("", 0.0), ("_low", -0.05), ("_high", 0.1))
            },
        }
    )
    fig = plots.model_scores(table, palette)
    assert len(fig.data) == 4  # two kinds, two metrics
    assert list(fig.layout.yaxis.categoryarray)[-1] == "good"
    np.testing.assert_allclose(fig.data[0].error_x.array, [0.1, 0.1])
    np.testing.assert_allclose(fig.data[0].error_x.arrayminus, [0.05, 0.05])


def test_types_are_percent_below_the_mean(palette: Palette) -> None:
    table = pd.DataFrame(
        {
            "label": ["one", "one", "two", "two"],
            "cell_type": ["b", "a", "b", "a"],
            "gain": [0.1, 0.2, 0.3, np.nan],
        }
    )
    heat = plots.type_scores(table, "mse", palette).data[0]
    assert list(heat.y) == ["two", "one"] and list(heat.x) == ["b", "a"]
    np.testing.assert_allclose(heat.z, [[30, np.nan], [10, 20]], rtol=1e-6)


def test_one_gene_and_all_genes(palette: Palette) -> None:
    cells = pd.DataFrame(
        {
            "cell": ["c1", "c2", "c3"],
            "cell_type": ["a", "a", HOSTILE],
            "measured": [0.0, 1.0, 2.0],
            "predicted": [0.5, 1.0, 1.5],
        }
    )
    fig = plots.gene_cells(cells, HOSTILE, palette)
    assert sum(len(trace.x) for trace in fig.data[1:]) == 3
    assert "<b>" not in fig.layout.xaxis.title.text
    genes = pd.DataFrame(
        {"gene": ["A", "B"], "mean": [1.0, 2.0], "r2": [0.5, np.nan], "detected": [0.1, 0.2]}
    )
    assert len(plots.gene_r2(genes, palette, "A").data) == 2
    assert len(plots.gene_r2(genes, palette, "none").data) == 1


def test_curves_mark_the_kept_epoch_and_weights_add_up(palette: Palette) -> None:
    history = pd.DataFrame(
        {
            "label": "net",
            "split": [0, 0, 0],
            "epoch": [1, 2, 3],
            "train_loss": [3.0, 2.0, 1.0],
            "val_loss": [3.0, 1.0, 2.0],
        }
    )
    kept = plots.learning_curves(history, palette).data[-1]
    assert (kept.x[0], kept.y[0]) == (2, 1.0)
    weights = pd.DataFrame(
        {
            "ensemble": ["e"] * 4,
            "label": ["a", "b", "a", "b"],
            "weight": [0.2, 0.8, 0.4, 0.6],
        }
    )
    fig = plots.ensemble_weights(weights, palette)
    assert sum(trace.x[0] for trace in fig.data) == pytest.approx(1.0)
