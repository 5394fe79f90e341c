"""Cached computations of the section Perturbation strength; keys as in ``_cells_statistics``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.metrics.energy import Distance
from core.metrics.energy_groups import EnergyMatrix, energy_by_type, energy_matrix
from core.metrics.energy_space import N_GENES, principal_components, subsample
from pages._cells_statistics import digest
from pages._cells_view import CellView
from pages.components.progress import reporting


@dataclass(frozen=True)
class Space:
    """Some cells in the space in which energy distances are taken."""

    cells: np.ndarray
    points: np.ndarray
    words: str


@st.cache_resource(max_entries=6, show_spinner="Principal components …")
def _space(
    key: str,
    embedding: str | None,
    columns: tuple[str, ...],
    most: int,
    seed: int,
    _view: CellView,
) -> Space:
    strata = _view.labels(columns[0]).astype(str)
    for column in columns[1:]:
        strata = strata + "\x1f" + _view.labels(column).astype(str)
    cells = subsample(strata, most, seed=seed)
    if embedding is not None:
        points = _view.embeddings[embedding][cells]
        return Space(cells, points, f"{points.shape[1]} dimensions of {embedding}")
    points = principal_components(_view.expression, cells, seed=seed)
    n_genes = min(N_GENES, len(_view.genes))
    words = f"{points.shape[1]} principal components of the {n_genes:,} genes that vary most"
    return Space(cells, points, words)


def space(
    view: CellView, embedding: str | None, columns: tuple[str, ...], most: int, seed: int
) -> Space:
    """Cells, at most ``most`` for each combination of labels, and their coordinates."""
    return _space(view.key, embedding, columns, most, seed, view)


@st.cache_data(max_entries=16, show_spinner=False)
def _by_type(
    key: tuple, _space: Space, _condition: pd.Series, _types: pd.Series | None
) -> pd.DataFrame:
    _, _, _, group, reference, distance, n_permutations, most, seed = key
    with reporting("Energy distance") as on_progress:
        return energy_by_type(
            _space.points,
            _condition,
            _types,
            group,
            reference,
            distance=distance,
            n_permutations=n_permutations,
            max_cells=most,
            seed=seed,
            on_progress=on_progress,
        )


def by_type(
    view: CellView,
    space: Space,
    condition: str,
    types: str | None,
    pair: tuple[str, str],
    distance: Distance,
    n_permutations: int,
    most: int,
    seed: int,
) -> pd.DataFrame:
    """Energy distance of two conditions in every type."""
    key = (
        (view.key, space.words, digest(np.isin(np.arange(view.n_cells), space.cells))),
        condition,
        types,
        *pair,
        distance,
        n_permutations,
        most,
        seed,
    )
    taken = space.cells
    kinds = view.labels(types).iloc[taken] if types else None
    return _by_type(key, space, view.labels(condition).iloc[taken], kinds)


@st.cache_data(max_entries=16, show_spinner=False)
def _matrix(key: tuple, _space: Space, _labels: pd.Series) -> EnergyMatrix:
    _, _, distance, n_permutations, most, seed = key
    with reporting("Energy distance") as on_progress:
        return energy_matrix(
            _space.points,
            _labels,
            distance=distance,
            n_permutations=n_permutations,
            max_cells=most,
            seed=seed,
            on_progress=on_progress,
        )


def matrix(
    view: CellView,
    space: Space,
    column: str,
    distance: Distance,
    n_permutations: int,
    most: int,
    seed: int,
) -> EnergyMatrix:
    """Energy distance of every pair of groups."""
    key = (
        (view.key, space.words, digest(np.isin(np.arange(view.n_cells), space.cells))),
        column,
        distance,
        n_permutations,
        most,
        seed,
    )
    return _matrix(key, space, view.labels(column).iloc[space.cells])
