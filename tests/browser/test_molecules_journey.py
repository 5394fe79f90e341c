"""The molecule panel in a real browser: 3D offline, sketch, highlight, search, hostile text."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from rdkit import Chem

from core.molecules import viewer_script
from tests.browser.conftest import Visit
from tests.pages.small import TABLE

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
#: Where the viewer's camera stands, from py3Dmol's own global variable.
_VIEW = """
() => {
  const name = Object.keys(window).find((key) => key.startsWith('viewer_'));
  return JSON.stringify(window[name].getView());
}
"""


@pytest.fixture
def offline(visit: Visit) -> Visit:
    """A visitor whose browser reaches this machine only."""
    visit.page.route(
        "**/*",
        lambda route: (
            route.continue_()
            if route.request.url.startswith((visit.server.url, "data:", "blob:"))
            else (visit.complaints.append(f"asked for {route.request.url}"), route.abort())
        ),
    )
    return visit


def viewer(visit: Visit):  # type: ignore[no-untyped-def]
    """The frame of the 3D viewer, once something is drawn in it."""
    element = visit.page.locator('[data-testid="stMain"] iframe').first
    element.wait_for(timeout=60_000)
    for _ in range(60):
        handle = element.element_handle()
        frame = handle.content_frame() if handle else None
        if frame is not None and frame.query_selector("canvas"):
            return frame
        visit.page.wait_for_timeout(250)
    pytest.fail("the 3D viewer drew nothing")


def molecules(visit: Visit, **query: str) -> None:
    words = "&".join(f"{k}={quote(v)}" for k, v in ({"dataset": TABLE} | query).items())
    visit.open(f"/molecules?{words}")


@pytest.mark.skipif(
    not viewer_script.source().offline, reason="the viewer's script is not placed (make app)"
)
def test_a_molecule_turns_in_3d_without_internet(offline: Visit) -> None:
    molecules(offline, compound="Clotrimazole")
    frame = viewer(offline)
    assert frame.evaluate("typeof $3Dmol") == "object"
    address = "() => [...document.scripts].map((s) => s.src).filter(Boolean)"
    assert all(s.startswith(offline.server.url) for s in frame.evaluate(address))
    box = offline.page.locator('[data-testid="stMain"] iframe').first.bounding_box()
    assert box is not None
    offline.page.wait_for_timeout(500)
    before = frame.evaluate(_VIEW)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    offline.page.mouse.move(x, y)
    offline.page.mouse.down()
    offline.page.mouse.move(x + 120, y + 40, steps=6)
    offline.page.mouse.up()
    assert "NaN" not in before and frame.evaluate(_VIEW) != before


def test_a_part_is_highlighted_in_2d_and_3d(visit: Visit) -> None:
    molecules(visit, compound="Clotrimazole", view="Substructures")
    picture = visit.page.get_by_alt_text("Structure of Clotrimazole", exact=True)
    before = picture.get_attribute("src")
    visit.page.locator(".st-key-part-fr_imidazole button").click()
    visit.page.locator(".st-key-clear-highlight").wait_for()
    visit.settle()
    assert picture.get_attribute("src") != before
    assert "#e69f00" in viewer(visit).content()


def test_hostile_text_is_shown_as_it_is(visit: Visit) -> None:
    molecules(visit, source="Text", smiles=f"CCO {HOSTILE}")
    assert "<img src=x onerror=alert(1)>" in visit.text()
    assert visit.page.locator('[data-testid="stMain"] img[src="x"]').count() == 0
    for text in (HOSTILE, "C1CC", "CC>>C", "c1cc(", "C" * 9000):
        field = visit.page.locator(".st-key-smiles input")
        field.fill(text[:8000])
        field.press("Enter")
        visit.settle()
        alert = visit.page.locator('[data-testid="stAlert"]').first
        alert.wait_for()
        icon, sentence = alert.inner_text().split("\n\n")
        assert icon == "error" and sentence.endswith(".")


def test_the_sketcher_writes_the_molecule(offline: Visit) -> None:
    pytest.importorskip("streamlit_jsme")
    molecules(offline, source="Sketch", smiles="C1=CC=CC=C1O phenol")
    offline.page.locator("#jsme_wrapper canvas, #jsme_wrapper svg").first.wait_for(timeout=30_000)
    offline.page.wait_for_timeout(1500)
    offline.page.locator("#jsme_apply_btn").click()
    offline.page.wait_for_function(
        "() => !document.querySelector('.st-key-smiles input').value.includes('phenol')",
        timeout=20_000,
    )
    offline.settle()
    written = offline.page.locator(".st-key-smiles input").input_value()
    assert Chem.CanonSmiles(written) == "Oc1ccccc1"


def test_search_select_and_download(visit: Visit) -> None:
    molecules(visit, view="Library")
    visit.page.locator(".st-key-smarts input").fill("C(=O)N[OH]")
    visit.page.locator(".st-key-smarts input").press("Enter")
    visit.page.get_by_text("5 match", exact=False).wait_for(timeout=20_000)
    visit.page.get_by_text("Vorinostat", exact=True).first.wait_for()
    visit.page.locator(".st-key-pick-all button").click()
    visit.page.get_by_text("5 selected", exact=False).wait_for()
    visit.page.get_by_role("button", name="Export the selected").click()
    with visit.page.expect_download() as waiting:
        visit.page.locator(".st-key-grid-sdf button").click()
    text = waiting.value.path().read_text()
    supplier = Chem.SDMolSupplier()
    supplier.SetData(text)
    assert sorted(m.GetProp("_Name") for m in supplier) == [
        "Belinostat",
        "Resminostat",
        "Ricolinostat",
        "Tosedostat",
        "Vorinostat",
    ]
