from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.runs import RunProgress, RunState, get_run, run_here
from core.runs import store as run_store
from core.settings import Settings
from core.studies.perturbation.config import PerturbationConfig
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.library import save_upload
from core.studies.screening.objectives import signature_of
from pages.components.screening import downloads, job, launch
from pages.components.screening.library import EXAMPLE, first_rows
from pages.components.screening.objective import thin
from pages.components.screening.opened import Filters, filtered
from tests.pages.small import TABLE, open_page, small_table, words, workplace

HOSTILE = "<img src=x onerror=alert(1)> [link](javascript:alert(2)) $x$"
LIBRARY = f"""\
name,smiles
aspirin,CC(=O)Oc1ccccc1C(=O)O
=HYPERLINK(1),CN1C=NC2=C1C(=O)N(C(=O)N2C)C
{HOSTILE},ONC(=O)CCCCCCC(=O)Nc1ccccc1
broken,C1CC
nonsense,nonsense
salt,CC(=O)Oc1ccccc1C(=O)[O-].[Na+]
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("screen")) as settings:
        small_table(settings)
        yield settings


@pytest.fixture(scope="module")
def model(settings: Settings) -> str:
    config = PerturbationConfig(
        name="two models",
        dataset=TABLE,
        features=[{"name": "onehot"}, {"name": "morgan", "params": {"length": 256}}],
        models=[{"name": "knn"}, {"name": "compound_mean"}],
        validation={"n_folds": 2},
    )
    return run_here("perturbation", config, settings=settings)


@pytest.fixture(scope="module")
def screen(settings: Settings, model: str) -> str:
    config = ScreeningConfig(
        name="small screen",
        input=save_upload("library.csv", LIBRARY, settings),
        run_id=model,
        objective={"genes": genes_of(settings, model)[:2]},
        n_permutations=20,
        top_n=2,
    )
    run_id = run_here("screening", config, settings=settings)
    record = get_run(run_id, settings=settings)
    assert record.state == RunState.FINISHED, record.error
    return run_id


def genes_of(settings: Settings, model: str) -> list[str]:
    folder = get_run(model, settings=settings).folder
    return pd.read_parquet(folder / "genes.parquet")["gene"].tolist()


def written(app: AppTest) -> str:
    """Everything that the page says, with the escapes of Markdown."""
    kinds = ("markdown", "caption", "info", "warning", "error", "subheader")
    return " ".join(str(e.value) for kind in kinds for e in app.get(kind))


def start_button(app: AppTest):  # type: ignore[no-untyped-def]
    return app.button(key="screen-start")


def test_without_a_model_the_page_leads_to_training(tmp_path) -> None:
    with workplace(tmp_path):
        assert "needs a finished perturbation run" in words(open_page("screen"))


def test_pasted_molecules_are_looked_at_before_the_start(model: str) -> None:
    app = open_page("screen")
    assert start_button(app).disabled
    app.button(key="screen-example").click().run()
    preview = app.dataframe[0].value.set_index("id")
    assert preview.loc["aspirin", "structure"].startswith("data:image/svg+xml;base64,")
    assert preview.loc["aspirin", "fault"] == ""
    assert preview.loc["broken", "fault"] != "" and preview.loc["broken", "structure"] is None
    assert "6 rows" in words(app)
    assert "says nothing about real compounds" in words(app)
    assert not start_button(app).disabled


def test_the_start_submits_what_was_chosen(
    settings: Settings, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, ScreeningConfig]] = []

    def submit(study: str, config: ScreeningConfig, *, settings: Settings) -> str:
        sent.append((study, config))
        return "20200101-000000-none"

    monkeypatch.setattr(launch, "submit", submit)
    gene = genes_of(settings, model)[3]
    app = open_page("screen")
    app.text_area(key="screen-text").set_value(EXAMPLE).run()
    app.text_input(key=f"screen-genes-{model}").set_value(f"{gene}, NOTAGENE1").run()
    assert "1 matched" in words(app) and "1 unknown" in words(app)
    start_button(app).click().run()
    [(study, config)] = sent
    assert study == "screening"
    assert config.run_id == model
    assert config.objective.genes == (gene, "NOTAGENE1")
    assert config.input.endswith("pasted.txt")
    assert app.query_params["screen"] in ("20200101-000000-none", ["20200101-000000-none"])
    assert "20200101-000000-none" in words(app)  # one sentence: there is no such run


def test_genes_that_the_model_does_not_know_stop_the_start(model: str) -> None:
    app = open_page("screen")
    app.text_area(key="screen-text").set_value(EXAMPLE).run()
    app.text_input(key=f"screen-genes-{model}").set_value("NOTAGENE1").run()
    assert "None of these genes is predicted" in words(app)
    assert start_button(app).disabled
    app.text_input(key=f"screen-genes-{model}").set_value("<script>").run()
    assert "is not a gene symbol" in words(app)


def test_a_gene_in_both_lists_is_named(settings: Settings, model: str) -> None:
    first, second, third = genes_of(settings, model)[:3]
    app = open_page("screen")
    app.text_area(key="screen-text").set_value(EXAMPLE).run()
    choose(app, "screen-kind", "signature")
    choose(app, "screen-signature", "Two lists")
    app.text_area(key="screen-up").set_value(f"{first} {second}").run()
    app.text_area(key="screen-down").set_value(second).run()
    assert f"'{second}' is in both lists" in words(app)
    app.text_area(key="screen-down").set_value(third).run()
    assert "3 matched" in words(app)
    assert not start_button(app).disabled


def choose(app: AppTest, key: str, value: str) -> None:
    """Press a segment."""
    widget = next(w for w in app.get("button_group") if w.key == key)
    widget.set_value([value] if isinstance(widget.value, list) else value).run()
    assert not app.exception


def test_the_ranking_and_its_statement(settings: Settings, screen: str) -> None:
    app = open_page("screen", screen=screen)
    table = app.dataframe[0].value
    assert table["rank"].tolist() == [1, 2, 3]
    assert (np.diff(table["score"]) <= 0).all()
    assert table["structure"].str.startswith("data:image/svg+xml").all()
    assert {"spread", "p_value", "q_value", "domain", "similarity", "nearest"} <= set(table)
    text = words(app)
    assert "6 rows read" in text.replace("*", "")
    assert "1 duplicates merged" in text.replace("*", "")
    assert "demonstrates the tool; it says nothing about real compounds" in text
    assert HOSTILE not in written(app)


def test_rejected_rows_have_reasons(screen: str) -> None:
    app = open_page("screen", screen=screen, part="Rejected rows")
    rows = app.dataframe[0].value.set_index("row")
    assert rows.index.tolist() == [4, 5]
    assert (rows["reason"].str.len() > 10).all()


def test_about_says_how_the_numbers_were_made(screen: str) -> None:
    app = open_page("screen", screen=screen, part="About")
    assert "sign turned" in words(app) and "20 random signatures" in words(app)
    assert set(app.dataframe[0].value["status"]) == {"matched"}


def test_a_row_opens_its_page_and_names_are_shown_letter_by_letter(
    settings: Settings, screen: str
) -> None:
    hits = open_page("screen", screen=screen).dataframe[0].value
    rank = int(hits.loc[hits["id"] == HOSTILE, "rank"].iloc[0])
    app = open_page("screen", screen=screen, hit=str(rank))
    assert HOSTILE not in written(app) and HOSTILE in written(app).replace("\\", "")
    assert app.metric[0].label == "Score"
    assert len(app.get("plotly_chart")) == 1
    contributions = app.dataframe[0].value
    assert set(contributions) == {"smiles", "change"}
    app.button(key="hit-back").click().run()
    assert "hit" not in app.query_params
    assert len(app.dataframe[0].value) == 3


@pytest.mark.parametrize(
    "view", ["Volcano", "Ranked effects", "Strongest genes", "Processes", "Cell types"]
)
def test_every_view_of_a_hit(screen: str, view: str) -> None:
    app = open_page("screen", screen=screen, hit="1", **{"hit-view": view})
    charts = len(app.get("plotly_chart"))
    # too few genes for any process: one sentence instead of a figure
    assert charts == 1 or (view == "Processes" and "gene sets" in words(app))


def test_ranks_that_do_not_exist_are_said_so(screen: str) -> None:
    assert "there is no rank 99" in words(open_page("screen", screen=screen, hit="99"))
    assert len(open_page("screen", screen=screen, hit="x").dataframe[0].value) == 3


def test_a_run_that_is_no_screen(model: str) -> None:
    assert "is no screen" in words(open_page("screen", screen=model))


def test_an_interrupted_screen_can_be_resumed(settings: Settings, model: str) -> None:
    folder = run_store.create("screening", ScreeningConfig(input="x", run_id=model), settings)
    run_store.update(folder, state="interrupted", started=run_store.now(), ended=run_store.now())
    app = open_page("screen", screen=folder.name)
    assert app.button(key="screen-resume").label == "Resume"
    app.button(key="screen-new").click().run()
    assert "screen" not in app.query_params


def test_filters() -> None:
    hits = pd.DataFrame(
        {
            "id": ["Aspirin", "b(", "c"],
            "smiles": ["CCO", "c1ccccc1", "CCN"],
            "in_domain": [True, False, True],
            "training_compound": ["", "", "known"],
            "q_value": [0.01, 0.2, np.nan],
        }
    )
    assert filtered(hits, Filters())["id"].tolist() == ["Aspirin", "b(", "c"]
    assert filtered(hits, Filters(text="aspir"))["id"].tolist() == ["Aspirin"]
    assert filtered(hits, Filters(text="b("))["id"].tolist() == ["b("]
    assert filtered(hits, Filters(text="c1cc"))["id"].tolist() == ["b("]
    assert filtered(hits, Filters(in_domain=True, unknown=True))["id"].tolist() == ["Aspirin"]
    assert filtered(hits, Filters(q_below=0.05))["id"].tolist() == ["Aspirin"]


def test_cells_that_a_spreadsheet_would_run_are_escaped() -> None:
    text = downloads.csv(pd.DataFrame({"id": ["=1+1", "fine"], "score": [-1.0, 2.0]})).decode()
    table = pd.read_csv(io.StringIO(text))
    assert table["id"].tolist() == ["'=1+1", "fine"]
    assert table["score"].tolist() == [-1.0, 2.0]


def test_first_rows_say_what_will_be_rejected(settings: Settings) -> None:
    name = save_upload("library.csv", LIBRARY, settings)
    rows = first_rows(str(settings.workspace / "uploads" / name), None, None)
    assert rows["id"].tolist()[0] == "aspirin"
    assert [bool(fault) for fault in rows["fault"]] == [False, False, False, True, True, False]


def test_time_left_by_the_pace_so_far(settings: Settings, screen: str) -> None:
    record = get_run(screen, settings=settings)
    seconds = record.seconds
    assert seconds is not None
    # a quarter in 30 s leaves 90 s
    begun = dataclasses.replace(
        record,
        started=record.ended - pd.Timedelta(seconds=30).to_pytimedelta(),
        progress=RunProgress(25, 100, ""),
    )
    assert job.time_left(begun) == "about 1 min 30 s left"
    assert job.time_left(dataclasses.replace(begun, progress=RunProgress(0, 100, ""))) == ""


def test_the_leukaemia_signature_is_what_the_page_shows(settings: Settings) -> None:
    config = ScreeningConfig(
        objective={"kind": "signature", "direction": "reverse", "table": "leukaemia", "n_top": 20}
    )
    signature = signature_of(config.objective, settings)
    assert len(signature.up) == len(signature.down) == 20


def test_slow_scores_are_done_in_small_chunks(
    settings: Settings, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[ScreeningConfig] = []
    monkeypatch.setattr(launch, "submit", lambda _, config, **__: sent.append(config) or "none")
    genes = " ".join(genes_of(settings, model)[:3])
    app = open_page("screen")
    app.text_area(key="screen-text").set_value(EXAMPLE).run()
    choose(app, "screen-kind", "signature")
    choose(app, "screen-signature", "Two lists")
    app.text_area(key="screen-up").set_value(genes).run()
    start_button(app).click().run()
    assert sent[-1].chunk_size == launch.SLOW_CHUNK
    assert sent[-1].objective.up == tuple(genes.split())
    assert sent[-1].input == f"{sent[-1].input[:12]}-pasted.txt"  # a name, not a path


def test_a_thin_overlap_of_genes_is_said() -> None:
    assert "Only 7 of 133" in thin(7, 133)
    assert thin(100, 133) == "" and thin(0, 1) == ""
