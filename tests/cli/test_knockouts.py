"""``python -m core run rank-pretraining`` and ``run knockouts`` on the model that it trained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.cli import main
from core.runs import list_runs
from core.settings import PREFIX, Settings, get_settings
from tests.studies.knockouts_small import ID, store_small


@pytest.fixture
def place(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv(PREFIX + "WORKSPACE", str(settings.workspace))
    monkeypatch.setenv(PREFIX + "DEVICE", "cpu")
    get_settings.cache_clear()
    store_small(settings)
    yield get_settings()
    get_settings.cache_clear()


def test_pretrain_then_knock_out(place: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "rank-pretraining", "--dataset", ID, "--label-key", "state"]
    words += ["--min-cells", "1", "--min-genes", "10", "--held-out", "0.3"]
    for value in ("layers=1", "width=16", "heads=2", "feedforward=16", "max_length=64"):
        words += ["--set", f"model.{value}"]
    for value in ("epochs=1", "batch_size=8", "sample_genes=32", "long_share=0"):
        words += ["--set", f"training.{value}"]
    assert main(words) == 0, capsys.readouterr().err
    (trained,) = list_runs(study="rank-pretraining", settings=place)
    assert trained.state == "finished", trained.error
    assert trained.metrics["perplexity"] > 1
    assert {"perplexity_unigram", "perplexity_nearest_cells"} <= set(trained.metrics)

    words = ["run", "knockouts", "--dataset", ID, "--ranks", "5 20", "--device", "cpu"]
    words += ["--set", "model.source=pretraining run", "--set", f"model.run_id={trained.id}"]
    words += ["--set", "cells.n_cells=2", "--set", "cells.min_genes=40"]
    assert main([*words, "--modes", "delete, shift only, paired control"]) == 0
    (record,) = list_runs(study="knockouts", settings=place)
    assert record.state == "finished", record.error
    assert record.metrics["n_cells"] == 2 and record.metrics["n_knockouts"] == 4
    assert 0 <= record.metrics["positional_share"] <= 1
    assert "auc_near/delete" in capsys.readouterr().out


def test_faults_are_told_in_one_sentence(
    place: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "knockouts", "--dataset", ID, "--target", "genes", "--genes", "NOPE"]) != 0
    said = capsys.readouterr()
    assert "The gene 'NOPE' is not in the vocabulary" in " ".join((said.out + said.err).split())
    assert main(["run", "knockouts", "--dataset", ID, "--target", "genes"]) != 0
    assert "name at least one gene" in capsys.readouterr().err
