from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.data import load_perturbation, save_perturbation
from core.data.table import content_hash
from core.settings import Settings
from tests.pages.small import TABLE, open_page, small_table, words, workplace

HOSTILE = "<img src=x onerror=alert(1)>"
ODD = "odd"
SECTIONS = (
    "Properties",
    "Substructures",
    "Morgan bits",
    "Random SMILES",
    "Neighbours",
    "Library",
    "Chemical space",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("molecules")) as settings:
        small_table(settings)
        part = load_perturbation(TABLE, settings).take(list(range(60)))
        obs = part.obs.copy()
        obs["sm_name"] = [f"{HOSTILE} {name}" for name in obs["sm_name"]]
        save_perturbation(
            dataclasses.replace(
                part,
                id=ODD,
                obs=obs,
                simulated=False,
                unmeasured=None,
                content_hash=content_hash(obs, part.genes, part.values),
            ),
            settings,
            label="Odd names",
        )
        yield settings


def molecules(view: str = "Properties", **query: str) -> AppTest:
    return open_page("molecules", view=view, **query)


def written(app: AppTest) -> str:
    """Everything that the page says, as Markdown, with its escapes."""
    kinds = ("markdown", "caption", "info", "warning", "error", "subheader")
    labels = [str(b.label) for kind in ("button", "checkbox") for b in app.get(kind)]
    return " ".join([*(str(e.value) for kind in kinds for e in app.get(kind)), *labels])


def shows_no_fault(app: AppTest) -> None:
    assert not app.error, [e.value for e in app.error]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_draws_for_a_compound_of_the_data(section: str, settings: Settings) -> None:
    app = molecules(section, compound="Clotrimazole")
    shows_no_fault(app)
    assert "C22H17ClN2" in words(app)
    assert app.get("iframe"), "the 3D structure"


@pytest.mark.parametrize("section", SECTIONS)
def test_names_from_the_data_are_never_markup(section: str, settings: Settings) -> None:
    app = molecules(section, dataset=ODD)
    shows_no_fault(app)
    assert HOSTILE not in written(app)
    for element in app.get("iframe"):
        assert HOSTILE not in element.proto.srcdoc
    for element in app.get("plotly_chart"):
        assert HOSTILE not in json.dumps(json.loads(element.proto.spec))


@pytest.mark.parametrize(
    ("smiles", "part"),
    [
        ("C1CC", "ring 1 is not closed"),
        ("CC>>CO", "is a reaction"),
        (HOSTILE, "not a valid SMILES"),
        ("C(C)(C)(C)(C)C", "has 5 bonds"),
        ("-", "names no atom"),
    ],
)
def test_bad_text_is_one_sentence_and_the_page_stands(
    smiles: str, part: str, settings: Settings
) -> None:
    app = molecules(source="Text", smiles=smiles)
    assert len(app.error) == 1
    assert part in app.error[0].value.replace("\\", "")
    assert HOSTILE not in app.error[0].value


@pytest.mark.parametrize(
    ("smiles", "said"),
    [
        ("N[Pt](N)(Cl)Cl cisplatin", "Holds a metal"),
        ("[CH3] methyl", "radical"),
        ("*CC", "wildcard"),
        ("C" * 500, "3D structures are made for up to 120"),
        ("[Na+].CC(=O)[O-]", "2 separate parts"),
        ("C", "CH4"),
    ],
)
def test_odd_molecules_are_shown_with_a_remark(smiles: str, said: str, settings: Settings) -> None:
    for section in ("Properties", "Substructures", "Morgan bits", "Random SMILES", "Neighbours"):
        app = molecules(section, source="Text", smiles=smiles)
        shows_no_fault(app)
        assert said in (words(app) + " ".join(w.value for w in app.warning)).replace("\\", "")


def test_a_typed_molecule_of_the_data_is_recognised(settings: Settings) -> None:
    app = molecules(source="Text", smiles="c1ccc(cc1)C(c1ccccc1)(c1ccccc1Cl)n1ccnc1")
    assert "This is **Clotrimazole** of the loaded data" in words(app)


def test_the_standardised_parent_replaces_the_salt(settings: Settings) -> None:
    app = molecules(source="Text", smiles="[Na+].CC(=O)[O-] acetate")
    assert "C2H3NaO2" in words(app)
    app.toggle(key="parent").set_value(True).run()
    assert "C2H4O2" in words(app)


def test_a_part_is_highlighted_and_cleared(settings: Settings) -> None:
    app = molecules("Substructures", compound="Clotrimazole")
    frame = app.get("iframe")[0].proto.srcdoc
    app.button(key="part-fr_imidazole").click().run()
    assert "Imidazole rings" in words(app) and "highlighted" in words(app)
    chosen = app.get("iframe")[0].proto.srcdoc
    assert chosen != frame and "#e69f00" in chosen and "#e69f00" not in frame
    app.button(key="clear-highlight").click().run()
    assert "#e69f00" not in app.get("iframe")[0].proto.srcdoc


def test_a_highlight_does_not_follow_to_another_molecule(settings: Settings) -> None:
    app = molecules("Substructures", compound="Clotrimazole")
    app.button(key="part-fr_imidazole").click().run()
    app.selectbox(key="compound").set_value("Bosutinib").run()
    assert "highlighted" not in words(app)


def test_the_grid_searches_by_smarts_and_name(settings: Settings) -> None:
    app = molecules("Library")
    app.text_input(key="smarts").set_value("C(=O)N[OH]").run()
    assert "**5** match" in words(app)
    app.text_input(key="grid-name").set_value("vorino").run()
    assert "**1** match" in words(app)
    app.text_input(key="smarts").set_value("c1cc").run()
    assert len(app.error) == 1 and "not a valid SMARTS" in app.error[0].value


def test_compounds_are_selected_over_pages_and_opened(settings: Settings) -> None:
    app = molecules("Library")
    app.button(key="pick-all").click().run()
    assert "**146** selected" in words(app)
    app.button(key="pick-none").click().run()
    assert "**0** selected" in words(app)
    box = app.checkbox[0]
    box.check().run()
    assert "**1** selected" in words(app)
    opened = [b for b in app.button if b.key and b.key.startswith("open-")][3]
    opened.click().run()
    shows_no_fault(app)
    assert app.selectbox(key="compound").value != "Clotrimazole"


def test_without_a_data_set_a_molecule_can_still_be_typed(tmp_path) -> None:
    with workplace(tmp_path):
        app = open_page("molecules", smiles="CCO ethanol")
        shows_no_fault(app)
        assert "C2H6O" in words(app)


def test_points_of_the_map_become_cards_and_a_selection(settings: Settings) -> None:
    app = molecules("Chemical space")
    points = [{"customdata": [3]}, {"customdata": [5]}]
    app.session_state["chemical-space"] = {"selection": {"points": points}}
    app.run()
    shows_no_fault(app)
    assert "**2** selected" in words(app)
    app.button(key="space-pick").click().run()
    app.query_params["view"] = "Library"
    opened = [b for b in app.button if b.key and b.key.startswith("space-open-")]
    assert len(opened) in (0, 2)
    key = f"molecules-picked-{load_perturbation(TABLE, settings).content_hash}"
    assert len(app.session_state[key]) == 2
