"""The knock-out study, whole and broken off, on small cells and a small model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.errors import CancelledError, ConfigError, DataError, PerturbScopeError, RunError
from core.featurizers.rank_value import RankEncoded, encode
from core.metrics.knockout import positional_share
from core.models.rank_transformer import Mode, knock_out, over_express_new
from core.models.rank_transformer.demonstration import LoadedModel
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.knockouts import computing
from core.studies.knockouts.config import KnockoutsConfig, ModelChoice, Source
from core.studies.knockouts.models import open_model
from core.studies.knockouts.prepare import make_ready
from core.studies.knockouts.result import KnockoutsResult
from core.studies.knockouts.run import compute
from tests.studies.knockouts_small import ID, small_cells, small_config, store_small, write_model


@pytest.fixture
def place(settings: Settings) -> Settings:
    store_small(settings)
    return settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return open_model(ModelChoice(source=Source.FOLDER, folder=str(folder)))


@pytest.fixture(scope="module")
def encoded(loaded: LoadedModel) -> RankEncoded:
    return encode(small_cells(), loaded.vocabulary, max_length=64)


def run(config: KnockoutsConfig, folder: Path, settings: Settings, **more: object) -> object:
    study = STUDIES.get("knockouts").value
    return study.run(config, StudyContext(folder, settings, **more))  # type: ignore[arg-type]


def test_every_stored_number_is_that_of_the_engine(
    place: Settings, folder: Path, loaded: LoadedModel, encoded: RankEncoded, tmp_path: Path
) -> None:
    config = small_config(folder, modes=[mode.value for mode in Mode])
    run(config, tmp_path / "run", place)
    result = STUDIES.get("knockouts").value.load(tmp_path / "run")
    analysis = result.analysis
    assert result.config == config and result.data_hash() == f"hash-{ID}"
    assert analysis.modes == tuple(Mode) and analysis.labels == ("rank 5", "rank 20", "rank 35")
    assert len(analysis.read_outs) == 3 * 3 * len(Mode)
    for number, name in enumerate(analysis.cells["cell"]):
        tokens = encoded.cell(str(name))
        np.testing.assert_array_equal(analysis.genes[number], encoded.genes(str(name)))
        direct = {mode: knock_out(loaded.model, tokens, [5, 20, 35], mode) for mode in Mode}
        for mode in Mode:
            shift, knocked = analysis.row(number, mode, "rank 20") or (np.array([]), ())
            np.testing.assert_allclose(shift, direct[mode].shift[1], rtol=1e-6)
            assert knocked == (20,)
        share = positional_share(direct[Mode.DELETE].shift[1], direct[Mode.SHIFT_ONLY].shift[1])
        here = analysis.read_outs.query("number == @number and target == 'rank 20'")
        by_mode = here.set_index("mode")
        assert by_mode.loc["delete", "share"] == pytest.approx(share)
        assert np.isnan(by_mode.loc["attention mask", "share"])
        assert by_mode.loc["delete", "gene"] == encoded.genes(str(name))[20]
        assert by_mode.loc["paired control", "cell_shift_others"] == pytest.approx(
            direct[Mode.PAIRED].cell_shift_others[1]
        )
    table = analysis.responses_table("rank 20", 0)
    assert len(table.columns) == 2 + len(Mode) and len(table) == len(analysis.genes[0])


def test_read_outs_tell_mechanism_from_content(
    place: Settings, folder: Path, tmp_path: Path
) -> None:
    """Untrained weights: deleting is all rank, and the paired control is the mask's answer."""
    result = run(small_config(folder), tmp_path / "run", place)
    analysis = result.analysis  # type: ignore[attr-defined]
    summary = result.summary()  # type: ignore[attr-defined]
    assert summary["auc_near/delete"] > 0.99 and summary["auc_near/shift only"] > 0.99
    assert summary["auc_near/attention mask"] < 0.9
    share, low, high = analysis.share()
    assert 0.5 < share <= 1 and low <= share <= high
    assert f"{100 * share:.1f} % of the response to these 3 deletions" in analysis.verdict()
    assert f"interval over cells: {100 * low:.1f} to {100 * high:.1f} %)." in analysis.verdict()
    matrix = analysis.agreement_matrix("spearman")
    assert matrix.loc["paired control", "attention mask"] > matrix.loc["delete", "attention mask"]
    assert (np.diag(matrix) == 1).all() and matrix.equals(matrix.T)
    assert set(analysis.intervals["n"]) == {3}
    assert (
        "Compute delete and shift only"
        in (
            run(small_config(folder, modes=["mask token"]), tmp_path / "one", place)
        ).analysis.verdict()
    )  # type: ignore[attr-defined]


