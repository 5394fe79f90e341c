"""Words, icons and colours of runs, the same on every page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from core.models.base import MODELS
from core.plots.theme import Palette
from core.runs import RunRecord, RunState

#: Icon and badge colour of each state.
STATES = {
    RunState.QUEUED: (":material/schedule:", "gray"),
    RunState.RUNNING: (":material/sync:", "blue"),
    RunState.FINISHED: (":material/check_circle:", "green"),
    RunState.CANCELLED: (":material/cancel:", "gray"),
    RunState.FAILED: (":material/error:", "red"),
    RunState.INTERRUPTED: (":material/power_off:", "orange"),
}


def state_badge(record: RunRecord) -> None:
    """The state of a run as a badge."""
    icon, colour = STATES[record.state]
    words = "cancelling" if record.cancelling else str(record.state)
    st.badge(words, icon=icon, color=colour)  # type: ignore[arg-type]


def model_label(key: str) -> str:
    """Name of a model for people, from its key in results."""
    name, _, number = key.partition("-")
    if name in MODELS:
        return MODELS.get(name).label + (f" {number}" if number else "")
    return {"ensemble": "Ensemble", "oracle": "Oracle (simulation's truth)"}.get(key, key)


def names(records: Sequence[RunRecord]) -> dict[str, str]:
    """A name for each run id; equal names are told apart by the end of their ids."""
    counts = Counter(record.name for record in records)
    return {
        r.id: r.name if counts[r.name] == 1 else f"{r.name} · {r.id.rpartition('-')[2]}"
        for r in records
    }


def colours(records: Sequence[RunRecord], palette: Palette) -> dict[str, str]:
    """One colour a run, by its name as :func:`names` gives it."""
    found = palette.colours(names(records).values())
    return {str(name): colour for name, colour in found.items()}


def duration(seconds: float | None) -> str:
    """``"8 s"``, ``"2 min 05 s"``, ``"1 h 02 min"``; empty where nothing has started."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
