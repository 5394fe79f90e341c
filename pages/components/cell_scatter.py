"""What readers do in a figure of cells: zoom, lasso, click.

Streamlit's own selection sends every selected point, megabytes for a large set. A small listener
hangs on the figure that ``figure.show`` drew and sends only what was done: the corners of a shape
(at most :data:`CORNERS`), the range in sight, the clicked point. It also draws the outlines of
what is selected over both panels, which Plotly forgets when a shape is drawn in the other one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

#: Corners that a lasso keeps; a drawn one has hundreds.
CORNERS = 120
#: Plotly's options of a figure of cells: wheel zooms, and the tools that Streamlit hides.
CONFIG = {
    "scrollZoom": True,
    "doubleClick": "reset",
    "modeBarButtons": [
        ["toImage"],
        ["lasso2d", "select2d", "pan2d", "zoom2d"],
        ["zoomIn2d", "zoomOut2d", "resetScale2d"],
    ],
}
_JS = """
const NS = 'http://www.w3.org/2000/svg';

// Ramer-Douglas-Peucker, with the tolerance raised until few enough corners are left.
function simplify(points, most) {
  if (points.length <= most) return points;
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const w = Math.max(...xs) - Math.min(...xs) || 1, h = Math.max(...ys) - Math.min(...ys) || 1;
  const far = (p, a, b) => {
    const ax = a[0] / w, ay = a[1] / h, dx = b[0] / w - ax, dy = b[1] / h - ay;
    const px = p[0] / w - ax, py = p[1] / h - ay, l = dx * dx + dy * dy;
    const t = l ? Math.max(0, Math.min(1, (px * dx + py * dy) / l)) : 0;
    return Math.hypot(px - t * dx, py - t * dy);
  };
  const reduce = (tolerance) => {
    const keep = new Array(points.length).fill(false), stack = [[0, points.length - 1]];
    keep[0] = keep[points.length - 1] = true;
    while (stack.length) {
      const [i, j] = stack.pop();
      let best = 0, at = -1;
      for (let k = i + 1; k < j; k += 1) {
        const d = far(points[k], points[i], points[j]);
        if (d > best) { best = d; at = k; }
      }
      if (best > tolerance) { keep[at] = true; stack.push([i, at], [at, j]); }
    }
    return points.filter((_, k) => keep[k]);
  };
  let tolerance = 0.001, out = reduce(tolerance);
  while (out.length > most) { tolerance *= 1.6; out = reduce(tolerance); }
  return out;
}

const short = (v) => Number(v.toPrecision(6));

