"""The figure of Explore: cells in the plane, one panel or two."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plots import cell_scatter as plot
from pages import _cells_open as opened
from pages import _cells_scene as scenes
from pages import _cells_view as views
from pages._cells_scene import Scene
from pages._cells_view import CellView
from pages.components import cell_scatter, figure
from pages.components.guard import guard

FIGURE = "cells-figure"
#: Session memory of the rows of every trace that is drawn, to name a clicked cell.
TRACES = "cells-traces"
#: Counter that makes the browser forget the reader's zoom.
RESET = "cells-zoom-reset"


def axes_of(embedding: str) -> tuple[str, str]:
    """Titles of the axes: ``X_umap`` → ``UMAP 1``, ``UMAP 2``."""
    name = embedding.removeprefix("X_")
    name = {"umap": "UMAP", "tsne": "t-SNE", "pca": "PC"}.get(name, name.replace("_", " "))
    return f"{name} 1", f"{name} 2"


@st.fragment
def draw(view: CellView, scene: Scene) -> None:
    """The figure. A fragment: zooming into a raster redraws nothing else."""
    with guard():
        _draw(view, scene)


def _draw(view: CellView, scene: Scene) -> None:
    window = scenes.zoom(scene.embedding)
    coordinates = view.coordinates(scene.embedding)
    drawn = plot.draw(
        coordinates,
        scene.panels,
        scene.colour,
        names=view.cells.obs_names,
        axes=axes_of(scene.embedding),
        window=window,
        aggregate=scene.aggregate,
        clip=scene.clip,
        revision=f"{view.id}{scene.embedding}{st.session_state.get(RESET, 0)}",
        palette=view.palette,
    )
    st.session_state[TRACES] = (scene.token, drawn.traces)
    figure.show(
        drawn.figure,
        key=FIGURE,
        data=lambda: numbers(view, scene),
        name=view.name(scene.colour.name, *scene.conditions),
        alt=f"Cells by {scene.embedding}, coloured by {scene.colour.name or 'number of cells'}",
        config=cell_scatter.CONFIG,
    )
    if scene.embedding == opened.QUICK:
        _offer_map()
    if scene.large:
        what = "points" if drawn.points else "an image of pixels; zoom in to reach single cells"
        st.caption(f"{drawn.visible:,} cells in sight, drawn as {what}.")
        heard = cell_scatter.listen(
            FIGURE,
            key="cells-zoom-listener",
            token=scene.token,
            ink=view.palette.text,
            home=home(view, scene),
            on_zoom=lambda: None,
        )
        if heard.zoom and heard.zoom.get("token") == scene.token:
            before = scenes.zoom(scene.embedding)
            scenes.keep_zoom(scene.embedding, heard.zoom.get("range"))
            if scenes.zoom(scene.embedding) != before:
                st.rerun(scope="fragment")


def _offer_map() -> None:
    """The way to a better map, where the file came without one."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "The file has no map: these are two quick principal components.", width="content"
        )
        if st.button(
            "Compute UMAP or t-SNE", icon=":material/scatter_plot:", type="tertiary", key="to-map"
        ):
            views.go("Embedding")
            st.rerun()


def home(view: CellView, scene: Scene) -> list[float]:
    """The range of the whole plane."""
    rows = np.flatnonzero(np.logical_or.reduce(scene.masks))
    whole = plot.raster.window_of(view.coordinates(scene.embedding)[rows])
    return [whole.x0, whole.x1, whole.y0, whole.y1]


def numbers(view: CellView, scene: Scene) -> pd.DataFrame:
    """The figure's cells with coordinates and colour, one row a cell."""
    coordinates = view.coordinates(scene.embedding)
    first, second = axes_of(scene.embedding)
    frames = []
    for name, mask in zip(scene.conditions or ("all",), scene.masks, strict=True):
        columns: dict[str, object] = {
            "cell": view.cells.obs_names[mask],
            first: coordinates[mask, 0],
            second: coordinates[mask, 1],
        }
        if scene.split:
            columns[scene.split] = name
        if scene.colour.values is not None:
            columns[scene.colour.name] = scene.colour.values[mask]
        elif scene.colour.groups is not None:
            columns[scene.colour.name] = scene.colour.groups[mask].astype(str).to_numpy()
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
