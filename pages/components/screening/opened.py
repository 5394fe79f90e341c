"""A finished screen, opened once for all sessions, and its hits as the page filters them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import PerturbScopeError
from core.runs import RunRecord, get_run
from core.settings import get_settings
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.result import ScreeningResult

_BY_CELL_TYPE = "score/"
#: Hits that the page holds in memory, the best ones; the parquet file holds all.
MOST = 200_000


@dataclass(frozen=True)
class Screen:
    """Everything that the page shows of a finished screen; shared, so read it only.

    Attributes
    ----------
    hits
        The best :data:`MOST` ranked molecules, as :meth:`ScreeningResult.hits` gives them.
    """

    id: str
    name: str
    result: ScreeningResult
    config: ScreeningConfig
    hits: pd.DataFrame
    summary: dict[str, float]

    @property
    def simulated(self) -> bool:
        """Whether the model learned from a simulation."""
        return self.result.simulated

    @property
    def n_ranked(self) -> int:
        """Ranked molecules, those that the page does not hold included."""
        return int(self.summary.get("unique", len(self.hits)))

    @property
    def target(self) -> str:
        """What a predicted value is."""
        return str(self.result.facts.get("target") or "predicted response")

    @property
    def has_p(self) -> bool:
        """Whether there are p-values."""
        return bool(self.hits["p_value"].notna().any())

    @property
    def several(self) -> bool:
        """Whether several models predict, so that there is a spread."""
        return bool(self.hits["spread"].notna().any())

    @property
    def by_cell_type(self) -> dict[str, str]:
        """Cell type → column of its scores."""
        columns = [str(name) for name in self.hits if str(name).startswith(_BY_CELL_TYPE)]
        return {name.removeprefix(_BY_CELL_TYPE): name for name in columns}

    @property
    def genes(self) -> pd.DataFrame:
        """How the objective's genes were found: ``given, gene, status``."""
        return self.result.genes()

    @property
    def model_name(self) -> str:
        """The name of the run that predicts; its id where it was deleted since."""
        try:
            return get_run(self.config.run_id, settings=get_settings()).name
        except PerturbScopeError:
            return f"{self.config.run_id} (deleted since)"


def screen(record: RunRecord) -> Screen:
    """A finished screen."""
    return _screen(str(record.folder), record.attempt, record.id, record.name)


@st.cache_resource(max_entries=4, show_spinner="Reading the ranking …")
def _screen(folder: str, attempt: int, id: str, name: str) -> Screen:
    result = ScreeningResult.load(Path(folder))
    return Screen(id, name, result, result.config, result.hits(MOST), result.summary())


@dataclass(frozen=True)
class Filters:
    """What the table and the figure show of the hits."""

    text: str = ""
    in_domain: bool = False
    unknown: bool = False
    q_below: float | None = None


def filtered(hits: pd.DataFrame, chosen: Filters) -> pd.DataFrame:
    """The hits that pass, in their order.

    ``text`` is part of an identifier (in any case) or of a SMILES; ``unknown`` leaves out the
    compounds of the training data.
    """
    keep = pd.Series(True, index=hits.index)
    text = chosen.text.strip()
    if text:
        named = hits["id"].astype(str).str.contains(text, case=False, regex=False)
        keep &= named | hits["smiles"].astype(str).str.contains(text, regex=False)
    if chosen.in_domain:
        keep &= hits["in_domain"].astype(bool)
    if chosen.unknown:
        keep &= hits["training_compound"].fillna("").astype(str) == ""
    if chosen.q_below is not None:
        keep &= hits["q_value"] <= chosen.q_below
    return hits[keep]
