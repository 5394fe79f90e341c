"""``python -m core run landmarks``: the same study without a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.cli import main
from core.runs import list_runs
from core.settings import PREFIX, Settings, get_settings
from tests.studies.landmarks_small import ID, store_small


@pytest.fixture
def place(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv(PREFIX + "WORKSPACE", str(settings.workspace))
    monkeypatch.setenv(PREFIX + "DEVICE", "cpu")
    get_settings.cache_clear()
    store_small(settings)
    yield get_settings()
    get_settings.cache_clear()


def test_a_run_with_an_own_list_and_two_models(
    place: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "landmarks", "--dataset", ID, "--genes", "G0 G1,G2", "--n-splits", "1"]
    assert main([*words, "--model", "ridge", "--model", "knn:n_neighbors=5"]) == 0
    (record,) = list_runs(study="landmarks", settings=place)
    assert record.state == "finished", record.error
    assert record.metrics["n_measured"] == 3
    assert {"ridge/mse", "knn/weighted_mse", "ensemble/mse"} <= set(record.metrics)
    assert record.config["models"][1]["params"] == {"n_neighbors": 5}


def test_a_set_that_is_not_there_is_told_in_one_sentence(
    place: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "landmarks", "--dataset", ID, "--genes", "NOPE1 NOPE2"]) != 0
    said = capsys.readouterr()
    assert "Only 0 of the 2 genes" in " ".join((said.out + said.err).split())