def test_an_interrupted_scan_goes_on_where_it_stopped(
    place: Settings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "PIECE", 8)
    modes = ["delete", "shift only"]
    config = small_config(
        folder, target="all ranks", stride=2, modes=modes, cells={"n_cells": 2, "min_genes": 45}
    )
    straight = run(config, tmp_path / "straight", place)
    steps = 0

    def after_a_while() -> bool:
        nonlocal steps
        steps += 1
        return steps > 35

    with pytest.raises(CancelledError):
        run(config, tmp_path / "broken", place, should_cancel=after_a_while)
    pieces = sorted((tmp_path / "broken").rglob("*.npz"))
    assert pieces, "finished pieces are kept"
    with pytest.raises(RunError):
        KnockoutsResult.load(tmp_path / "broken")
    written = {piece: piece.stat().st_mtime_ns for piece in pieces if "responses" in piece.parts}
    told: list[tuple[int, int, str]] = []
    resumed = run(
        config,
        tmp_path / "broken",
        place,
        resume=True,
        on_progress=lambda *step: told.append(step),
    )
    assert all(piece.stat().st_mtime_ns == moment for piece, moment in written.items())
    pd.testing.assert_frame_equal(
        resumed.analysis.read_outs,  # type: ignore[attr-defined]
        straight.analysis.read_outs,  # type: ignore[attr-defined]
    )
    assert any("left" in message for _, _, message in told), "the time left is told"
    assert not (tmp_path / "broken" / "scans").exists()
    ranks, shift = resumed.analysis.scan_matrix(0, Mode.DELETE)  # type: ignore[attr-defined]
    assert ranks.tolist() == list(range(0, shift.shape[1], 2))


