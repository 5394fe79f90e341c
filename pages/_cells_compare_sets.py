"""The two sets of cells that Compare tests, and the way of a result to other panels."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.studies.screening.config import Kind
from pages._cells_statistics import CellSet
from pages._cells_view import COMPARE, CellView, to_compare
from pages.components.screening.objective import LISTS

REST = "all other cells"
METADATA, SELECTIONS = "Metadata", "Selections"
_ALL = "all cells"
#: Columns that are offered first: what an experiment varies.
_CONDITIONS = ("condition", "group_id", "type", "treatment", "perturbation", "stim", "disease")
#: Genes of each direction that go into a signature.
MOST_SIGNATURE = 150


def choose_sets(view: CellView) -> tuple[CellSet, CellSet] | None:
    """Two sets by metadata or by saved selections; None, after saying why, where there are none."""
    saved = [s.name for s in view.selections]
    first, second = to_compare()
    offered = [name for name, there in ((METADATA, view.groupings), (SELECTIONS, saved)) if there]
    if not offered:
        st.info(
            "Nothing tells these cells apart: they have no metadata with two groups or more. "
            "Select cells in Explore and save the selection, then compare it here.",
            icon=":material/lasso_select:",
        )
        return None
    source = st.segmented_control(
        "Compare by",
        offered,
        default=SELECTIONS if first in saved else offered[0],
        required=True,
        key="compare-by",
        help="Selections are saved in Explore: by lasso, metadata or expression.",
    )
    if source == SELECTIONS:
        return _by_selection(view, saved, first, second)
    return _by_metadata(view)


def condition_first(columns: list[str]) -> list[str]:
    """Columns that are called like a condition before the others."""
    lower = {c: c.lower() for c in columns}
    return sorted(columns, key=lambda c: (lower[c] not in _CONDITIONS, columns.index(c)))


def _by_metadata(view: CellView) -> tuple[CellSet, CellSet] | None:
    column_at, first_at, second_at, within_at, part_at = st.columns(5)
    columns = condition_first(view.groupings)
    with column_at:
        column = st.selectbox("Column", columns, key="de_column", bind="query-params")
    labels = view.labels(column)
    groups = [str(g) for g in labels.cat.categories]
    others = [c for c in view.groupings if c != column]
    with within_at:
        within = st.selectbox(
            "Within",
            [_ALL, *others],
            key="de_within",
            bind="query-params",
            help="Compare inside one group of another column, such as a cell type.",
        )
    inside = np.ones(view.n_cells, dtype=bool)
    suffix = ""
    if within != _ALL:
        parts = view.labels(within)
        with part_at:
            part = st.selectbox(
                "Group", [str(p) for p in parts.cat.categories], key="de_part", bind="query-params"
            )
        inside = (parts == part).to_numpy()
        suffix = f" in {part}"
    with first_at:
        # The last group first: a treatment sorts after its control more often than before it.
        first = st.selectbox(
            "First set", groups, index=len(groups) - 1, key="de_first", bind="query-params"
        )
    with second_at:
        second = st.selectbox(
            "Second set",
            [*(g for g in groups if g != first), REST],
            key="de_second",
            bind="query-params",
        )
    group = (labels == first).to_numpy()
    reference = ~group if second == REST else (labels == second).to_numpy()
    return (
        CellSet(f"{first}{suffix}", group & inside),
        CellSet(f"{second}{suffix}", reference & inside),
    )


def _by_selection(
    view: CellView, saved: list[str], first: str | None, second: str | None
) -> tuple[CellSet, CellSet]:
    left, right = st.columns(2)
    with left:
        a = st.selectbox(
            "First selection",
            saved,
            index=saved.index(first) if first in saved else 0,
            key="compare-first",
        )
    others = [*(name for name in saved if name != a), REST]
    with right:
        b = st.selectbox(
            "Second selection",
            others,
            index=others.index(second) if second in others else len(others) - 1,
            key="compare-second",
        )
    for key, name in zip(COMPARE, (a, b), strict=True):  # the address names what is compared
        if name == REST:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = str(name)
    group = view.members(str(a))
    if b == REST:
        return CellSet(str(a), group), CellSet(REST, ~group)
    reference = view.members(str(b))
    shared = int((group & reference).sum())
    if shared:
        st.caption(f"{shared:,} cells are in both selections and were left out of both.")
    return CellSet(str(a), group & ~reference), CellSet(str(b), reference & ~group)


def send_to_screen(up: list[str], down: list[str]) -> None:
    """A button that opens the Screen page with these genes as the signature to reverse."""
    up, down = up[:MOST_SIGNATURE], down[:MOST_SIGNATURE]
    if not up and not down:
        return
    if st.button(
        "Screen for molecules that reverse it",
        icon=":material/biotech:",
        key="compare-screen",
        help=f"The {len(up)} strongest higher and {len(down)} strongest lower genes become the "
        "signature of the Screen page.",
    ):
        st.session_state["screen-kind"] = Kind.SIGNATURE
        st.session_state["screen-signature"] = LISTS
        st.session_state["screen-up"] = " ".join(up)
        st.session_state["screen-down"] = " ".join(down)
        st.switch_page("pages/screen.py")
