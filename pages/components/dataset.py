"""The choice of a data set, kept in the URL and for the whole session."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.settings import get_settings

#: URL parameter and session key of the data set of each kind.
KEYS = {"perturbation": "dataset", "cells": "cells"}


def ready(kind: str) -> list[Any]:
    """Prepared data sets of a kind, as ``core.data.list_datasets`` describes them."""
    from core.data import list_datasets

    return [s for s in list_datasets(get_settings()) if s.kind == kind and s.ready]


def in_use(kind: str = "perturbation") -> str | None:
    """The data set of this kind that the session works on, if it chose one."""
    return st.session_state.get(f"{KEYS[kind]}-in-use")


def choose(kind: str) -> str | None:
    """Let the user choose a prepared data set of ``kind`` (``"perturbation"`` or ``"cells"``).

    Returns
    -------
    str or None
        Its id; None, after saying what to do, where none is prepared.
    """
    sets = ready(kind)
    if not sets:
        st.info(
            "No data set of this kind is prepared yet: open the Data sets page and prepare one.",
            icon=":material/database:",
        )
        return None
    labels = {s.id: f"{s.label} (simulated)" if s.simulated else s.label for s in sets}
    ids = list(labels)
    remembered = in_use(kind)
    chosen = st.selectbox(
        "Data set",
        ids,
        index=ids.index(remembered) if remembered in ids else 0,
        format_func=lambda id: labels.get(id, id),
        key=KEYS[kind],
        bind="query-params",
    )
    st.session_state[f"{KEYS[kind]}-in-use"] = chosen
    return chosen