def test_a_resumed_run_refuses_another_model(place: Settings, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    config = small_config(own)
    with pytest.raises(CancelledError):
        run(config, tmp_path / "run", place, should_cancel=lambda: True)
    write_model(own, seed=1)
    with pytest.raises(RunError, match="model has changed"):
        run(config, tmp_path / "run", place, resume=True)


def test_genes_groups_and_what_a_cell_lacks(
    place: Settings, folder: Path, loaded: LoadedModel, encoded: RankEncoded, tmp_path: Path
) -> None:
    tokens, genes = encoded.cell("c0"), encoded.genes("c0")
    absent = next(g for g in loaded.vocabulary.names if g not in set(genes))
    pair = f"{genes[30]}+{genes[3]}"
    config = small_config(
        folder,
        target="genes",
        genes=f"{genes[10]}, {genes[30]} + {genes[3]}, {absent}",
        modes=["delete", "attention mask", "shift only", "over-express"],
        cells={"names": ["c0"]},
        partners=list(genes[40:44]),
    )
    assert config.genes == (genes[10], pair, absent)
    result = run(config, tmp_path / "run", place)
    analysis = result.analysis  # type: ignore[attr-defined]
    shift, knocked = analysis.row(0, Mode.DELETE, pair)
    assert knocked == (3, 30)
    np.testing.assert_allclose(
        shift, knock_out(loaded.model, tokens, [[3, 30]], Mode.DELETE).shift[0], rtol=1e-6
    )
    assert analysis.row(0, Mode.DELETE, absent) is None
    new, knocked = analysis.row(0, Mode.OVER_EXPRESS, absent)
    assert knocked == ()
    direct = over_express_new(loaded.model, tokens, [loaded.vocabulary.token_of(absent)])
    np.testing.assert_allclose(new, direct.shift[0], rtol=1e-6)
    # both knocked genes are left out of who answers
    names, response = analysis.consensus(pair, Mode.ATTENTION_MASK)
    assert np.isnan(response[[3, 30]]).all() and len(names) == len(genes)
    top = analysis.responders(pair, Mode.ATTENTION_MASK)
    assert not {genes[3], genes[30]} & set(top["gene"]) and top["shift"].is_monotonic_decreasing
    stored = pd.read_parquet(tmp_path / "run" / "partners.parquet")
    assert set(stored["n"]) == {4} and stored["p_matched"].between(0, 1).all()
    sets = analysis.enrichment(genes[10], Mode.ATTENTION_MASK)
    assert {"term", "p_value", "p_matched", "q_matched"} <= set(sets) and len(sets) > 0
    assert (tmp_path / "run" / "enrichment.parquet").exists()


def test_goal_state_with_both_nulls(place: Settings, folder: Path, tmp_path: Path) -> None:
    config = small_config(
        folder,
        target="all ranks",
        stride=2,
        modes=["delete", "paired control"],
        cells={"n_cells": 4, "min_genes": 30, "group_key": "state", "group": "ill"},
        goal={"goal_key": "state", "goal_group": "well", "goal_cells": 6},
        window=10,
    )
    result = run(config, tmp_path / "run", place)
    shifts, tests = result.goal_shifts, result.goal_tests  # type: ignore[attr-defined]
    assert set(shifts["mode"]) == set(tests["mode"]) == {"delete", "paired control"}
    assert shifts["cell"].nunique() == 4
    for kind in ("matched", "pooled"):
        assert tests[f"p_{kind}"].dropna().between(1 / 51, 1).all()
        assert (tests[f"q_{kind}"].dropna() >= tests[f"p_{kind}"].dropna() - 1e-12).all()
    leak = result.rank_leak(Mode.DELETE)  # type: ignore[attr-defined]
    assert set(leak) == {"matched", "pooled"}
    again = run(config, tmp_path / "again", place)
    pd.testing.assert_frame_equal(again.goal_tests, tests)  # type: ignore[attr-defined]
    alone = config.model_copy(update={"goal": config.goal.model_copy(update={"goal_group": "ill"})})
    alone = alone.model_copy(
        update={
            "goal": alone.goal.model_copy(update={"goal_cells": 100}),
        }
    )
    with pytest.raises(DataError, match="in the goal state already"):
        run(alone, tmp_path / "alone", place)


def test_at_once_and_as_a_run_agree(place: Settings, folder: Path, tmp_path: Path) -> None:
    config = small_config(folder)
    at_once = compute(make_ready(config, place))
    stored = run(config, tmp_path / "run", place).analysis  # type: ignore[attr-defined]
    for mode in config.modes:
        np.testing.assert_allclose(
            at_once.row(1, mode, "rank 5")[0],  # type: ignore[index]
            stored.row(1, mode, "rank 5")[0],
            rtol=1e-6,
        )
    assert at_once.verdict() == stored.verdict()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"dataset": ""}, "Name a data set of cells"),
        ({"target": "genes", "genes": "NOPE"}, "'NOPE' is not in the vocabulary"),
        ({"ranks": [64]}, "so there is no rank 64 in them"),
        ({"cells": {"names": ["nobody"]}}, "There is no cell 'nobody' among the 24 cells"),
        ({"cells": {"names": ["empty"]}}, "The cell 'empty' expresses no gene of the vocabulary"),
        ({"cells": {"min_genes": 65}}, "No cell has 65 ranked genes or more"),
        ({"cells": {"group_key": "nothing", "group": "x"}}, "no column 'nothing'; columns: state"),
        ({"cells": {"group_key": "state", "group": "x"}}, "it holds ill and well"),
        ({"layer": 3}, "There is no layer 3"),
    ],
)
def test_what_cannot_be_knocked_out_is_explained(
    place: Settings, folder: Path, tmp_path: Path, values: dict[str, object], says: str
) -> None:
    with pytest.raises(PerturbScopeError, match=says):
        run(small_config(folder, **values), tmp_path / "run", place)


def test_an_absent_gene_is_named_with_its_group(
    place: Settings, folder: Path, loaded: LoadedModel, encoded: RankEncoded, tmp_path: Path
) -> None:
    genes = encoded.genes("c0")
    absent = next(g for g in loaded.vocabulary.names if g not in set(genes))
    config = small_config(
        folder, target="genes", genes=f"{genes[2]}+{absent}", cells={"names": ["c0"]}
    )
    with pytest.raises(DataError, match=rf"cell 'c0'.*: {absent} of {genes[2]}\+{absent} \(not"):
        run(config, tmp_path / "run", place)
    rows = encoded.cells_with(absent)
    assert len(rows) and all(absent in encoded.genes(int(row)) for row in rows)
    assert (np.diff(encoded.lengths[rows]) <= 0).all()
    assert 0 not in rows and not len(encoded.cells_with("NOPE"))


