from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.runs import RunState, get_run, run_here
from core.runs import store as run_store
from core.settings import Settings
from core.studies.integration import files
from core.studies.integration.result import IntegrationResult
from pages._integration_maps import KEY, SELECTED
from pages._integration_scores import best_rows
from tests.pages.small import open_page, words, workplace
from tests.studies.integration_small import ID, quick_layout, small_cells, small_config, store_small

HOSTILE = "<img src=x onerror=alert(1)> $x$"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("integration")) as settings:
        store_small(settings, small_cells(lonely=True))
        yield settings


def finish(settings: Settings, **values: object) -> str:
    patch = pytest.MonkeyPatch()
    quick_layout(patch)
    try:
        run_id = run_here("integration", small_config(**values), settings=settings)
    finally:
        patch.undo()
    record = get_run(run_id, settings=settings)
    assert record.state == RunState.FINISHED, record.error
    return run_id


@pytest.fixture(scope="module")
def finished(settings: Settings) -> str:
    """A finished run; ComBat is given what a corrector and a topic model leave besides."""
    run_id = finish(settings, name=HOSTILE, n_draws=2)
    folder = files.method_folder(settings.runs_folder / run_id, "combat")
    result = IntegrationResult.load(settings.runs_folder / run_id)
    n, rng = len(result.cells), np.random.default_rng(0)
    batches = result.cells["batch"].to_numpy()
    left, right = np.flatnonzero(batches == "d1"), np.flatnonzero(batches == "d2")
    extras = {
        "mnn_pairs": np.column_stack([left[:40], right[:40]]),
        "mnn_weights": np.ones(40, np.float32),
        "losses": pd.DataFrame(
            {"epoch": [1, 2, 3], "batch": [3.0, 2.0, 1.5], "rec": [1.0, 0.5, 0.4]}
        ),
        "topics": rng.dirichlet(np.ones(4), n).astype(np.float32),
        "topic_genes": rng.normal(size=(4, len(result.genes))).astype(np.float32),
        "gene_embedding": rng.normal(size=(len(result.genes), 8)).astype(np.float32),
    }
    files.write_extras(folder, extras)
    done = files.read_json(folder / files.DONE)
    files.write_json(folder / files.DONE, done | {"extras": sorted([*extras, "gene_shift"])})
    return run_id


def opened(run_id: str, part: str, **query: str) -> AppTest:
    app = open_page("integration", integration=run_id, part=part, **query)
    assert not app.error, words(app)
    return app


def tables(app: AppTest) -> list[pd.DataFrame]:
    return [frame.value for frame in app.dataframe]


def test_maps_open_first_and_the_name_is_shown_as_it_is(settings: Settings, finished: str) -> None:
    app = open_page("integration")
    said = words(app)
    assert "Draw a lasso" in said and "180 cells in 2 batches" in said
    assert "1 cell type occurs in one batch only (delta)" in said
    assert app.multiselect(key="integration-map-methods").value == ["None (PCA)", "ComBat"]
    assert app.get("plotly_chart")


def test_one_selection_in_all_maps(settings: Settings, finished: str) -> None:
    app = opened(finished, "Maps")
    cells = IntegrationResult.load(settings.runs_folder / finished).cells
    app.session_state[SELECTED] = frozenset(cells["cell"][:6])
    app.run()
    said = words(app)
    assert "6 cells selected" in said
    counts = [t for t in tables(app) if list(t.columns) == ["", "cells"]]
    assert len(counts) == 4 and all(t["cells"].sum() == 6 for t in counts)
    app.button(key="integration-clear").click().run()
    assert "cells selected" not in words(app) and KEY not in words(app)


def test_scores_mark_the_best_and_tell_the_floor(settings: Settings, finished: str) -> None:
    app = opened(finished, "Scores")
    said = words(app)
    assert "Floor of the batch ARI" in said and "Mean ± standard deviation over 2 draws" in said
    assert "scored apart" in said
    table = tables(app)[0]
    assert list(table.index) == ["None (PCA)", "ComBat"] and "Batch total" in table
    app.selectbox(key="pair").set_value("combat").run()
    assert "ComBat minus the other method" in words(app)


def test_best_of_a_batch_ari_ends_at_the_floor() -> None:
    values = pd.Series([0.02, 0.05, 0.2])
    assert best_rows("batch_ari", values, 0.05).tolist() == [True, True, False]
    assert best_rows("best_ari", values, 0.05).tolist() == [False, False, True]
    assert best_rows("seconds", values, 0.05).tolist() == [True, False, False]
    assert not best_rows("best_ari", pd.Series([np.nan, np.nan]), 0.0).any()


