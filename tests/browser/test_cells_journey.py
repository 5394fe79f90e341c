"""The cell explorer in a real browser: lasso in two conditions, volcano, a gene from it, the link."""

from __future__ import annotations

import json

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

FIGURE = ".st-key-cells-figure .js-plotly-plot"
_PLACE = """
([figure, panel, points]) => {
  const gd = document.querySelector(figure);
  gd.scrollIntoView({ block: 'center' });
  const box = gd.getBoundingClientRect();
  const at = panel ? panel + 1 : '';
  const x = gd._fullLayout['xaxis' + at], y = gd._fullLayout['yaxis' + at];
  return points.map((p) => [box.x + x._offset + p[0] * x._length,
                            box.y + y._offset + p[1] * y._length]);
}
"""
_SHOWN = """
(figure) => {
  const gd = document.querySelector(figure);
  return JSON.stringify({
    values: gd._fullData.map((t) => Array.from(t.marker.color).slice(0, 50)),
    ranges: [gd._fullLayout.xaxis.range, gd._fullLayout.xaxis2.range, gd._fullLayout.yaxis.range]
      .map((r) => r.map((v) => v.toPrecision(3))),
    title: gd._fullLayout.coloraxis.colorbar.title.text,
    panels: gd._fullLayout.annotations.map((a) => a.text),
  });
}
"""


def ready(page: Page) -> None:
    page.locator(f"{FIGURE} .main-svg").first.wait_for(timeout=60_000)


def lasso(visit: Visit, panel: int) -> None:
    """Draw around all cells of one panel."""
    page = visit.page
    angles = np.linspace(0, 2 * np.pi, 24)
    ring = np.column_stack([0.5 + 0.49 * np.cos(angles), 0.5 + 0.49 * np.sin(angles)])
    corners = page.evaluate(_PLACE, [FIGURE, panel, ring.tolist()])
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=2)
    page.mouse.up()
    name = ("healthy", "AML")[panel]
    page.locator("text=/lasso in " + name + "/").first.wait_for(timeout=20_000)
    visit.settle()


def test_from_cd69_to_a_gene_of_the_volcano_and_back_by_link(
    visit: Visit, browser: Browser
) -> None:
    page = visit.page
    visit.open("/cells?cells=bone-marrow-aml")
    ready(page)
    visit.settle()
    first = json.loads(page.evaluate(_SHOWN, FIGURE))
    assert first["title"].startswith("CD69")
    assert [text.split(" · ")[0] for text in first["panels"]] == ["healthy", "AML"]
    assert "29.4%" in visit.text() and "AML, not MPAL" in visit.text()

    lasso(visit, 0)
    lasso(visit, 1)
    assert page.locator(".cell-outlines polygon").count() == 2
    page.locator(".st-key-compare-shapes button").click()
    volcano = page.locator(".st-key-volcano .js-plotly-plot")
    volcano.locator(".main-svg").first.wait_for(timeout=60_000)
    visit.settle()
    assert "lasso in AML" in visit.text()

    # A click on the point that stands highest in the volcano picks its gene.
    gene, x, y = page.evaluate(
        """() => {
          const gd = document.querySelector('.st-key-volcano .js-plotly-plot');
          gd.scrollIntoView({ block: 'center' });
          const box = gd.getBoundingClientRect(), l = gd._fullLayout;
          let best = null;
          for (const t of gd._fullData) for (let i = 0; i < (t.x || []).length; i += 1) {
            const name = t.customdata ? [t.customdata[i]].flat()[0] : (t.text || [])[i];
            if (name && name !== 'CD69' && (!best || t.y[i] > best[3]) && t.y[i] < l.yaxis.range[1])
              best = [String(name), box.x + l.xaxis._offset + l.xaxis.l2p(t.x[i]),
                      box.y + l.yaxis._offset + l.yaxis.l2p(t.y[i]), t.y[i]];
          }
          return best.slice(0, 3);
        }"""
    )
    page.wait_for_timeout(400)
    page.mouse.move(x, y)
    page.wait_for_timeout(200)
    page.mouse.click(x, y)
    page.wait_for_function(
        "(gene) => new URL(location.href).searchParams.get('gene') === gene",
        arg=gene,
        timeout=20_000,
    )
    visit.settle()
    page.locator(".st-key-compare-show button").click()
    ready(page)
    visit.settle()
    shown = page.evaluate(_SHOWN, FIGURE)
    assert json.loads(shown)["title"].startswith(gene)

    # Zoom, so that the link has a range to keep.
    (corner,) = page.evaluate(_PLACE, [FIGURE, 0, [[0.5, 0.5]]])
    page.mouse.move(*corner)
    page.mouse.wheel(0, -300)
    page.wait_for_function("() => new URL(location.href).searchParams.has('zoom')", timeout=20_000)
    visit.settle()
    shown = json.loads(page.evaluate(_SHOWN, FIGURE))
    assert shown["ranges"][0] == shown["ranges"][1]  # the axes are linked
    assert shown["ranges"] != first["ranges"]

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    colleague = context.new_page()
    colleague.goto(page.url)
    ready(colleague)
    colleague.wait_for_timeout(1500)
    assert json.loads(colleague.evaluate(_SHOWN, FIGURE)) == shown
    context.close()
