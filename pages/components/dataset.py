"""The choice of a data set, kept in the URL and for the whole session."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.data import DataSetStatus, PerturbationTable, list_datasets, load_cells, load_perturbation
from core.settings import get_settings
from core.studies.integration.columns import groupings

#: URL parameter of the data set of each kind.
KEYS = {"perturbation": "dataset", "cells": "cells"}


def _memory(kind: str) -> str:
    return f"{KEYS[kind]}-in-use"


def ready(kind: str) -> list[DataSetStatus]:
    """Prepared data sets of a kind, as ``core.data.list_datasets`` describes them."""
    return [s for s in list_datasets(get_settings()) if s.kind == kind and s.ready]


def in_use(kind: str = "perturbation") -> str | None:
    """The data set of this kind that the session works on, if it chose one."""
    return st.session_state.get(_memory(kind))


def use(id: str, kind: str = "perturbation") -> None:
    """Make ``id`` the session's data set of this kind, as a button may."""
    st.session_state[_memory(kind)] = id
    st.session_state.pop(KEYS[kind], None)


def has_counts(status: DataSetStatus) -> bool:
    """Whether cells come with raw counts."""
    return status.values == "counts"


def choose(
    kind: str, *, suits: Callable[[DataSetStatus], bool] = lambda status: True
) -> str | None:
    """Let the user choose a prepared data set of ``kind`` (``"perturbation"`` or ``"cells"``).

    The choice is in the URL (``?dataset=op2-demo``) and is kept from page to page.

    Parameters
    ----------
    suits
        What a page opens with must be so, where there is such a set; the user may choose any.

    Returns
    -------
    str or None
        Its id; None, after saying what to do, where none is prepared.
    """
    key = KEYS[kind]
    there = ready(kind)
    labels = {s.id: s.label for s in there}
    if not labels:
        st.info(
            "No data set of this kind is prepared yet: open the Data sets page and prepare one.",
            icon=":material/database:",
        )
        return None
    if key not in st.session_state and key not in st.query_params:
        remembered = in_use(kind)
        fit = [s.id for s in there if suits(s)] or list(labels)
        first = remembered if remembered in fit else fit[0]
        # Both: the session for the widget's value, the URL so that the address names the set.
        st.session_state[key] = st.query_params[key] = first
    # Ids rather than labels are the options, so that the URL is short and outlives a new label.
    # No option is the default, because a default is left out of the URL, and another set may be
    # the first one when a colleague opens it.
    chosen = st.selectbox("Data set", list(labels), index=None, key=key, bind="query-params")
    if chosen is None:
        st.info("Choose a data set; one that an address names may not be prepared here.")
        return None
    st.session_state[_memory(kind)] = chosen
    return chosen


@st.cache_resource(max_entries=4, show_spinner="Opening the data set …")
def _table(id: str, content_hash: str | None) -> PerturbationTable:
    return load_perturbation(id, get_settings())


def table(id: str) -> PerturbationTable:
    """The perturbation table ``id``: opened once for all sessions, so read it only.

    Opened anew where its content has changed since.
    """
    hashes = {s.id: s.content_hash for s in ready("perturbation")}
    return _table(id, hashes.get(id))


@st.cache_data(max_entries=4, show_spinner="Opening the data set …")
def columns_of(id: str, content_hash: str | None) -> pd.DataFrame:
    """Columns of the cells that group them; small, so a copy for every caller is no burden."""
    obs = load_cells(id, get_settings()).obs
    return obs[groupings(obs)].astype(object)
