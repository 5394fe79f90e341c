from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data import store as data_store
from core.featurizers.rank_value import encode
from core.models.rank_transformer.demonstration import load_model
from core.runs import RunState, get_run, run_here
from core.runs import store as run_store
from core.settings import Settings
from core.studies.rank_pretraining.config import RankPretrainingConfig
from pages._knockouts_files import responses
from pages._knockouts_ranks import _step
from pages._knockouts_view import _Kept
from tests.pages.small import open_page, words, workplace
from tests.studies.knockouts_small import ID, small_cells, small_config, store_small, write_model

HOSTILE = "<img src=x onerror=alert(1)> $x$"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("knockouts")) as settings:
        store_small(settings)
        mouse = small_cells()
        mouse.var_names = [name.capitalize() for name in mouse.var_names]
        store_small(settings, mouse, id="small-mouse")
        yield settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def finished(settings: Settings, folder: Path) -> str:
    """A scan with a goal state."""
    config = small_config(
        folder,
        name=HOSTILE,
        target="all ranks",
        stride=4,
        window=12,
        cells={"n_cells": 2, "min_genes": 30, "group_key": "state", "group": "ill"},
        goal={"goal_key": "state", "goal_group": "well", "goal_cells": 4},
    )
    run_id = run_here("knockouts", config, settings=settings)
    record = get_run(run_id, settings=settings)
    assert record.state == RunState.FINISHED, record.error
    return run_id


def now(folder: Path, **query: str) -> AppTest:
    return open_page("knockouts", cells=ID, model="folder", folder=str(folder), **query)


def genes_of(folder: Path, cell: str) -> list[str]:
    return list(encode(small_cells(), load_model(folder).vocabulary, max_length=64).genes(cell))


def test_one_gene_now(settings: Settings, folder: Path) -> None:
    genes = genes_of(folder, "c0")
    app = now(folder, cell="c0", gene=genes[20])
    assert not app.error, words(app)
    said = words(app)
    assert f"the response to deleting {genes[20]} is explained by rank" in said
    assert "delete: a step" in said
    table = next(f.value for f in app.dataframe if "AUC near the rank" in f.value)
    assert list(table["Mode"]) == list(app.multiselect(key="modes").value)
    assert app.number_input(key=f"knockout-rank-c0-{genes[20]}").value == 20
    assert app.get("plotly_chart")


def test_the_page_opens_with_raw_counts_of_no_mouse(settings: Settings) -> None:
    cells = small_cells()
    cells.X = cells.X.log1p()
    meta = {"label": "Log values", "organism": "human", "values": "log", "content_hash": "log"}
    data_store.write_cells("a-log", cells, settings, meta)
    app = open_page("knockouts")
    assert not app.error, words(app)
    assert app.selectbox(key="cells").value == ID
    app = open_page("knockouts", cells="a-log")
    assert "not raw counts" in words(app)


def test_a_rank_instead_of_a_gene(settings: Settings, folder: Path) -> None:
    genes = genes_of(folder, "c0")
    app = now(folder, cell="c0", gene=genes[20])
    app.number_input(key=f"knockout-rank-c0-{genes[20]}").set_value(7).run()
    assert app.query_params["gene"] == genes[7]
    assert f"deleting {genes[7]} is explained by rank" in words(app)


def test_a_gene_that_the_cell_lacks_leads_to_one_that_has_it(
    settings: Settings, folder: Path
) -> None:
    loaded = load_model(folder)
    genes = genes_of(folder, "c0")
    absent = next(g for g in loaded.vocabulary.names if g not in set(genes))
    app = now(folder, cell="c0", gene=absent)
    assert "Not among the ranked genes of the cell 'c0'" in words(app)
    app.button(key="knockout-elsewhere").click().run()
    assert not app.error, words(app)
    cell = app.query_params["cell"]
    assert absent in genes_of(folder, cell)
    # over-expressing needs no such cell
    app = now(folder, cell="c0", gene=absent, modes="over-express")
    assert not app.error and app.get("plotly_chart")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"cell": "empty"}, "expresses no gene of the vocabulary"),
        ({"cells": "small-mouse"}, "named as in mouse"),
        ({"folder": "/nowhere/at/all"}, "There is no model folder"),
        ({"layer": "7"}, "There is no layer 7"),
        ({"with": "NOPE"}, "'NOPE' is not in the vocabulary"),
    ],
)
def test_what_cannot_be_done_is_told(
    settings: Settings, folder: Path, query: dict[str, str], says: str
) -> None:
    start = {"cells": ID, "model": "folder", "folder": str(folder), "cell": "c0"}
    app = open_page("knockouts", **(start | query))
    assert says in words(app)
    assert not app.get("plotly_chart")


