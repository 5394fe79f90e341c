"""What every section of the exploration page looks at, and its cached computations.

Caches are keyed by the table's content hash and the choice of rows; the tables themselves are
passed unhashed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.data import PerturbationTable
from core.data.table import TRAIN
from core.plots.theme import Palette
from core.studies.perturbation import explore, similarity

Key = tuple[str, str]


@dataclass(frozen=True)
class View:
    """The table, the rows that are looked at, and the colours of the page."""

    table: PerturbationTable
    scope: str
    palette: Palette

    @property
    def rows(self) -> np.ndarray | None:
        """Row positions; None for all."""
        return self.table.rows(split=TRAIN) if self.scope == TRAIN else None

    @property
    def obs(self) -> pd.DataFrame:
        """The rows' annotations, from 0."""
        rows = explore.row_positions(self.table, self.rows)
        return self.table.obs.iloc[rows].reset_index(drop=True)

    @property
    def norms_by_row(self) -> pd.DataFrame:
        """:attr:`obs` with the column ``rms``."""
        rms = norms(self).set_index("row")["rms"]
        rows = explore.row_positions(self.table, self.rows)
        return self.obs.assign(rms=rms.loc[rows].to_numpy())

    @property
    def key(self) -> Key:
        """What identifies the rows' content in a cache."""
        return self.table.content_hash, self.scope

    def name(self, *parts: object) -> str:
        """Stem of exported files."""
        return " ".join(str(part) for part in (self.table.id, self.scope, *parts))


@st.cache_data(max_entries=8, show_spinner=False)
def _statistics(key: Key, threshold: float, _view: View) -> pd.DataFrame:
    return explore.gene_statistics(_view.table, _view.rows, threshold=threshold)


def statistics(view: View, threshold: float) -> pd.DataFrame:
    """Statistics of every gene."""
    return _statistics(view.key, threshold, view)


@st.cache_data(max_entries=256, show_spinner=False)
def _gene(key: Key, symbol: str, _view: View) -> pd.DataFrame:
    return explore.gene_effect(_view.table, symbol, _view.rows)


def gene(view: View, symbol: str) -> pd.DataFrame:
    """One gene in every pair."""
    return _gene(view.key, symbol, view)


@st.cache_data(max_entries=16, show_spinner=False)
def _pair(key: Key, cell_type: str, sm_name: str, _view: View) -> pd.DataFrame:
    return explore.pair_response(_view.table, cell_type, sm_name, _view.rows)


def pair(view: View, cell_type: str, sm_name: str) -> pd.DataFrame:
    """One pair's response."""
    return _pair(view.key, cell_type, sm_name, view)


@st.cache_resource(max_entries=4, show_spinner=False)
def _correlation(key: Key, _view: View) -> np.ndarray:
    return similarity.row_correlation(_view.table, _view.rows)


def correlation(view: View) -> np.ndarray:
    """Correlation between all pairs; shared by sessions, so read it only."""
    return _correlation(view.key, view)


@st.cache_data(max_entries=8, show_spinner=False)
def _norms(key: Key, _view: View) -> pd.DataFrame:
    return explore.row_norms(_view.table, _view.rows)


def norms(view: View) -> pd.DataFrame:
    """Strength of every pair, strongest first."""
    return _norms(view.key, view)


@st.cache_data(
    max_entries=16,
    show_spinner="Placing the responses (the first UMAP takes half a minute to compile) …",
)
def _embedding(key: Key, method: str, unit: bool, seed: int, _view: View) -> similarity.Embedding:
    values = np.asarray(_view.table.values, dtype=np.float32)
    values = values if _view.rows is None else values[_view.rows]
    values = similarity.unit_rows(values) if unit else values
    if method == "UMAP":
        return similarity.umap(values, seed=seed)
    return similarity.principal_components(values, 2)


def embedding(view: View, method: str, unit: bool, seed: int = 0) -> similarity.Embedding:
    """PCA or UMAP of the rows."""
    return _embedding(view.key, method, unit, seed, view)
