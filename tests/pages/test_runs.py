from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.runs import remove
from core.settings import Settings
from pages.components import run_table
from tests.pages.small import fake_run, open_page, small_table, words, workplace


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("runs")) as settings:
        small_table(settings)
        yield settings


@pytest.fixture(scope="module")
def ids(settings: Settings) -> dict[str, str]:
    reason = "Its process stopped without a word."
    return {
        "one": fake_run(settings, "one", metrics={"mrrmse": 0.81}, training={"epochs": 6}),
        "two": fake_run(
            settings, "two", metrics={"mrrmse": 0.84}, training={"epochs": 9}, best=5, epochs=9
        ),
        "cut": fake_run(settings, "cut", "interrupted", status={"error": reason}),
    }


def test_an_empty_workspace_leads_to_the_train_page(tmp_path) -> None:
    with workplace(tmp_path):
        assert "There are no runs yet" in words(open_page("runs"))


def test_the_newest_telling_runs_lie_over_each_other_at_first(settings, ids) -> None:
    """Two finished runs of one data set; the interrupted one has nothing to tell."""
    app = open_page("runs")
    expected = f"{ids['two']},{ids['one']}"
    assert app.query_params["runs"] in (expected, [expected])


def test_the_table_says_what_each_run_is(settings, ids) -> None:
    app = open_page("runs", runs=ids["one"])
    table = app.dataframe[0].value
    row = table.set_index("name").loc["one"]
    assert row["mrrmse"] == pytest.approx(0.81)
    assert row["dataset"] == "small (simulated)"
    assert list(row["state"]) == ["finished"]
    assert list(table.set_index("name").loc["cut", "state"]) == ["interrupted"]


def test_curves_of_selected_runs_and_their_best_epochs(settings, ids) -> None:
    app = open_page("runs", runs=f"{ids['one']},{ids['two']}")
    assert len(app.get("plotly_chart")) == 1
    summary = app.dataframe[-1].value.set_index("run")
    assert summary.loc["one", "best_epoch"] == 4
    assert summary.loc["two", "best_epoch"] == 5
    # validation 0.8, training loss 1/4 at epoch 4
    assert summary.loc["one", "gap"] == pytest.approx(0.8 - 0.25)
    assert summary.loc["one", "rise"] == pytest.approx(0.1)


def test_an_interrupted_run_tells_why_and_can_be_resumed(settings, ids) -> None:
    app = open_page("runs", runs=ids["cut"])
    assert "stopped without a word" in words(app)
    assert app.button(key="runs-resume").label == "Resume"


def test_a_finished_run_cannot_be_resumed_or_cancelled(settings, ids) -> None:
    keys = {button.key for button in open_page("runs", runs=ids["one"]).button}
    assert "runs-delete" in keys
    assert not keys & {"runs-resume", "runs-cancel"}


def test_deleting_asks_first(settings, ids) -> None:
    doomed = fake_run(settings, "doomed")
    app = open_page("runs", runs=doomed)
    app.button(key="runs-delete").click().run()
    assert "removed from the workspace" in words(app)
    assert "doomed" in words(app)
    assert {"runs-delete-yes", "runs-delete-no"} <= {button.key for button in app.button}
    assert (settings.runs_folder / doomed).exists()
    remove(doomed, settings=settings)


def test_a_link_to_a_run_that_is_gone_says_so(settings, ids) -> None:
    app = open_page("runs", runs="20200101-000000-beef")
    assert "no run 20200101" in words(app).replace("\\", "")


def test_no_selection_can_be_kept_in_the_url(settings, ids) -> None:
    assert "Tick runs" in words(open_page("runs", runs=run_table.NONE))