def test_no_mode_at_all_is_told(settings: Settings, folder: Path) -> None:
    app = now(folder, cell="c0")
    app.multiselect(key="modes").set_value([]).run()
    assert "Modes: choose at least one mode." in words(app) and not app.get("plotly_chart")


def test_no_pretraining_yet_and_no_folder_named(settings: Settings, folder: Path) -> None:
    assert "begin one under Train a model" in words(
        open_page("knockouts", cells=ID, model="pretraining run")
    )
    assert "Name the folder" in words(open_page("knockouts", cells=ID, model="folder"))


def test_a_group_goes_together_and_bfloat16_warns(settings: Settings, folder: Path) -> None:
    genes = genes_of(folder, "c0")
    app = now(folder, cell="c0", gene=genes[20], **{"with": genes[3], "precision": "bfloat16"})
    said = words(app)
    assert f"deleting {genes[20]}+{genes[3]}" in said
    assert "bfloat16 keeps 3 significant digits" in said


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("Modes", "The paired control agrees"),
        ("Responders", "against random genes of the same ranks"),
        ("Model and files", "A model folder of yours"),
    ],
)
def test_sections_of_one_gene(settings: Settings, folder: Path, part: str, says: str) -> None:
    app = now(folder, cell="c0", gene=genes_of(folder, "c0")[20], part=part)
    assert not app.error, words(app)
    assert says in words(app)


def test_known_partners(settings: Settings, folder: Path) -> None:
    genes = genes_of(folder, "c0")
    app = now(folder, cell="c0", gene=genes[20], part="Responders")
    box = app.text_input(key=f"partners-{genes[20]}")
    box.set_value(f"{genes[4]}, {genes[9]}, NOPE").run()
    table = next(f.value for f in app.dataframe if "partners found" in f.value)
    assert set(table["partners found"]) == {2}
    app.text_input(key=f"partners-{genes[20]}").set_value("NOPE").run()
    assert "None of NOPE has a rank" in words(app)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("Ranks", "is explained by rank"),
        ("Many ranks", "Spearman of cell shift with knocked rank: "),
        ("Modes", "Two random choices of 5 genes would overlap"),
        ("Cells", "Median over 2 cells with its 95 % bootstrap interval"),
        ("Responders", "GO processes of the top 5"),
        ("Goal state", "by the rank-matched null"),
        ("Model and files", "genes are in the vocabulary"),
    ],
)
def test_sections_of_a_run(settings: Settings, finished: str, section: str, says: str) -> None:
    app = open_page("knockouts", view="runs", knockouts=finished, section=section)
    assert not app.error, words(app)
    said = words(app)
    assert says in said
    assert "every 4-th gene of 2 cells, 5 modes" in said


def test_a_name_is_shown_as_it_is(settings: Settings, finished: str) -> None:
    app = open_page("knockouts", view="runs")
    assert HOSTILE in app.selectbox(key="knockouts").options[0]


def test_every_response_is_exported(settings: Settings, finished: str) -> None:
    from core.studies.knockouts.result import KnockoutsResult

    analysis = KnockoutsResult.load(settings.runs_folder / finished).analysis
    table = responses(analysis)
    assert list(table.columns) == ["cell", "mode", "knocked", "gene", "rank", "distance"]
    n = sum(r.shift.size for r, _ in analysis.responses.values())
    assert len(table) == n
    one = table[(table["cell"] == analysis.cells["cell"].iloc[1]) & (table["mode"] == "delete")]
    one = one[one["knocked"] == "rank 8"]
    expected = analysis.row(1, analysis.modes[0], "rank 8")
    assert expected is not None
    pd.testing.assert_series_equal(
        one["distance"].reset_index(drop=True),
        pd.Series(expected[0].astype("float32"), name="distance"),
    )
    assert list(one["gene"]) == list(analysis.genes[1])


