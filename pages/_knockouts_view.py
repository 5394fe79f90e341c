"""What the sections of the knock-out page share: an analysis, and what of it is looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.data import DataSetStatus, get_dataset, load_cells
from core.data.cells import MOUSE
from core.featurizers.rank_value import RankEncoded
from core.models.rank_transformer.demonstration import FOLDER, LoadedModel
from core.plots.export import file_stem
from core.plots.theme import Palette
from core.runs import RunRecord, RunState, list_runs
from core.settings import get_settings
from core.studies.knockouts.analysis import Analysis
from core.studies.knockouts.config import ModelChoice, Source
from core.studies.knockouts.models import open_model
from core.studies.knockouts.prepare import rank
from core.studies.knockouts.result import KnockoutsResult
from pages.components import choice, dataset

STUDY = "knockouts"
#: The study that makes models for this page.
PRETRAINING = "rank-pretraining"
#: URL parameters: the run that is open, and the one that is followed while it works.
OPEN, FOLLOWED = "knockouts", "run"
#: Options of a select box before the browser minds.
MOST_OPTIONS = 300


@dataclass(frozen=True)
class View:
    """What is open: ``result`` is None where it was computed at once."""

    analysis: Analysis
    result: KnockoutsResult | None
    palette: Palette

    def name(self, *parts: object) -> str:
        """Stem of an exported file."""
        return file_stem("knockouts", self.analysis.facts["dataset"], *parts)

    def label(self) -> str:
        """Let the user choose a knock-out; in the URL as ``knocked``."""
        labels = list(self.analysis.labels)
        if len(labels) == 1:
            return labels[0]
        if len(labels) > MOST_OPTIONS:
            labels = labels[:: -(-len(labels) // MOST_OPTIONS)]
        middle = labels[len(labels) // 2]
        words = {text: self._words(text) for text in labels}
        return choice.select(
            "Knock-out", labels, key="knocked", default=middle, format_func=words.__getitem__
        )

    def _words(self, label: str) -> str:
        """A rank with the gene that stands there, where there is one cell only."""
        number = label.removeprefix("rank ")
        if label.startswith("rank ") and len(self.analysis.cells) == 1:
            return f"{label} ({self.analysis.genes[0][int(number)]})"
        return label

    def cell(self, label: str) -> int:
        """Let the user choose one of the cells that have this knock-out; its number."""
        numbers = self.analysis.cells_with(label)
        if len(numbers) == 1:
            return numbers[0]
        names = self.analysis.cells["cell"]
        keys = [str(number) for number in numbers[:MOST_OPTIONS]]
        return int(
            choice.select("Cell", keys, key="shown", format_func=lambda k: str(names.iloc[int(k)]))
        )


def suits(status: DataSetStatus) -> bool:
    """Whether the page may open with a set: raw counts, of no organism that models lack."""
    return dataset.has_counts(status) and status.organism != MOUSE


def finished() -> list[RunRecord]:
    """Finished knock-out runs, the newest first."""
    records = list_runs(study=STUDY, settings=get_settings())
    return [r for r in records if r.state == RunState.FINISHED]


@st.cache_resource(max_entries=6, show_spinner="Opening the run …")
def _result(run_id: str, ended: str, folder: str) -> KnockoutsResult:
    return KnockoutsResult.load(Path(folder))


def open_result(record: RunRecord) -> KnockoutsResult:
    """A finished run, opened once for all sessions."""
    return _result(record.id, str(record.ended), str(record.folder))


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _model(choice: str, stamp: float) -> LoadedModel:
    return open_model(ModelChoice.model_validate_json(choice), get_settings())


def model(asked: ModelChoice) -> LoadedModel:
    """A model, loaded once for all sessions, anew where its file has changed."""
    folder = {
        Source.FOLDER: Path(asked.folder or ""),
        Source.RUN: get_settings().runs_folder / (asked.run_id or "") / "model",
    }.get(asked.source, FOLDER)
    weights = folder / "model.safetensors"
    return _model(asked.model_dump_json(), weights.stat().st_mtime if weights.is_file() else 0.0)


@st.cache_resource(max_entries=4, show_spinner="Ranking the cells …")
def _encoded(
    id: str, content_hash: str | None, vocabulary: str, length: int, _loaded: LoadedModel
) -> tuple[RankEncoded, pd.DataFrame]:
    cells = load_cells(id, get_settings())
    return rank(cells, _loaded), cells.obs


def encoded(id: str, loaded: LoadedModel) -> tuple[RankEncoded, pd.DataFrame]:
    """Ranked cells of a data set for a model, and their columns; made once for all sessions."""
    status = get_dataset(id, get_settings())
    length = loaded.model.config.max_position_embeddings
    return _encoded(id, status.content_hash, loaded.vocabulary.content_hash, length, loaded)


class _Kept:
    """The last few analyses that were computed at once."""

    MOST = 24

    def __init__(self) -> None:
        self._held: OrderedDict[str, Analysis] = OrderedDict()

    def get(self, key: str, make: Callable[[], Analysis]) -> Analysis:
        if key not in self._held:
            self._held[key] = make()
            while len(self._held) > self.MOST:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]


@st.cache_resource
def kept() -> _Kept:
    """Analyses by configuration and data, shared by all sessions."""
    return _Kept()