export default function (component) {
  const { data, setTriggerValue } = component;
  let gd = null, wait = 0, overlay = null, home = null;
  const axes = (panel) => {
    const at = panel ? panel + 1 : '';
    return [gd._fullLayout['xaxis' + at], gd._fullLayout['yaxis' + at]];
  };
  const say = (name, value) => setTriggerValue(name, { ...value, token: data.token });

  const outlines = () => {
    if (!gd || !gd._fullLayout) return;
    const svg = gd.querySelector('.main-svg');
    if (!svg) return;
    if (!overlay || !overlay.isConnected) {
      overlay = document.createElementNS(NS, 'svg');
      overlay.setAttribute('class', 'cell-outlines');
      overlay.style.cssText = 'position:absolute;inset:0;pointer-events:none;z-index:5';
      svg.parentElement.appendChild(overlay);
    }
    overlay.setAttribute('width', svg.getAttribute('width'));
    overlay.setAttribute('height', svg.getAttribute('height'));
    overlay.replaceChildren();
    (data.shapes || []).forEach((shape, k) => {
      const [x, y] = axes(shape.panel);
      if (!x || !y) return;
      const clip = document.createElementNS(NS, 'clipPath');
      clip.id = `clip-${data.plot}-${k}`;
      const box = document.createElementNS(NS, 'rect');
      Object.entries({ x: x._offset, y: y._offset, width: x._length, height: y._length })
        .forEach(([name, v]) => box.setAttribute(name, v));
      clip.appendChild(box);
      const line = document.createElementNS(NS, 'polygon');
      line.setAttribute('points', shape.points.map((p) =>
        `${(x._offset + x.l2p(p[0])).toFixed(1)},${(y._offset + y.l2p(p[1])).toFixed(1)}`).join(' '));
      line.setAttribute('clip-path', `url(#${clip.id})`);
      line.setAttribute('style', `fill:${data.ink};fill-opacity:.07;stroke:${data.ink};` +
        'stroke-width:1.8;stroke-dasharray:5 3');
      overlay.append(clip, line);
    });
  };
  const drawn = (event) => {
    if (!event) return;
    const lasso = event.lassoPoints, box = event.range;
    const from = lasso || box;
    if (!from) return;
    const xs = Object.keys(from).find((name) => name.startsWith('x'));
    const ys = Object.keys(from).find((name) => name.startsWith('y'));
    const panel = Math.max(Number(xs.slice(1)) - 1, 0);
    let points;
    if (lasso) points = lasso[xs].map((x, i) => [x, lasso[ys][i]]);
    else {
      const [[x0, x1], [y0, y1]] = [box[xs], box[ys]];
      points = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    }
    if (points.length < 3) return;
    points = simplify(points, data.corners).map((p) => p.map(short));
    data.shapes = (data.shapes || []).filter((s) => s.panel !== panel).concat([{ panel, points }]);
    outlines();
    say('shape', { panel, kind: lasso ? 'lasso' : 'box', points });
  };
  const zoomed = (event) => {
    outlines();
    if (!data.zoom || !Object.keys(event || {}).some((k) => /axis\\d*\\.(range|autorange)/.test(k))) return;
    clearTimeout(wait);
    wait = setTimeout(() => {
      const [x, y] = axes(0);
      const range = [...x.range, ...y.range].map((v) => Number(v.toPrecision(5)));
      const whole = data.home && range.every((v, i) =>
        Math.abs(v - data.home[i]) < 1e-3 * Math.max(1e-9, Math.abs(data.home[i < 2 ? 1 : 3] - data.home[i < 2 ? 0 : 2])));
      say('zoom', { range: whole ? null : range });
    }, 350);
  };
  const clicked = (event) => {
    const point = event && event.points && event.points[0];
    if (point && point.pointNumber !== undefined) {
      say('cell', { trace: point.curveNumber, point: point.pointNumber });
    }
  };
  const heard = data.shapesOn
    ? { plotly_selected: drawn, plotly_click: clicked, plotly_relayout: zoomed,
        plotly_relayouting: outlines, plotly_afterplot: outlines }
    : { plotly_relayout: zoomed };
  const drop = () => {
    if (gd && gd.removeListener) {
      Object.entries(heard).forEach(([name, f]) => gd.removeListener(name, f));
    }
    if (overlay) overlay.remove();
    overlay = null;
  };
  const look = () => {
    const now = document.querySelector('.st-key-' + data.plot + ' .js-plotly-plot');
    if (now === gd && (!gd || gd.isConnected)) return;
    drop();
    gd = now && now.on && now._fullLayout ? now : null;
    if (!gd) return;
    Object.entries(heard).forEach(([name, f]) => gd.on(name, f));
    if (data.shapesOn) {
      // Its own outlines stay behind when a shape is cleared: ours are drawn instead.
      const style = document.createElement('style');
      style.textContent = '.selectionlayer path, .outline-controllers { display: none }';
      gd.appendChild(style);
      outlines();
    }
  };
  look();
  const timer = setInterval(look, 200);
  return () => { clearInterval(timer); clearTimeout(wait); drop(); };
}
"""


@st.cache_resource
def _listener() -> Any:
    return st.components.v2.component("perturbscope_cell_listener", html="<div></div>", js=_JS)


def listen(
    plot: str,
    *,
    key: str,
    token: str,
    ink: str,
    shapes: list[dict[str, Any]] | None = None,
    home: list[float] | None = None,
    on_shape: Callable[[], None] | None = None,
    on_cell: Callable[[], None] | None = None,
    on_zoom: Callable[[], None] | None = None,
) -> Any:
    """Hear what is done in the figure ``plot`` (its key in ``figure.show``).

    Every message carries ``token``, so that a late one about another view can be told.

    Parameters
    ----------
    shapes
        Outlines to draw: ``{"panel": 0, "points": [[x, y], …]}``.
    home
        ``[x0, x1, y0, y1]`` of the whole plane, which is reported as no zoom at all.
    ink
        Colour of the outlines.
    on_shape, on_cell, on_zoom
        Called when a shape was drawn (``panel``, ``kind``, ``points``), a cell was clicked
        (``trace``, ``point``), the range changed (``range``: four numbers or None).

    Returns
    -------
    Any
        With attributes ``shape``, ``cell`` and ``zoom``: the message, or None.
    """
    callbacks = {"on_shape_change": on_shape, "on_cell_change": on_cell, "on_zoom_change": on_zoom}
    return _listener()(
        key=key,
        data={
            "plot": plot,
            "token": token,
            "ink": ink,
            "corners": CORNERS,
            "shapes": shapes or [],
            "home": home,
            "shapesOn": on_shape is not None,
            "zoom": on_zoom is not None,
        },
        height=1,
        **{name: call for name, call in callbacks.items() if call is not None},
    )