def test_a_form_tells_the_work_and_starts_the_run(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("knockouts", view="new", cells=ID, model="folder", folder=str(folder))
    assert not app.error, words(app)
    said = words(app)
    assert "forward passes" in said and "measured just now" in said
    app.segmented_control(key=f"knock.{ID}.target").set_value("genes").run()
    assert "name at least one gene" in words(app).lower()
    assert app.button(key="knockouts-start").disabled
    app.text_input(key=f"knock.{ID}.genes").set_value(genes_of(folder, "c0")[2]).run()
    assert not app.error, words(app)
    asked = []

    def submit(study: str, config: object, *, settings: Settings) -> str:
        asked.append((study, config))
        return run_store.create(study, config, settings).name

    monkeypatch.setattr("pages._knockouts_form.submit", submit)
    app.button(key="knockouts-start").click().run()
    ((study, config),) = asked
    assert study == "knockouts" and config.genes == (genes_of(folder, "c0")[2],)
    assert "waiting for a worker" in " ".join(str(p) for p in app.main) or app.get("progress")


def test_an_interrupted_run_can_be_resumed(settings: Settings, folder: Path) -> None:
    run = run_store.create("knockouts", small_config(folder, name="broken off"), settings)
    run_store.update(
        run,
        state="cancelled",
        started=run_store.now(),
        ended=run_store.now(),
        error="The knock-outs were cancelled; finished cells are kept.",
    )
    app = open_page("knockouts", run=run.name)
    assert "broken off" in words(app) and "finished cells are kept" in words(app)
    assert any(b.key == "knockouts-resume" for b in app.button)


def test_a_step_in_words() -> None:
    said = _step({"delete": 1.0, "attention mask": 0.45, "mask token": 0.8, "shift only": 0.02})
    assert "delete: a step (AUC 1.00)" in said and "attention mask: no step" in said
    assert "mask token: no clear step" in said and "shift only: a step the other way" in said
    assert "too few genes" in _step({"delete": float("nan")})


def test_the_oldest_analysis_is_let_go() -> None:
    kept = _Kept()
    for i in range(kept.MOST + 2):
        kept.get(str(i), lambda i=i: i)  # type: ignore[misc,return-value]
    assert kept.get("5", lambda: -1) == 5  # type: ignore[comparison-overlap,return-value]
    assert kept.get("0", lambda: -1) == -1  # type: ignore[comparison-overlap,return-value]


def test_a_model_is_trained_shown_and_used(settings: Settings) -> None:
    store_small(settings, small_cells(150), id="small-labelled")
    config = {
        "dataset": "small-labelled",
        "min_cells": 2,
        "min_genes": 8,
        "judged_cells": 2,
        "held_out": 0.2,
        "label_key": "state",
        "model": {"layers": 1, "width": 16, "heads": 2, "feedforward": 16, "max_length": 64},
        "training": {"epochs": 2, "batch_size": 4, "sample_genes": 32, "long_genes": 64},
    }
    run_id = run_here(
        "rank-pretraining", RankPretrainingConfig.model_validate(config), settings=settings
    )
    app = open_page("knockouts", view="pretrain", cells="small-labelled", run=run_id)
    assert not app.exception, words(app)
    assert not app.error, words(app)
    assert run_id in app.query_params["trained"]
    assert "run" not in app.query_params
    judged = [f.value for f in app.dataframe]
    assert any("This model" in list(table.iloc[:, 0]) for table in judged)
    assert any("PCA" in list(table.iloc[:, 0]) for table in judged)
    # the form says what it would do, and refuses cells that are not there
    assert "150 cells, 10% of them held out" in words(app)
    app.text_input(key="pretrain.small-labelled.more_datasets").set_value("no-such-cells").run()
    assert any("There is no data set called" in e.value for e in app.error)
    assert app.button(key="pretrain-start").disabled
    # and its model knocks out
    app.button(key="pretrained-use").click().run()
    assert run_id in app.query_params["pretraining"]
    assert not app.error, words(app)
    assert "explained by rank" in words(app)
