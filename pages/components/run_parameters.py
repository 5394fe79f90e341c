"""What was different between the selected runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.runs import RunRecord, differing_parameters, flatten
from pages.components.run_labels import names


def parameters(records: Sequence[RunRecord]) -> None:
    """Only the parameters that differ; all of them for a single run."""
    labels = names(records)
    if len(records) == 1:
        record = records[0]
        table = pd.DataFrame({labels[record.id]: pd.Series(flatten(record.config), dtype=object)})
    else:
        table = differing_parameters(records).T
        table.columns = pd.Index([labels[id] for id in table.columns])
    if table.empty:
        st.info(
            "These runs have the same parameters: what differs is chance (device, code version).",
            icon=":material/equal:",
        )
    else:
        table = table.map(lambda value: "" if value is None else str(value))
        st.dataframe(table.rename_axis("Parameter"), key="runs-parameters", height="content")
    about = pd.DataFrame(
        {
            labels[r.id]: {
                "Data set": r.dataset,
                "Data hash": (r.data_hash or "")[:12],
                "Code version": (r.code_version or "")[:12],
                "Device": r.device,
                "Attempt": r.attempt,
                "Run id": r.id,
            }
            for r in records
        }
    )
    st.markdown("##### Where they come from")
    about = about.map(lambda value: "" if value is None else str(value))
    st.dataframe(about.rename_axis(""), key="runs-origin")
