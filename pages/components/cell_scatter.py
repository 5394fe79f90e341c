"""What readers do in a figure of cells: zoom, lasso, click.

Streamlit's own selection sends every selected point, megabytes for a large set. A small listener
hangs on the figure that ``figure.show`` drew and sends only what was done: the corners of a shape
(at most :data:`CORNERS`), the range in sight, the clicked point. It also draws the outlines of
what is selected over both panels, which Plotly forgets when a shape is drawn in the other one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import streamlit as st

from core.settings import PROJECT_ROOT

#: Corners that a lasso keeps; a drawn one has hundreds.
CORNERS = 64
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
#: The listener itself is a static file, so that a selection does not send it again.
SCRIPT = PROJECT_ROOT / "static" / "cell_listener.js"
_LOADER = """
const script = new URL('app/static/cell_listener.js?v=VERSION', new URL('.', location.href));
export default function (component) {
  let over = false, stop = null;
  import(script.href).then((module) => { if (!over) stop = module.listen(component); });
  return () => { over = true; if (stop) stop(); };
}
"""


@st.cache_resource
def _listener() -> Any:
    version = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:8]
    return st.components.v2.component(
        "perturbscope_cell_listener", html="<div></div>", js=_LOADER.replace("VERSION", version)
    )


def listen(
    plot: str,
    *,
    key: str,
    token: str,
    ink: str,
    alive: list[int] | None = None,
    home: list[float] | None = None,
    on_shape: Callable[[], None] | None = None,
    on_cell: Callable[[], None] | None = None,
    on_zoom: Callable[[], None] | None = None,
) -> Any:
    """Hear what is done in the figure ``plot`` (its key in ``figure.show``).

    Every message carries ``token``, so that a late one about another view can be told.

    Parameters
    ----------
    alive
        Panels whose drawn shape still counts; the browser keeps the outlines themselves.
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
            "alive": alive or [],
            "home": home,
            "shapesOn": on_shape is not None,
            "zoom": on_zoom is not None,
        },
        height=1,
        **{name: call for name, call in callbacks.items() if call is not None},
    )
