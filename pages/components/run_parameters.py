"""What was different between the selected runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.featurizers.base import FEATURIZERS
from core.models.base import MODELS
from core.registry import Registry
from core.runs import RunRecord, differing_parameters, flatten
from pages.components.config_form import defaults
from pages.components.run_labels import names

_REGISTRIES: Mapping[str, Registry[Any]] = {"models": MODELS, "features": FEATURIZERS}


def _value(record: RunRecord, path: str, value: Any) -> Any:
    """A parameter's value; the default where a chosen model or featurizer does not name it."""
    group, _, rest = path.partition(".")
    part, _, param = rest.rpartition(".")
    if value is not None or group not in _REGISTRIES or not part:
        return value
    name, _, number = part.partition("#")
    members = [m.get("name") for m in record.config.get(group, [])]
    if members.count(name) < int(number or 1) or name not in _REGISTRIES[group]:
        return value
    default = defaults(_REGISTRIES[group].get(name).value.Params).get(param)
    return value if default is None else f"{default} (default)"


def parameters(records: Sequence[RunRecord]) -> None:
    """Only the parameters that differ; all of them for a single run."""
    labels = names(records)
    if len(records) == 1:
        record = records[0]
        table = pd.DataFrame({labels[record.id]: pd.Series(flatten(record.config), dtype=object)})
    else:
        table = differing_parameters(records).T
        for r in records:
            table[r.id] = [_value(r, path, table.at[path, r.id]) for path in table.index]
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
                "Data set": f"{r.dataset or ''}{' (simulated)' if r.simulated else ''}",
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
