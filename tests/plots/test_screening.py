from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.plots import screening as plots
from core.plots.theme import DARK

HOSTILE = "<b onmouseover=alert(1)>x</b>"


def some_hits(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank": np.arange(1, n + 1),
            "id": [HOSTILE, *(f"m{i}" for i in range(1, n))],
            "score": np.linspace(-1, 1, n),
            "similarity": np.linspace(1, 0.1, n),
            "nearest": HOSTILE,
            "in_domain": np.linspace(1, 0.1, n) >= 0.5,
        }
    )


def some_response(spread: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "gene": ["A", "B", "C", "D"],
            "response": [3.0, -2.0, 0.5, -0.1],
            "spread": [spread, spread, 2 * spread, spread],
        }
    )


def test_few_hits_are_all_drawn() -> None:
    assert plots.sample_hits(5, limit=10).tolist() == [0, 1, 2, 3, 4]


def test_a_sample_keeps_the_best_and_repeats_itself() -> None:
    first = plots.sample_hits(1000, limit=100)
    assert len(first) == len(set(first)) == 100
    assert first[:25].tolist() == list(range(25))
    assert (np.diff(first) > 0).all()
    assert first.max() > 500  # the rest is from everywhere
    assert first.tolist() == plots.sample_hits(1000, limit=100).tolist()
    assert first.tolist() != plots.sample_hits(1000, limit=100, seed=1).tolist()


def test_every_point_of_the_scatter_names_its_rank() -> None:
    hits = some_hits()
    fig = plots.score_similarity(hits, threshold=0.5, selected=2, palette=DARK)
    outside, inside, ring = fig.data
    assert inside.customdata.tolist() == hits.loc[hits["in_domain"], "rank"].tolist()
    assert outside.customdata.tolist() == hits.loc[~hits["in_domain"], "rank"].tolist()
    assert ring.customdata.tolist() == [2]
    assert ring.y[0] == pytest.approx(hits["score"][1])
    assert inside.x.dtype == np.float32


def test_names_are_shown_and_not_interpreted() -> None:
    fig = plots.score_similarity(some_hits())
    assert not any("<b " in text for trace in fig.data for text in trace.text)
    bars = plots.cell_type_scores({HOSTILE: 1.0})
    assert "<b " not in bars.data[0].y[0]


def test_agreement_by_hand() -> None:
    height, title = plots.agreement(some_response(0.5))
    # median spread 0.5: 3 / (0.5 + 0.5), 2 / 1, 0.5 / 1.5, 0.1 / 1
    assert height == pytest.approx([3.0, 2.0, 1 / 3, 0.1])
    assert "spread" in title


@pytest.mark.parametrize("spread", [0.0, float("nan")])
def test_one_model_has_no_agreement_and_no_band(spread: float) -> None:
    response = some_response(spread)
    height, title = plots.agreement(response)
    assert height == pytest.approx([3.0, 2.0, 0.5, 0.1])
    assert "spread" not in title
    assert len(plots.ranked_effects(response, "z-score").data) == 1
    assert plots.top_genes(response, "z-score").data[0].error_x.array is None


def test_the_volcano_marks_the_genes_of_the_objective() -> None:
    fig = plots.predicted_volcano(some_response(), "log2 fold change", marked={"B", "not there"})
    others, objective = fig.data
    assert objective.text == ("B",)
    assert objective.x.tolist() == [-2.0]
    assert len(others.x) == 3
    assert {note.text for note in fig.layout.annotations} == {"A", "B", "C", "D"}


def test_ranked_effects_are_in_order_with_marks_at_their_ranks() -> None:
    fig = plots.ranked_effects(some_response(), "z-score", up={"A"}, down={"B"})
    high, low, curve, up, down = fig.data
    assert curve.y.tolist() == pytest.approx([3.0, 0.5, -0.1, -2.0])
    assert (high.y - low.y).tolist() == pytest.approx([1.0, 2.0, 1.0, 1.0])
    assert up.x.tolist() == [1]
    assert down.x.tolist() == [4]


@pytest.mark.parametrize(("n", "genes"), [(1, "AB"), (2, "ACDB"), (30, "ACDB")])
def test_top_genes_are_the_highest_and_lowest_each_once(n: int, genes: str) -> None:
    bars = plots.top_genes(some_response(), "z-score", n=n).data[0]
    assert "".join(bars.y) == genes


def test_enriched_terms_are_on_a_log_scale() -> None:
    terms = pd.DataFrame(
        {
            "term": ["first", HOSTILE],
            "overlap": [3, 2],
            "size": [10, 20],
            "p_value": [0.001, 0.1],
            "q_value": [0.02, 0.5],
            "direction": ["up", "down"],
        }
    )
    up, down = plots.enriched_terms(terms).data
    assert up.x.tolist() == pytest.approx([3.0])
    assert down.x.tolist() == pytest.approx([1.0])
    assert up.marker.opacity.tolist() == [1.0]
    assert down.marker.opacity.tolist() == [0.4]
    assert up.text == ("3 of 10",)
    assert "<b " not in down.y[0]
