from __future__ import annotations

import pytest

from core.data.facts import known_results
from core.studies.perturbation.published import LEADERBOARDS, comparable, reason

REAL = {
    "dataset": "op2",
    "simulated": False,
    "n_genes": 18_211,
    "scored": {"train": 614, "public_test": 100, "private_test": 155},
}


def test_the_real_table_with_its_truth_compares_with_the_leaderboards() -> None:
    assert comparable(**REAL) == {"kaggle-private": "private_test", "kaggle-public": "public_test"}
    assert reason(**REAL) == ""


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"simulated": True}, "simulated"),
        ({"simulated": None}, "simulated"),
        ({"dataset": "op2-demo"}, "op2-demo"),
        ({"n_genes": 5_317}, "5,317"),
        ({"scored": {"train": 614}}, "test truth"),
        ({"scored": {"private_test": 151}}, "155"),
    ],
)
def test_nothing_else_does(change: dict, word: str) -> None:
    assert comparable(**(REAL | change)) == {}
    assert word in reason(**(REAL | change))


def test_the_clipped_rerun_is_never_compared() -> None:
    assert "openproblems-v1.0.0" not in comparable(**REAL)


def test_rows_are_those_of_the_fact_table() -> None:
    facts = known_results()
    for benchmark, (_, n_rows) in LEADERBOARDS.items():
        mine = facts[facts["benchmark"] == benchmark]
        assert set(mine["n_rows"]) == {n_rows}
        assert set(mine["target"]) == {"18,211 genes"}
        assert set(mine["metric"]) == {"MRRMSE"}
