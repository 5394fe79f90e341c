"""What the sections of the integration page share: the runs that are open, and their methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.plots.export import file_stem
from core.plots.theme import Palette
from core.runs import RunRecord, RunState, list_runs
from core.settings import get_settings
from core.studies.integration.result import IntegrationResult, MethodResult
from pages.components.run_labels import names

STUDY = "integration"
#: URL parameters: runs that are open, and the run that is followed while it works.
RUNS, FOLLOWED = "integration", "run"
#: Session: runs to open the next time the page is drawn.
OPEN = "integration-open"


@dataclass(frozen=True)
class Entry:
    """One method of one run."""

    label: str
    record: RunRecord
    result: IntegrationResult
    method: MethodResult


@dataclass(frozen=True)
class View:
    """The open runs: ``entries`` by label, methods of the first run first."""

    results: dict[str, IntegrationResult]
    records: dict[str, RunRecord]
    entries: dict[str, Entry]
    palette: Palette

    @property
    def first(self) -> IntegrationResult:
        """Result of the first run: facts of the data are taken from it."""
        return next(iter(self.results.values()))

    @property
    def labelled(self) -> bool:
        """Whether every open run knows cell types."""
        return all(result.labelled for result in self.results.values())

    @property
    def floor(self) -> float:
        """Batch ARI of the true labels, in the first run."""
        return self.first.floor

    def name(self, *parts: str) -> str:
        """Stem of an exported file."""
        return file_stem("integration", self.first.facts["dataset"], *parts)

    def scores(self) -> pd.DataFrame:
        """Scores on all cells, a row an entry."""
        tables = {run: result.all_cells() for run, result in self.results.items()}
        rows = {e.label: tables[e.record.id].loc[e.method.key] for e in self.entries.values()}
        return pd.DataFrame(rows).T.astype(np.float64)

    def spreads(self) -> pd.DataFrame:
        """Mean and standard deviation over draws, ``<score>`` and ``<score>_sd``, a row an entry.

        Entries of runs without draws are left out.
        """
        found = {}
        for entry in self.entries.values():
            table = entry.result.over_draws()
            if len(table) and entry.method.key in table.index:
                row = table.loc[entry.method.key]
                found[entry.label] = {
                    **{score: row[score, "mean"] for score in row.index.get_level_values(0)},
                    **{f"{s}_sd": row[s, "sd"] for s in row.index.get_level_values(0)},
                }
        return pd.DataFrame(found).T.astype(np.float64) if found else pd.DataFrame()


def finished(records: list[RunRecord] | None = None) -> list[RunRecord]:
    """Finished integrations, the newest first."""
    records = list_runs(study=STUDY, settings=get_settings()) if records is None else records
    return [r for r in records if r.study == STUDY and r.state == RunState.FINISHED]


@st.cache_resource(max_entries=8, show_spinner="Opening the run …")
def _result(run_id: str, ended: str, folder: str) -> IntegrationResult:
    from pathlib import Path

    return IntegrationResult.load(Path(folder))


def open_view(records: list[RunRecord], palette: Palette) -> View:
    """Open runs; methods of several runs are told apart by the run's name."""
    results, entries = {}, {}
    titles = names(records)
    for record in records:
        result = _result(record.id, str(record.ended), str(record.folder))
        results[record.id] = result
        for method in result.methods.values():
            label = method.label if len(records) == 1 else f"{method.label} · {titles[record.id]}"
            entries[label] = Entry(label, record, result, method)
    return View(results, {r.id: r for r in records}, entries, palette)


def shared_rows(entries: list[Entry]) -> list[np.ndarray]:
    """Rows of the cells that all entries have, in the first one's order, for each entry."""
    first = entries[0].result.cells["cell"].to_numpy()
    common = first
    for entry in entries[1:]:
        if entry.result is not entries[0].result:
            common = common[np.isin(common, entry.result.cells["cell"].to_numpy())]
    return [pd.Index(e.result.cells["cell"]).get_indexer(pd.Index(common)) for e in entries]
