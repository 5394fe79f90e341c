from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data import load_perturbation, save_perturbation
from core.data.table import TRAIN, content_hash
from core.settings import Settings
from tests.pages.small import TABLE, open_page, small_table, words, workplace

HOSTILE = "<img src=x onerror=alert(1)>"
ONE_CELL = "onecell"
SECTIONS = ("Design", "Gene", "All genes", "Pair", "Correlation", "Map", "Strength")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("explore")) as settings:
        small_table(settings)
        table = load_perturbation(TABLE, settings)
        rows = table.rows(cell_type="NK cells")[:30]
        part = table.take(rows)
        obs = part.obs.drop(columns="moa", errors="ignore")
        obs["sm_name"] = [f"{HOSTILE} {name}" for name in obs["sm_name"]]
        genes = pd.Index([HOSTILE, *part.genes[1:]])
        save_perturbation(
            dataclasses.replace(
                part,
                id=ONE_CELL,
                obs=obs,
                genes=genes,
                simulated=False,
                unmeasured=None,
                content_hash=content_hash(obs, genes, part.values),
            ),
            settings,
            label=f"**Mine** {HOSTILE}",
        )
        yield settings


def figures(app: AppTest) -> dict[str, dict]:
    """Plotly specs by their key's first words."""
    return {
        element.proto.id.rsplit("-None-", 1)[-1] or str(i): json.loads(element.proto.spec)
        for i, element in enumerate(app.get("plotly_chart"))
    }


def explore(view: str = "Design", **query: str) -> AppTest:
    app = open_page("explore", view=view, **query)
    assert not app.error, [e.value for e in app.error]
    return app


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("dataset", [TABLE, ONE_CELL])
def test_every_section_draws(section: str, dataset: str, settings: Settings) -> None:
    app = explore(section, dataset=dataset)
    assert figures(app)
    text = words(app)
    assert ("Simulated data" in text) == (dataset == TABLE)
    assert HOSTILE not in text.replace("`", "")
    for spec in figures(app).values():
        assert HOSTILE not in json.dumps(spec)


def test_cd69_comes_first_where_it_is_measured(settings: Settings) -> None:
    table = load_perturbation(TABLE, settings)
    app = explore("Gene")
    first = "CD69" if "CD69" in table.genes else str(table.genes[0])
    assert app.session_state["gene"] == first
    (spec,) = figures(app).values()
    assert spec["layout"]["yaxis"]["title"]["text"].startswith(first)


def test_the_address_holds_the_gene(settings: Settings) -> None:
    gene = str(load_perturbation(TABLE, settings).genes[7])
    app = explore("Gene", gene=gene)
    (spec,) = figures(app).values()
    assert spec["layout"]["yaxis"]["title"]["text"].startswith(gene)


def test_an_unknown_gene_in_the_address_shows_the_first(settings: Settings) -> None:
    app = explore("Gene", gene="NOT-A-GENE")
    assert app.session_state["gene"] in load_perturbation(TABLE, settings).genes
    assert app.query_params["gene"] == app.session_state["gene"]


def test_only_training_rows_unless_asked(settings: Settings) -> None:
    table = load_perturbation(TABLE, settings)
    n_train = len(table.rows(split=TRAIN))
    train, everything = (
        sum(len(trace["text"]) for spec in figures(app).values() for trace in spec["data"])
        for app in (explore("Gene"), explore("Gene", rows="All measured rows"))
    )
    assert train == n_train
    assert everything == table.n_pairs


def test_pair_of_the_address(settings: Settings) -> None:
    app = explore("Pair", cell_type="B cells", sm_name="Idelalisib")
    assert app.selectbox(key="cell_type").value == "B cells"
    assert app.selectbox(key="sm_name").value == "Idelalisib"
    assert len(figures(app)) == 2


def test_a_new_cell_type_offers_its_own_compounds(settings: Settings) -> None:
    app = explore("Pair")
    app.selectbox(key="cell_type").set_value("B cells").run()
    assert not app.exception
    assert not app.error
    table = load_perturbation(TABLE, settings)
    here = table.obs[(table.obs["cell_type"] == "B cells") & (table.obs["split"] == TRAIN)]
    assert set(app.selectbox(key="sm_name").options) == set(here["sm_name"])


def test_map_without_mechanisms_does_not_offer_them(settings: Settings) -> None:
    app = explore("Map", dataset=ONE_CELL)
    (colour,) = (g for g in app.get("button_group") if g.key == "colour")
    assert colour.options == ["Row norm"]


def test_a_data_set_that_is_not_there_is_explained(settings: Settings) -> None:
    app = open_page("explore", dataset="gone")
    assert "Choose a data set" in words(app)
    assert not app.error
