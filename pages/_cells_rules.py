"""Rules of a selection: groups, values, saved selections; each may be turned round."""

from __future__ import annotations

import streamlit as st

from core.data import cell_rules
from core.data.cell_rules import ALL, ANY, Fulfilled
from pages._cells_scene import Scene
from pages._cells_view import CellView

NOBODY = "none"


def widgets(view: CellView, scene: Scene) -> None:
    """Rules about groups, values and saved selections; each may be turned round."""
    with st.expander("Rules: groups, values, saved selections", key="cells-rules"):
        st.segmented_control(
            "A cell must fulfil",
            [ALL, ANY],
            format_func=lambda h: f"{h} of these rules",
            default=ALL,
            required=True,
            key="rule-how",
        )
        st.toggle("not what is drawn", key="rule-shape-not")
        if view.groupings:
            left, middle, right = st.columns([3, 4, 2], vertical_alignment="bottom")
            column = left.selectbox("Column", view.groupings, key="rule-column")
            middle.multiselect(
                "is one of",
                [str(c) for c in view.labels(column).cat.categories],
                key=f"rule-values-{column}",
            )
            right.toggle("not", key="rule-group-not")
        left, low, high, right = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
        name = left.selectbox("Value", _values(view, scene), key="rule-value")
        low.number_input("above", value=0.0, key="rule-above", disabled=name == NOBODY)
        high.number_input("up to", value=None, key="rule-upto", disabled=name == NOBODY)
        right.toggle("not", key="rule-value-not")
        if view.selections:
            left, right = st.columns([7, 2], vertical_alignment="bottom")
            names = [s.name for s in view.selections]
            left.multiselect("in one of the saved selections", names, key="rule-saved")
            right.toggle("not", key="rule-saved-not")


def _values(view: CellView, scene: Scene) -> list[str]:
    shown = [scene.colour.name] if scene.colour.values is not None else []
    return [NOBODY, *dict.fromkeys([*shown, *view.numbers])]


def rules_of(view: CellView, scene: Scene) -> list[Fulfilled]:
    """The rules that the widgets ask for, read from the session."""
    state = st.session_state
    found = []
    column = state.get("rule-column")
    values = state.get(f"rule-values-{column}")
    if column in view.groupings and values:
        rule = cell_rules.has_label(view.labels(column), values, column)
        found.append(_turned(rule, "rule-group-not"))
    name = state.get("rule-value")
    if name in _values(view, scene) and name != NOBODY:
        own = name == scene.colour.name and scene.colour.values is not None
        known = scene.colour.values if own else view.number(name)
        assert known is not None
        rule = cell_rules.between(known, state.get("rule-above"), state.get("rule-upto"), name)
        found.append(_turned(rule, "rule-value-not"))
    kept = {selection.name for selection in view.selections}
    chosen = [name for name in state.get("rule-saved") or [] if name in kept]
    if chosen:
        rule = cell_rules.combine([Fulfilled(f"'{n}'", view.members(n)) for n in chosen], ANY)
        found.append(_turned(rule, "rule-saved-not"))
    return found


def _turned(rule: Fulfilled, key: str) -> Fulfilled:
    return rule.negated() if st.session_state.get(key) else rule
