"""A Plotly figure with its export menu: PNG and SVG from the browser, CSV of its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.plots.export import csv_bytes, file_stem
from core.plots.theme import Palette, palette

#: The figure is exported by the browser that drew it (no image server needed): the modebar's own
#: button is called with the wanted format.
_EXPORT_JS = """
export default function (component) {
  const { parentElement, data } = component;
  const say = parentElement.querySelector('.say');
  parentElement.querySelectorAll('button').forEach((button) => {
    button.onclick = () => {
      const plot = document.querySelector('.st-key-' + data.key + ' .js-plotly-plot');
      const bar = plot && plot._fullLayout && plot._fullLayout._modeBar;
      const camera = bar && bar.buttons.flat().find((item) => item.name === 'toImage');
      if (!camera) { say.textContent = 'The figure is not drawn yet.'; return; }
      const options = plot._context.toImageButtonOptions || {};
      plot._context.toImageButtonOptions = {
        ...options, format: button.dataset.format, filename: data.stem,
        scale: button.dataset.format === 'png' ? 3 : 1,
      };
      camera.click(plot, { currentTarget: button });
      say.textContent = '';
    };
  });
}
"""
_EXPORT_HTML = """
<button type="button" data-format="png">PNG</button>
<button type="button" data-format="svg">SVG</button>
<div class="say" role="status"></div>
"""
_EXPORT_CSS = """
button {
  font: inherit; color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
  padding: .35rem .9rem; margin-right: .4rem; cursor: pointer;
}
button:hover, button:focus-visible {
  color: var(--st-primary-color); border-color: var(--st-primary-color); outline: none;
}
.say { font-size: .85rem; color: var(--st-text-color); }
"""
_KEY = re.compile(r"[^a-z0-9_-]+")


@st.cache_resource
def _image_buttons() -> Any:
    return st.components.v2.component(
        "perturbscope_figure_export", html=_EXPORT_HTML, css=_EXPORT_CSS, js=_EXPORT_JS
    )


def colours() -> Palette:
    """The palette of the theme that the reader has chosen."""
    return palette(st.context.theme.type)


def show(
    fig: go.Figure,
    *,
    key: str,
    data: pd.DataFrame | Callable[[], pd.DataFrame] | None,
    height: int | None = None,
    on_select: Any = "ignore",
    selection_mode: Any = ("points", "box", "lasso"),
    name: str | None = None,
    alt: str | None = None,
    config: dict[str, Any] | None = None,
) -> Any:
    """Draw a figure with an export menu under it.

    Parameters
    ----------
    fig
        The figure; words and background follow the page's theme.
    key
        Unique on the page: lower-case letters, digits, ``-`` and ``_``.
    data
        The numbers that are drawn, for the CSV, or what makes them when they are asked for; None
        where there are none.
    height
        Pixels; default: the figure's own.
    on_select, selection_mode
        As ``st.plotly_chart``.
    name
        Stem of the exported files; default: ``key``.
    alt
        What the figure shows, for screen readers.
    config
        More of Plotly's own options.

    Returns
    -------
    Any
        What ``st.plotly_chart`` returns: the selection where ``on_select`` asks for it.
    """
    key = _KEY.sub("-", key.lower())
    stem = file_stem(name or key)
    if height is not None:
        fig.update_layout(height=height)
    event = st.plotly_chart(
        fig,
        key=key,
        theme="streamlit",
        on_select=on_select,
        selection_mode=selection_mode,
        config={
            "displaylogo": False,
            "toImageButtonOptions": {"filename": stem, "scale": 3},
            "plotlyServerURL": "",
            **(config or {}),
        },
        alt=alt,
    )
    with st.popover("Export", icon=":material/download:", type="tertiary", key=f"{key}-export"):
        st.caption("The image is the figure as it stands on the screen.")
        _image_buttons()(key=f"{key}-images", data={"key": key, "stem": stem})
        if data is not None:
            st.download_button(
                "CSV",
                data=lambda: csv_bytes(data() if callable(data) else data),
                file_name=f"{stem}.csv",
                mime="text/csv",
                on_click="ignore",
                key=f"{key}-csv",
            )
    return event