def test_resolutions_stand_in_a_table_with_the_floor(settings: Settings, finished: str) -> None:
    app = opened(finished, "Resolutions")
    table = tables(app)[0]
    assert list(table.index) == ["0.1", "0.3", "1", "labels"]
    result = IntegrationResult.load(settings.runs_folder / finished)
    assert table.loc["labels", ("ComBat", "bARI")] == pytest.approx(result.floor)
    assert table.loc["0.3", ("ComBat", "ARI")] == result.method("combat").sweep["ari"][1]


def test_types_of_one_batch_are_flagged(settings: Settings, finished: str) -> None:
    said = words(opened(finished, "Cell types"))
    assert "◆ occurs in one batch only" in said


def test_correction_shows_pairs_losses_and_genes(settings: Settings, finished: str) -> None:
    app = opened(finished, "Correction")
    said = words(app)
    assert "40 pairs of cells of two batches" in said and "of the same type" in said
    assert [h.value for h in app.subheader] == [
        "Mutual nearest neighbours before correction",
        "Training",
        "How far each gene moved",
    ]
    app.toggle(key="pairs-wrong").set_value(True).run()
    assert not app.error
    app.text_input(key="shift-gene").set_value("G4").run()
    assert tables(app)[-1]["gene"].str.contains("G4").all()


def test_topics_show_types_genes_and_neighbours(settings: Settings, finished: str) -> None:
    app = open_page("integration", integration=finished, part="Topics")
    said = words(app)
    assert "Each cell is a mixture of 4 topics" in said
    # The test's genes are no human symbols: the processes say so, and the rest still stands.
    assert "are the identifiers human gene symbols" in said
    assert [h.value for h in app.subheader] == [
        "Topics by cell type",
        "One topic",
        "Neighbours in the gene embedding",
    ]
    app.selectbox(key="topic-gene").set_value("G5").run()
    assert len(app.get("plotly_chart")) == 4


def test_files_can_be_had(settings: Settings, finished: str) -> None:
    app = opened(finished, "Files")
    labels = [b.label for b in app.get("download_button")]
    assert labels == ["Integrated cells (h5ad)", "Scores (CSV)", "Script (Python)"]
    assert any("python -m core run integration" in c.value for c in app.code)


def test_two_runs_side_by_side(settings: Settings, finished: str) -> None:
    other = finish(settings, name="second", label_key=None, methods=[{"name": "none"}])
    app = open_page("integration", part="Scores")
    app.multiselect(key="integration").set_value([other, finished]).run()
    assert not app.error and "2 runs, 3 methods" in words(app)
    assert len(tables(app)[0]) == 3


def test_a_run_without_labels_says_what_is_missing(settings: Settings, finished: str) -> None:
    run_id = finish(settings, name="bare", label_key=None)
    assert "Without cell types" in words(opened(run_id, "Scores"))
    assert "No cell types are known" in words(opened(run_id, "Cell types"))
    assert "Marked: the clusters that follow the batches least" in words(
        opened(run_id, "Resolutions")
    )


def test_the_form_starts_a_run(
    settings: Settings, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def submit(study: str, config: object, *, settings: Settings) -> str:
        asked.append(config)
        return run_store.create(study, config, settings).name

    monkeypatch.setattr("pages._integration_form.submit", submit)
    app = open_page("integration", new="true", cells=ID)
    assert app.selectbox(key=f"integrate.{ID}.batch").value == "donor"
    assert app.selectbox(key=f"integrate.{ID}.label").value == "cell_type"
    assert "180 cells in 2 batches" in words(app)
    app.button(key="integration-start").click().run()
    assert len(asked) == 1 and asked[0].batch_key == "donor" and asked[0].dataset == ID
    assert "waiting for a worker" in " ".join(str(p) for p in app.main) or app.get("progress")


def test_a_failed_run_is_explained(settings: Settings, finished: str) -> None:
    folder = run_store.create("integration", small_config(batch_key="nowhere"), settings)
    run_store.update(
        folder,
        state="failed",
        started=run_store.now(),
        ended=run_store.now(),
        error="The cells have no column 'nowhere'.",
    )
    app = open_page("integration", run=folder.name)
    assert "The cells have no column 'nowhere'." in words(app)
    assert any(b.key == "integration-resume" for b in app.button)
