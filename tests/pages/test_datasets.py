from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.data import DATASETS, get_dataset, load_perturbation
from core.data.importing import import_file
from core.errors import FetchError
from core.settings import Settings
from pages import _datasets_import
from tests.pages.small import TABLE, open_page, small_table, words, workplace


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with workplace(tmp_path) as settings:
        small_table(settings)
        yield settings


def test_every_registered_set_is_listed_with_its_licence(settings: Settings) -> None:
    shown = "".join(words(open_page("datasets", kind=kind)) for kind in ("", "Cells"))
    shown = shown.replace("\\", "")
    for entry in DATASETS:
        assert f"`{entry.name}`" in shown
        assert " ".join(entry.value.licence.split()) in shown


def test_ready_sets_come_first_and_say_so(settings: Settings) -> None:
    app = open_page("datasets")
    text = words(app)
    assert text.index(f"`{TABLE}`") < text.index("`op2`")
    assert app.button(key=f"explore-{TABLE}")
    with pytest.raises(KeyError):
        app.button(key=f"prepare-{TABLE}")


def test_explore_leads_to_the_page_with_that_set(settings: Settings) -> None:
    app = open_page("datasets")
    app.button(key=f"explore-{TABLE}").click().run()
    assert not app.exception
    assert app.title[0].value == "Explore"
    assert app.selectbox(key="dataset").value == TABLE


def test_removal_asks_first(settings: Settings) -> None:
    app = open_page("datasets")
    assert load_perturbation(TABLE, settings).id == TABLE
    app.button(key=f"remove-{TABLE}").click().run()
    assert not app.exception
    assert not (settings.datasets_folder / TABLE).exists()


def test_prepare_reports_and_makes_ready(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(id: str, *, settings: Settings, on_progress: Callable) -> None:
        on_progress(1, 2, "half <b>done</b>")
        small_table(settings)
        (settings.datasets_folder / TABLE).rename(settings.datasets_folder / id)

    monkeypatch.setattr("core.data.prepare", prepare)
    app = open_page("datasets")
    app.button(key="prepare-op2-demo").click().run()
    assert not app.exception
    assert get_dataset("op2-demo", settings).ready
    assert app.button(key="explore-op2-demo")


def test_a_failed_fetch_is_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(id: str, **_: object) -> None:
        raise FetchError("The file could not be had from <host>.")

    monkeypatch.setattr("core.data.prepare", prepare)
    app = open_page("datasets")
    app.button(key="prepare-op2").click().run()
    assert not app.exception
    assert [e.value.replace("\\", "") for e in app.error] == [
        "The file could not be had from <host>."
    ]


GOOD = "cell_type,sm_name,SMILES,G1,G2\nT,ethanol,CCO,1.0,2\nT,methanol,CO,0.5,-1\n"


def upload(settings: Settings, name: str, content: str):
    app = open_page("datasets", kind="Import your own")
    app.get("file_uploader")[0].set_value((name, content.encode(), "text/csv")).run()
    assert not app.exception
    (submit,) = (b for b in app.button if b.label == "Check and import")
    app = submit.click().run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def test_a_good_table_is_imported_and_explained(settings: Settings) -> None:
    app = upload(settings, "My table.csv", GOOD)
    assert not app.error, [e.value for e in app.error]
    assert "Imported as my" in words(app)
    table = load_perturbation("my-table", settings)
    assert table.n_pairs == 2
    assert table.genes.tolist() == ["G1", "G2"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", "", "empty"),
        ("nan.csv", GOOD.replace("1.0,2", "1.0,x"), "G2"),
        ("smiles.csv", GOOD.replace("CCO", "C(C"), "SMILES"),
        ("twice.csv", GOOD.replace("methanol", "ethanol"), "ethanol"),
        ("columns.csv", GOOD.replace("cell_type", "cells_typ"), "column"),
    ],
    ids=lambda value: value if str(value).endswith(".csv") else "",
)
def test_each_fault_is_a_sentence_and_nothing_is_kept(
    name: str, content: str, says: str, settings: Settings
) -> None:
    app = upload(settings, name, content)
    assert app.error
    shown = " ".join(e.value for e in app.error).replace("\\", "")
    assert says in shown
    assert "Traceback" not in words(app)
    assert "fault in PerturbScope" not in shown
    assert [p.name for p in settings.datasets_folder.iterdir()] == [TABLE]


def test_an_id_that_is_taken_is_refused(settings: Settings) -> None:
    app = upload(settings, f"{TABLE}.csv", GOOD)
    assert TABLE in app.error[0].value
    assert load_perturbation(TABLE, settings).n_pairs > 2


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        (".hidden.csv", "hidden.csv"),
        ("a b<c>.csv.gz", "a_b_c_.csv.gz"),
        ("…", "_"),
    ],
)
def test_file_names_stay_in_their_folder(name: str, safe: str) -> None:
    assert _datasets_import.safe_name(name) == safe
    assert Path(safe).name == safe


def test_suggested_ids_are_accepted(settings: Settings, tmp_path: Path) -> None:
    for name in ("My Table (final).csv.gz", "ÄÖ.csv", "x" * 300 + ".csv"):
        path = tmp_path / "t.csv"
        path.write_text(GOOD)
        id = _datasets_import.suggested_id(name)
        assert import_file(path, id=id, settings=settings).status.id == id
