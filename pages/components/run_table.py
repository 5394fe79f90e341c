"""The table of runs; what is selected in it stands in the URL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.runs import RunRecord, RunState, list_runs
from core.settings import get_settings
from pages.components.guard import guard
from pages.components.run_labels import duration

#: URL parameter of the selected runs: their ids with commas.
PARAMETER = "runs"
#: What stands there when the user has unticked all of them.
NONE = "none"
#: Runs that are selected where the user has not chosen yet.
FIRST_LOOK = 3
#: Seconds between two looks while a run is in progress.
REFRESH = 2.0

_COLOURS = {
    "queued": "gray",
    "running": "blue",
    "cancelling": "gray",
    "finished": "green",
    "cancelled": "gray",
    "failed": "red",
    "interrupted": "orange",
}


def runs_of(study: str) -> list[RunRecord]:
    """All runs of a study, newest first."""
    records = list_runs(study=study, settings=get_settings())
    return sorted(records, key=lambda record: record.created, reverse=True)


def selected_ids() -> list[str]:
    """Ids of the selected runs, as the URL names them."""
    return [id for id in st.query_params.get(PARAMETER, "").split(",") if id and id != NONE]


def select(ids: Sequence[str]) -> None:
    """Write the selection to the URL."""
    st.query_params[PARAMETER] = ",".join(ids) or NONE


def select_newest(records: Sequence[RunRecord]) -> None:
    """Where the URL names no selection, lay the newest runs of one data set over each other."""
    if records and PARAMETER not in st.query_params:
        telling = [r for r in records if r.state == RunState.FINISHED or r.active] or records[:1]
        alike = [r.id for r in telling if r.dataset == telling[0].dataset]
        select(alike[:FIRST_LOOK])


def table(study: str) -> None:
    """Draw the runs of a study; refreshes by itself while one of them is in progress."""
    active = any(r.active for r in runs_of(study))
    st.fragment(_table, run_every=REFRESH if active else None)(study, active)


def _table(study: str, was_active: bool) -> None:
    with guard():
        records = runs_of(study)
        if any(r.active for r in records) != was_active:
            st.rerun()
        ids = [record.id for record in records]
        chosen = [ids.index(id) for id in selected_ids() if id in ids]
        # Positions change with every new or removed run: another key, and the URL's own
        # selection put in place again.
        key = "runs-" + hashlib.sha256(",".join(ids).encode()).hexdigest()[:10]
        event = st.dataframe(
            frame(records),
            key=key,
            hide_index=True,
            on_select="rerun",
            selection_mode="multi-row",
            selection_default={"selection": {"rows": chosen}},
            column_config=_columns(),
            height=min(38 + 35 * len(records), 318),
            placeholder="",
            alt="Runs of this workspace",
        )
        rows = event["selection"]["rows"]
        if sorted(rows) != sorted(chosen):
            select([ids[row] for row in rows if row < len(ids)])
            st.rerun()


def frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """One row a run, as the table shows it."""
    rows = [_row(record) for record in records]
    return pd.DataFrame(rows, columns=list(_columns()))


def _row(record: RunRecord) -> dict[str, Any]:
    metrics, config = record.metrics, record.config
    low, high = metrics.get("mrrmse_low"), metrics.get("mrrmse_high")
    models = config.get("models") or []
    return {
        "state": ["cancelling" if record.cancelling else str(record.state)],
        "name": record.name,
        "dataset": (record.dataset or "") + (" (simulated)" if record.simulated else ""),
        "models": ", ".join(str(m.get("name")) for m in models if isinstance(m, dict)),
        "scheme": (config.get("validation") or {}).get("scheme", ""),
        "mrrmse": metrics.get("mrrmse"),
        "interval": f"{low:.3f} – {high:.3f}" if low is not None and high is not None else "",
        "gain_mean": _percent(metrics.get("gain_over_mean")),
        "gain_median": _percent(metrics.get("gain_over_geometric_median")),
        "duration": duration(record.seconds),
        "device": record.device or "",
        "created": record.created,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _columns() -> dict[str, Any]:
    column = st.column_config
    gain = "Share of the MRRMSE of this baseline, on the same folds, that the run saves."
    return {
        "state": column.MultiselectColumn(
            "State", options=list(_COLOURS), color=list(_COLOURS.values()), width=105
        ),
        "name": column.TextColumn("Name", width=180),
        "dataset": column.TextColumn("Data set", width=155),
        "mrrmse": column.NumberColumn(
            "MRRMSE",
            format="%.4f",
            width=75,
            help="Mean row-wise root mean squared error on held-out pairs; of several models, "
            "their ensemble's.",
        ),
        "interval": column.TextColumn(
            "95 % interval", width=105, help="Bootstrap over the held-out pairs."
        ),
        "gain_mean": column.NumberColumn("vs mean", format="%+.1f %%", width=75, help=gain),
        "gain_median": column.NumberColumn(
            "vs geo. median", format="%+.1f %%", width=105, help=gain
        ),
        "models": column.TextColumn("Models", width=130),
        "scheme": column.TextColumn("Scheme", width=105),
        "duration": column.TextColumn("Duration", width=95),
        "device": column.TextColumn("Device", width=70),
        "created": column.DatetimeColumn("Created", format="YYYY-MM-DD HH:mm", width=130),
    }
