"""Selecting cells in Explore: shapes drawn in the figure, groups, values, saved selections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.data import cell_rules, selections
from core.data.cell_rules import ALL, ANY, Fulfilled
from core.settings import get_settings
from pages import _cells_figure as pictures
from pages import _cells_rules as rules
from pages import _cells_saved as saved
from pages import _cells_scene as scenes
from pages import _cells_view as views
from pages._cells_scene import Scene
from pages._cells_view import CellView
from pages.components import cell_scatter
from pages.components.guard import guard
from pages.components.text import plain

#: Session memory of drawn shapes, of the clicked cell.
SHAPES, CELL = "cells-shapes", "cells-clicked"
LISTENER = "cells-listener"


@dataclass(frozen=True)
class Shape:
    """A lasso or box, with the cells that were in it when it was drawn."""

    key: str
    token: str
    panel: int
    points: list[list[float]]
    rule: Fulfilled


def _shapes(view: CellView) -> list[Shape]:
    found = st.session_state.get(SHAPES, [])
    return [shape for shape in found if shape.key == view.content_hash]


def add_shape(view: CellView, scene: Scene, message: dict[str, Any]) -> None:
    """Keep a drawn shape; one shape a panel, the newer replaces the older."""
    panel = int(message["panel"])
    if message.get("token") != scene.token or not 0 <= panel < len(scene.masks):
        return
    rows = np.flatnonzero(scene.masks[panel])
    points = message["points"]
    mask = cell_rules.inside(view.coordinates(scene.embedding), points, rows)
    kind = "box" if message.get("kind") == "box" else "lasso"
    where = f" in {scene.conditions[panel]}" if scene.conditions else ""
    plane = pictures.axes_of(scene.embedding)[0].rsplit(" ", 1)[0]
    shape = Shape(
        view.content_hash, scene.token, panel, points, Fulfilled(f"{kind}{where} ({plane})", mask)
    )
    others = [s for s in _shapes(view) if (s.token, s.panel) != (scene.token, panel)]
    st.session_state[SHAPES] = [*(s for s in others if s.token == scene.token), shape]


def clear() -> None:
    """Forget the drawn shapes."""
    st.session_state[SHAPES] = []


def _heard(view: CellView, scene: Scene) -> None:
    """Hear what the reader does in the figure; it is taken in before the next run draws."""

    def shape() -> None:
        message = st.session_state[LISTENER].shape
        if message:
            add_shape(view, scene, dict(message))

    def cell() -> None:
        message = st.session_state[LISTENER].cell
        if message and message.get("token") == scene.token:
            st.session_state[CELL] = (view.content_hash, _clicked(scene, dict(message)))

    def zoom() -> None:
        message = st.session_state[LISTENER].zoom
        if message and message.get("token") == scene.token:
            scenes.keep_zoom(scene.embedding, message.get("range"))

    cell_scatter.listen(
        pictures.FIGURE,
        key=LISTENER,
        token=scene.token,
        ink=view.palette.text,
        alive=[s.panel for s in _shapes(view) if s.token == scene.token],
        home=pictures.home(view, scene),
        on_shape=shape,
        on_cell=cell,
        # A raster listens for itself: it must be drawn again.
        on_zoom=None if scene.large else zoom,
    )


def _clicked(scene: Scene, message: dict[str, Any]) -> int | None:
    token, traces = st.session_state.get(pictures.TRACES, ("", ()))
    trace, point = int(message["trace"]), int(message["point"])
    if token != scene.token or not 0 <= trace < len(traces) or not 0 <= point < len(traces[trace]):
        return None
    return int(traces[trace][point])


@st.fragment
def panel(view: CellView, scene: Scene) -> None:
    """The selection beside the figure. A fragment: neither rules nor shapes redraw the figure."""
    st.subheader("Selection", anchor=False)
    with guard():
        drawn(view, scene)
    with guard():
        rules.widgets(view, scene)
        saved.listing(view)


@st.fragment
def drawn(view: CellView, scene: Scene) -> None:
    """What a drawn shape changes, and no more than that: it is sent at each selection."""
    with guard():
        _heard(view, scene)
        shapes = _shapes(view)
        _toolbar(view, scene, shapes)
        found = [_union(shapes)] if shapes else []
        if shapes and st.session_state.get("rule-shape-not"):
            found = [found[0].negated()]
        found += rules.rules_of(view, scene)
        if found:
            how = st.session_state.get("rule-how") or ALL
            _result(view, scene, cell_rules.combine(found, how), shapes)
        else:
            st.caption(
                "Draw a lasso or a box in the figure (one in each panel, if you like), or choose "
                "rules. Wheel: zoom; click: one cell."
            )
        _cell(view)


def _toolbar(view: CellView, scene: Scene, shapes: list[Shape]) -> None:
    zoomed = scenes.zoom(scene.embedding) is not None
    if not shapes and not zoomed:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if shapes:
            words = [f"{plain(s.rule.words)}: **{int(s.rule.mask.sum()):,}**" for s in shapes]
            st.caption(" · ".join(words), width="content")
        if shapes and st.button(
            "Clear", icon=":material/ink_eraser:", type="tertiary", key="clear-shapes"
        ):
            clear()
            st.rerun(scope="fragment")
        if zoomed and st.button(
            "Whole view", icon=":material/zoom_out_map:", type="tertiary", key="whole-view"
        ):
            scenes.keep_zoom(scene.embedding, None)
            st.session_state[pictures.RESET] = st.session_state.get(pictures.RESET, 0) + 1
            st.rerun()


def _union(shapes: list[Shape]) -> Fulfilled:
    return cell_rules.combine([shape.rule for shape in shapes], ANY)


def _result(view: CellView, scene: Scene, found: Fulfilled, shapes: list[Shape]) -> None:
    n = int(found.mask.sum())
    with st.container(key="selection-count"):
        st.markdown(f"**{n:,}** of {view.n_cells:,} cells ({n / max(view.n_cells, 1):.1%})")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the selection", key="selection-name", max_chars=80)
        pressed = st.button(
            "Save", icon=":material/bookmark_add:", key="save-selection", disabled=not n
        )
    if pressed:
        kept = selections.save_selection(
            view.content_hash, name, found.mask, how=found.words, settings=get_settings()
        )
        st.toast(f"Saved {plain(kept.name)}: {kept.n_selected:,} cells.")
        st.rerun()
    here = [s for s in shapes if s.token == scene.token and s.rule.mask.any()]
    if len(here) == 2:
        if st.button("Compare the two shapes", icon=":material/difference:", key="compare-shapes"):
            _compare(
                view,
                [
                    (f"lasso in {scene.conditions[s.panel]}", s.rule)
                    for s in sorted(here, key=lambda s: s.panel)
                ],
            )
    elif 0 < n < view.n_cells and st.button(
        "Compare with all other cells", icon=":material/difference:", key="compare-rest"
    ):
        _compare(view, [(name or "last selection", found)])


def _compare(view: CellView, pairs: list[tuple[str, Fulfilled]]) -> None:
    """Save what is compared under its name (replacing what had it) and open Compare."""
    names = []
    for name, rule in pairs:
        kept = selections.save_selection(
            view.content_hash,
            name,
            rule.mask,
            how=rule.words,
            replace=True,
            settings=get_settings(),
        )
        names.append(kept.name)
    # The right panel against the left one, as the numbers under the figure.
    views.compare(names[-1], names[0] if len(names) > 1 else None)
    st.rerun()


def _cell(view: CellView) -> None:
    """The cell that was clicked, with all that is known of it."""
    key, row = st.session_state.get(CELL, ("", None))
    if key != view.content_hash or row is None or row >= view.n_cells:
        return
    st.markdown(f"**Cell** `{str(view.cells.obs_names[row]).replace('`', '')}`")
    facts = [f"{plain(c)}: **{plain(view.obs[c].iloc[row])}**" for c in list(view.obs)[:12]]
    st.caption(" · ".join(facts))
