"""Runs of the other studies: what they are, how they ended, and where to open them."""

from __future__ import annotations

from urllib.parse import quote

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.runs import RunRecord, list_runs
from core.settings import get_settings
from core.studies.base import STUDIES

#: Study → page and the URL parameters that open one of its runs there.
PAGES = {
    "screening": "screen?screen={id}",
    "landmarks": "landmarks?cells={dataset}&section=Predict&result={id}",
    "integration": "integration",
    "cells": "cells",
    "knockouts": "knockouts",
}


def table(except_study: str) -> None:
    """A table of every run that is not of ``except_study``; nothing where there is none."""
    records = [r for r in list_runs(settings=get_settings()) if r.study != except_study]
    if not records:
        return
    records.sort(key=lambda record: record.created, reverse=True)
    st.subheader("Other studies", anchor=False)
    st.caption("Their results are on their own pages.")
    st.dataframe(
        frame_of(records),
        hide_index=True,
        column_config={
            "open": column.LinkColumn("Open", display_text="open", width="small"),
            "created": column.DatetimeColumn("Created", format="YYYY-MM-DD HH:mm"),
            "seconds": column.NumberColumn("Seconds", format="%.0f"),
        },
        key="other-runs",
    )


def frame_of(records: list[RunRecord]) -> pd.DataFrame:
    """``open, name, study, data, state, created, seconds``; one row a run."""
    return pd.DataFrame(
        {
            "open": [_address(record) for record in records],
            "Name": [record.name for record in records],
            "Study": [_label(record.study) for record in records],
            "Data": [str(record.config.get("dataset", "")) for record in records],
            "State": [str(record.state) for record in records],
            "created": [record.created for record in records],
            "seconds": [record.seconds for record in records],
        }
    )


def _address(record: RunRecord) -> str | None:
    place = PAGES.get(record.study)
    if place is None:
        return None
    data = quote(str(record.config.get("dataset", "")), safe="")
    return "/" + place.format(id=quote(record.id, safe=""), dataset=data)


def _label(study: str) -> str:
    return STUDIES.get(study).label if study in STUDIES else study
