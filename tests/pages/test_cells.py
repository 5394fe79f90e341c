"""The frame of the cell explorer and its section Explore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from streamlit.testing.v1 import AppTest

from core.data import get_dataset, list_datasets, load_cells, selections
from core.data.cell_rules import Fulfilled
from core.plots import cell_scatter
from core.settings import PROJECT_ROOT, Settings, get_settings
from pages import _cells_scene
from pages._cells_open import EXAMPLE
from pages._cells_select import SHAPES, Shape
from pages.components.gene_search import Names
from tests.pages.small import words, workplace
from tests.pages.test_cells_statistics import put

HOSTILE = "<img src=x onerror=alert(1)> **b**"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("cells") / "workspace") as settings:
        rng = np.random.default_rng(0)
        counts = rng.poisson(1.0, (90, 25)).astype(np.float32)
        obs = pd.DataFrame(
            {"cell_type": ["T", "B", HOSTILE] * 30, "donor": ["d1"] * 50 + ["d2"] * 40},
            index=[f"{HOSTILE}{i}" for i in range(90)],
        )
        names = [HOSTILE, "MT-CO1", *(f"G{i}" for i in range(23))]
        cells = ad.AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=names))
        cells.obsm["X_umap"] = rng.normal(size=(90, 2)).astype(np.float32)
        cells.obsm["X_tsne"] = rng.normal(size=(90, 2)).astype(np.float32)
        put("hostile", cells, settings)
        yield settings


def open_cells(id: str = EXAMPLE, **query: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=90)
    app.switch_page("pages/cells.py")
    for name, value in ({"cells": id} | query).items():
        app.query_params[name] = value
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    return app


def figure(app: AppTest) -> dict:
    return json.loads(app.get("plotly_chart")[0].proto.spec)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_a_fresh_machine_opens_with_cd69_in_healthy_and_leukaemic_marrow(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with workplace(tmp_path_factory.mktemp("fresh") / "workspace"):
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=90)
        app.switch_page("pages/cells.py")
        run(app)
        assert [s.id for s in list_datasets(get_settings()) if s.ready] == [EXAMPLE]
        assert "acute myeloid leukaemia" in words(app) and "not MPAL" in words(app)
        found = metrics(app)
        assert found["Expressing in healthy"] == "29.4%"
        assert found["Expressing in AML"] == "2.7%"
        assert found["Cliff's delta"] == "-0.27"
        assert app.query_params["gene"] == "CD69"
        spec = figure(app)
        assert spec["layout"]["xaxis2"]["matches"] == "x"
        assert {trace["marker"]["coloraxis"] for trace in spec["data"]} == {"coloraxis"}
        assert sum(len(trace["text"]) for trace in spec["data"]) == 1000


@pytest.mark.parametrize(
    "query",
    [
        {"by": "Gene", "gene": "LYZ"},
        {"by": "Gene set"},
        {"by": "Gene set", "genes": "CD3D, LYZ nonsense"},
        {"by": "Groups", "group": "Cluster"},
        {"by": "Number", "number": "Genes per cell"},
        {"by": "Gene", "split": "Cluster", "left": "C2", "right": "C1"},
        {"by": "Gene", "split": "one panel"},
        {"by": "Groups", "split": "one panel"},
    ],
)
def test_the_address_opens_the_view(settings: Settings, query: dict[str, str]) -> None:
    app = open_cells(**query)
    assert figure(app)["data"]
    for name, value in query.items():
        assert app.query_params[name] == value
    panels = 1 if query.get("split") == "one panel" else 2
    assert ("xaxis2" in figure(app)["layout"]) == (panels == 2)


@pytest.mark.parametrize(
    "query",
    [
        {"gene": "nonsense"},
        {"split": "nonsense", "left": HOSTILE},
        {"by": "nonsense", "emb": "X_none"},
        {"zoom": "X_umap,1,2,3"},
        {"zoom": "nan,nan,nan,nan,nan", "agg": HOSTILE},
        {"panel": HOSTILE},
        {"by": "Selection", "sel": "gone"},
    ],
)
def test_an_old_or_foolish_address_opens_too(settings: Settings, query: dict[str, str]) -> None:
    assert figure(open_cells(**query))["data"]


def test_the_address_holds_embedding_and_zoom(settings: Settings) -> None:
    app = open_cells("hostile", emb="X_tsne", zoom="X_tsne,-1,1,-0.5,0.5")
    layout = figure(app)["layout"]
    assert layout["xaxis"]["range"] == [-1, 1] and layout["yaxis"]["range"] == [-0.5, 0.5]
    assert "t-SNE 1" in layout["xaxis"]["title"]["text"]
    assert figure(open_cells("hostile", zoom="X_tsne,-1,1,-0.5,0.5"))["layout"]["xaxis"][
        "range"
    ] != [-1, 1]


@pytest.mark.parametrize("by", ["Gene", "Groups", "Number"])
def test_names_from_data_are_text(settings: Settings, by: str) -> None:
    app = open_cells("hostile", by=by, split="cell_type", left=HOSTILE, group="cell_type")
    said = " ".join(str(e.value) for e in [*app.markdown, *app.caption, *app.metric])
    assert not re.search(r"(?<!\\)<img", said)
    spec = figure(app)
    for trace in spec["data"]:
        trace.pop("legendgroup", None)
    assert "<img" not in json.dumps(spec)


def test_many_cells_become_an_image(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_scatter, "MOST_POINTS", 50)
    monkeypatch.setattr(_cells_scene, "MOST_POINTS", 50)
    for query in ({"by": "Gene"}, {"by": "Groups"}, {"by": "Gene", "agg": "count"}):
        app = open_cells("hostile", split="one panel", **query)
        (image,) = figure(app)["layout"]["images"]
        assert image["source"].startswith("data:image/png;base64,")
        assert "90 cells in sight" in words(app)
    app = open_cells("hostile", split="one panel", zoom="X_umap,-0.4,0.4,-0.4,0.4")
    assert "images" not in figure(app)["layout"]


def test_rules_select_save_rename_and_delete(settings: Settings) -> None:
    app = open_cells("hostile")
    hash = str(get_dataset("hostile", settings).content_hash)
    app.selectbox(key="rule-column").select("donor")
    run(app)
    app.multiselect(key="rule-values-donor").select("d1")
    run(app)
    assert "50 of 90 cells" in words(app).replace("**", "")
    app.selectbox(key="rule-value").select("Genes per cell")
    run(app)
    app.number_input(key="rule-above").set_value(15.0)
    app.toggle(key="rule-group-not").set_value(True)
    run(app)
    cells = load_cells("hostile", settings)
    wanted = (np.asarray((cells.X > 0).sum(axis=1)).ravel() > 15) & (cells.obs["donor"] == "d2")
    assert f"{wanted.sum()} of 90 cells" in words(app).replace("**", "")
    app.text_input(key="selection-name").set_value(HOSTILE)
    run(app)
    app.button(key="save-selection").click()
    run(app)
    (kept,) = selections.list_selections(hash, settings)
    assert kept.name == HOSTILE
    assert kept.how == "(not (donor is d1)) and (Genes per cell > 15)"
    assert (selections.load_selection(hash, HOSTILE, settings)[1] == wanted.to_numpy()).all()
    app.text_input(key="saved-name-0").set_value("d2 rich")
    run(app)
    app.button(key="saved-rename-0").click()
    run(app)
    app.text_input(key="saved-id-0").set_value("rich")
    run(app)
    app.button(key="saved-dataset-0").click()
    run(app)
    assert load_cells("rich", settings).n_obs == wanted.sum()
    app.button(key="saved-show-0").click()
    run(app)
    assert (app.query_params["by"], app.query_params["sel"]) == ("Selection", "d2 rich")
    app.button(key="saved-delete-0").click()
    app.run()
    assert selections.list_selections(hash, settings) == []


def test_two_shapes_go_to_compare(settings: Settings) -> None:
    app = open_cells()
    status = get_dataset(EXAMPLE, settings)
    embedding = app.query_params["emb"]
    token = _cells_scene.token_of(embedding, "Type", ("healthy", "AML"))
    kinds = (load_cells(EXAMPLE, settings).obs["Type"]).to_numpy()
    half = np.arange(1000) < 500
    app.session_state[SHAPES] = [
        Shape(
            str(status.content_hash),
            token,
            panel,
            [[0, 0], [1, 0], [1, 1]],
            Fulfilled(f"lasso in {name}", (kinds == name) & half),
        )
        for panel, name in enumerate(("healthy", "AML"))
    ]
    run(app)
    assert "500 of 1,000 cells" in words(app).replace("**", "")
    app.button(key="compare-shapes").click()
    run(app)
    assert app.query_params["panel"] == "Compare"
    assert (app.query_params["a"], app.query_params["b"]) == (
        "lasso in AML",
        "lasso in healthy",
    )
    assert {s.name for s in selections.list_selections(str(status.content_hash), settings)} == {
        "lasso in healthy",
        "lasso in AML",
    }


def test_names_are_found_by_beginning_then_by_part() -> None:
    known = Names(["CD69", "CD6", "ACD6", "cd6-like", "MS4A1", "É1"])
    assert known.search("cd6") == (["CD6", "CD69", "cd6-like", "ACD6"], 0)
    assert known.search("CD6", most=2) == (["CD6", "CD69"], 1)
    assert known.search("é")[0] == ["É1"]
    assert known.search("nothing") == ([], 0)
    assert known.exact("ms4a1 ") == "MS4A1" and known.exact("MS4A") is None
    assert "CD69" in known and "cd69" not in known