def test_mouse_cells_on_a_human_vocabulary_are_explained(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    cells = small_cells()
    cells.var_names = [name.capitalize() for name in cells.var_names]
    store_small(settings, cells)
    with pytest.raises(DataError, match=r"named as in mouse .* is human"):
        run(small_config(folder), tmp_path / "run", settings)


def test_models_from_everywhere(settings: Settings, folder: Path, tmp_path: Path) -> None:
    demonstration = open_model(ModelChoice(), settings)
    assert demonstration.demonstration and "demonstration" in demonstration.card["about"].lower()
    one, other, again = (
        open_model(ModelChoice(source=Source.UNTRAINED, seed=seed), settings) for seed in (0, 1, 0)
    )
    assert one.card["untrained"] and not one.demonstration
    weights = [m.model.tokens.weight for m in (one, other, again)]
    assert weights[0].equal(weights[2]) and not weights[0].equal(weights[1])
    large = open_model(
        ModelChoice(source=Source.UNTRAINED, untrained_shape="Geneformer V1"), settings
    )
    assert (large.model.n_layers, large.model.config.hidden_size) == (6, 256)
    with pytest.raises(RunError, match="no pretraining run '20990101-x'"):
        open_model(ModelChoice(source=Source.RUN, run_id="20990101-x"), settings)
    with pytest.raises(DataError, match="There is no model folder"):
        open_model(ModelChoice(source=Source.FOLDER, folder=str(tmp_path / "none")), settings)
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    text = (damaged / "config.json").read_text()
    (damaged / "config.json").write_text(text.replace('"hidden_size": 16', '"hidden_size": 32'))
    with pytest.raises(DataError, match=r"has the shape .* not of one model"):
        open_model(ModelChoice(source=Source.FOLDER, folder=str(damaged)), settings)


def test_configurations_as_words_and_their_faults() -> None:
    config = KnockoutsConfig.model_validate(
        {
            "target": "genes",
            "genes": "CD3D + CD3E; CD2\nCD3D+CD3E",
            "modes": "delete, positions kept, delete and shift only",
            "cells": {"names": "a, b"},
        }
    )
    assert config.genes == ("CD3D+CD3E", "CD2")
    assert config.gene_groups == (("CD3D", "CD3E"), ("CD2",))
    assert config.modes == (Mode.DELETE_KEEP_POSITIONS, Mode.DELETE, Mode.SHIFT_ONLY)
    assert config.cells.names == ("a", "b")
    assert KnockoutsConfig(ranks="30, 10 30").ranks == (10, 30)  # type: ignore[arg-type]
    for values, says in (
        ({"target": "genes"}, "at least one gene"),
        ({"target": "genes", "genes": "A+"}, "stands between two genes"),
        ({"ranks": "-1"}, "ranks count from 0"),
        ({"modes": "nothing"}, "choose at least one mode"),
        ({"cells": {"group": "x"}}, "a group needs its column"),
        ({"goal": {"goal_key": "x"}}, "a goal needs its column"),
        ({"model": {"source": "folder"}}, "name the model's folder"),
        (
            {"target": "genes", "genes": "A", "goal": {"goal_key": "x", "goal_group": "y"}},
            "a goal state needs ranks",
        ),
        (
            {"target": "all ranks", "stride": 100, "goal": {"goal_key": "x", "goal_group": "y"}},
            "needs a wider one",
        ),
    ):
        with pytest.raises((ValidationError, ConfigError), match=says):
            KnockoutsConfig.model_validate(values)


def test_bfloat16_is_warned_of(place: Settings, folder: Path, tmp_path: Path) -> None:
    result = run(small_config(folder, precision="bfloat16"), tmp_path / "run", place)
    assert "bfloat16 keeps 3 significant digits" in result.facts["warnings"][0]  # type: ignore[attr-defined]
