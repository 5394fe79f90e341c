"""What Explore draws: conditions, embedding, colour, the part of the plane in sight."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.plots.cell_raster import Window
from core.plots.cell_scatter import MOST_POINTS, Colour, Panel
from pages._cells_view import CellView
from pages.components import choice

NONE = "one panel"
ZOOM = "zoom"
#: Columns that name conditions, and values that name the unchanged one.
CONDITION = re.compile(
    r"^(type|cond|group_?id|disease|status|stim|treat|perturb|genotype|sex|diagnos)", re.I
)
CONTROL = re.compile(
    r"^(healthy|ctrl|control|normal|wt|wild|untreated|vehicle|dmso|pbs|unstim|mock|none|ref)", re.I
)
CELL_TYPE = re.compile(r"(cell_?type|cell_?ontology|cluster|leiden|louvain|celltype|subpop)", re.I)


@dataclass(frozen=True)
class Scene:
    """Everything that the figure of Explore shows.

    Attributes
    ----------
    split
        Column whose values are compared, None for a single panel.
    conditions
        Names of the panels.
    masks
        Cells of each panel, boolean ``(n_cells,)``.
    """

    colour: Colour
    embedding: str
    split: str | None
    conditions: tuple[str, ...]
    masks: tuple[np.ndarray, ...]
    aggregate: str
    clip: bool

    @property
    def panels(self) -> list[Panel]:
        """As the figure wants them, with what each holds in its title."""
        panels = []
        for name, mask in zip(self.conditions or ("all",), self.masks, strict=True):
            rows = np.flatnonzero(mask)
            words = f"{name} · {len(rows):,} cells"
            if self.colour.values is not None and not self.colour.signed and len(rows):
                share = float((self.colour.values[rows] > 0).mean())
                if share < 1:
                    words += f" · {share:.1%} above 0"
            panels.append(Panel(words, rows))
        return panels

    @property
    def token(self) -> str:
        """Identifies the plane and its panels: shapes drawn in one do not fit another."""
        return token_of(self.embedding, self.split, self.conditions)

    @property
    def large(self) -> bool:
        """Whether there are too many cells to send each as a point."""
        return int(sum(mask.sum() for mask in self.masks)) > MOST_POINTS


def token_of(embedding: str, split: str | None, conditions: tuple[str, ...]) -> str:
    """A short digest of a plane and its panels."""
    text = repr((embedding, split, conditions))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def first_condition(view: CellView) -> str:
    """A column that looks like conditions with few values, or no split."""
    for column in view.groupings:
        if CONDITION.match(column) and 2 <= view.obs[column].nunique() <= 12:
            return column
    return NONE


def first_cell_type(view: CellView, split: str | None) -> str | None:
    """A column that looks like cell types or clusters."""
    columns = [c for c in view.groupings if c != split]
    return next((c for c in columns if CELL_TYPE.search(c)), next(iter(columns), None))


def choose_conditions(view: CellView) -> tuple[str | None, tuple[str, ...]]:
    """Column and its two values that stand side by side."""
    if not view.groupings:
        return None, ()
    wide, left, right = st.columns([4, 3, 3], vertical_alignment="bottom")
    with wide:
        split = choice.select(
            "Side by side",
            [NONE, *view.groupings],
            key="split",
            default=first_condition(view),
            help="Two groups of this column in two panels, with linked axes and one colour scale.",
        )
    if split == NONE:
        return None, ()
    counts = view.labels(split).value_counts()
    values = [str(v) for v in counts.index]
    control = next((v for v in values if CONTROL.match(v)), values[0])
    with left:
        first = choice.select("Left", values, key="left", default=control)
    others = [v for v in values if v != first]
    with right:
        second = choice.select("Right", others, key="right")
    return split, (first, second)


def masks_of(
    view: CellView, split: str | None, conditions: tuple[str, ...]
) -> tuple[np.ndarray, ...]:
    """Cells of each panel."""
    if split is None:
        return (np.ones(view.n_cells, dtype=bool),)
    labels: pd.Series = view.labels(split)
    codes = labels.cat.codes.to_numpy()
    known = list(labels.cat.categories)
    return tuple(codes == known.index(name) for name in conditions)


def zoom(embedding: str) -> Window | None:
    """The part of the plane that the URL names, if it is of this embedding."""
    name, *numbers = str(st.query_params.get(ZOOM, "")).rsplit(",", 4)
    try:
        x0, x1, y0, y1 = (float(n) for n in numbers)
    except ValueError:
        return None
    ok = name == embedding and np.isfinite([x0, x1, y0, y1]).all() and x0 < x1 and y0 < y1
    return Window(x0, x1, y0, y1) if ok else None


def keep_zoom(embedding: str, numbers: list[float] | None) -> None:
    """Put the part of the plane in sight into the URL; None is all of it."""
    if not numbers or len(numbers) != 4:
        st.query_params.pop(ZOOM, None)
        return
    st.query_params[ZOOM] = ",".join([embedding, *(f"{n:.5g}" for n in numbers)])
