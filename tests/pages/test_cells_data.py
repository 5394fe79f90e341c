"""Sections Quality and Embedding of the cell explorer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data import load_cells
from core.runs import list_runs, store
from core.settings import PROJECT_ROOT, Settings
from core.studies.base import StudyContext
from core.studies.cells.config import CellsConfig
from core.studies.cells.run import run
from pages import _cells_job
from tests.pages.small import words, workplace
from tests.pages.test_cells_statistics import put
from tests.studies.test_cells import three_groups


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("cells-data")
    with workplace(folder / "workspace") as settings:
        put("three", three_groups(), settings)
        log = three_groups()
        log.X = log.X.log1p()
        put("logged", log, settings)
        yield settings


def opened(section: str, cells: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/cells.py")
    for name, value in {"cells": cells, "panel": section, **query}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[CellsConfig]:
    """Configurations that were submitted, without a cluster."""
    found: list[CellsConfig] = []

    def submit(study: str, config: CellsConfig, **_: object) -> str:
        found.append(config)
        return store.create(study, config, settings).name

    monkeypatch.setattr(_cells_job, "submit", submit)
    return found


def number(app: AppTest, label: str):
    return next(widget for widget in app.number_input if widget.label == label)


def test_quality_counts_what_a_cut_off_removes(settings: Settings) -> None:
    app = opened("Quality", "three", preset="Normalise only")
    assert "60 of 60 cells and 40 of 40 genes are left" in words(app)
    cells = three_groups()
    limit = int(np.sort(np.ravel(cells.X.sum(axis=1)))[10])
    number(app, "Min. reads").set_value(limit).run()
    gone = int((np.ravel(cells.X.sum(axis=1)) < limit).sum())
    assert f"Removed {gone} cells with fewer than {limit} reads." in words(app)
    assert not app.error, app.error[0].value


def test_an_impossible_cut_off_is_one_sentence(settings: Settings) -> None:
    app = opened("Quality", "three", preset="Landmarks paper")
    said = " ".join(error.value for error in app.error).replace("\\", "")
    assert "No cell is left: the last 60 cells have fewer than 1,000 reads" in said
    app = opened("Quality", "three", preset="Normalise only")
    number(app, "Min. reads").set_value(50)
    number(app, "Max. reads").set_value(5).run()
    said = " ".join(error.value for error in app.error).replace("\\", "")
    assert "is more than most" in said


def test_violins_by_group(settings: Settings) -> None:
    app = opened("Quality", "three", preset="Normalise only", **{"quality-kind": "Violins"})
    assert not app.error, app.error[0].value
    assert len(app.get("plotly_chart")) == 1


def test_cells_without_counts_say_so(settings: Settings) -> None:
    app = opened("Quality", "logged")
    assert "came without raw counts" in words(app)
    assert not [button for button in app.button if button.key == "quality-apply"]


def test_apply_submits_the_cut_offs_and_follows(
    settings: Settings, submitted: list[CellsConfig]
) -> None:
    app = opened("Quality", "three", preset="Normalise only")
    number(app, "Min. reads").set_value(20).run()
    app.button(key="quality-apply").click().run()
    (config,) = submitted
    assert (config.dataset, config.save_as) == ("three", "three-filtered")
    assert config.preprocessing.min_counts == 20
    assert list_runs(study="cells", settings=settings)
    assert app.query_params["job"]
    assert not app.exception


def test_a_finished_run_opens_what_it_made(settings: Settings) -> None:
    config = CellsConfig(dataset="three", save_as="three-made", umap=False, leiden=False, n_pcs=4)
    folder = store.create("cells", config, settings)
    run(config, StudyContext(folder=folder, settings=settings))
    moment = store.now()
    store.write_json(folder / store.METRICS, {"n_cells": 60.0, "n_pcs": 4.0})
    store.update(folder, state="finished", started=moment, ended=moment)
    app = opened("Embedding", "three", job=folder.name)
    assert "60 cells" in words(app)
    app.button(key="cells-job-open").click().run()
    assert not app.exception
    assert app.session_state["cells"] == "three-made"
    assert "job" not in app.query_params


def test_embedding_shows_components_once_computed(
    settings: Settings, submitted: list[CellsConfig]
) -> None:
    app = opened("Embedding", "three")
    assert "No principal components have been computed" in words(app)
    app.button(key="embedding-compute").click().run()
    assert submitted[0].dataset == "three"
    assert submitted[0].save_as is None
    config = submitted[0].model_copy(update={"umap": False, "leiden": False, "n_pcs": 6})
    folder = settings.runs_folder / "by-hand"
    folder.mkdir(parents=True)
    run(config, StudyContext(folder=folder, settings=settings))
    assert "X_pca" in load_cells("three", settings).obsm
    app = opened("Embedding", "three")
    assert "6 components of 40 genes carry" in words(app)
    assert len(app.get("plotly_chart")) == 2
    assert not app.error, app.error[0].value
