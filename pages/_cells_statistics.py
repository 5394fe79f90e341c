"""Cached computations of the sections on statistics of cells, and the choices they share.

Caches are keyed by the data set's content hash, a digest of the chosen cells and the arguments;
the cells themselves are passed unhashed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.data.expression import Expression
from core.metrics.densities import Distribution, distributions
from core.metrics.differential import Scale, Test, compare_groups
from core.metrics.expression_scale import FoundScale, guess_scale
from core.metrics.gene_scores import GeneScore, score_genes
from core.metrics.markers import group_summary, marker_genes
from core.metrics.pseudobulk import BulkTest, Pseudobulk, compare_pseudobulk, sum_by_sample
from pages._cells_view import CellView
from pages.components.progress import reporting


@dataclass(frozen=True)
class CellSet:
    """Chosen cells: what they are called, and which they are."""

    name: str
    mask: np.ndarray

    @property
    def n(self) -> int:
        return int(self.mask.sum())

    @property
    def digest(self) -> str:
        return digest(self.mask)


def digest(mask: np.ndarray) -> str:
    """What identifies a choice of cells in a cache."""
    return hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:24]


@st.cache_data(max_entries=8, show_spinner=False)
def _scale(key: str, _view: CellView) -> FoundScale:
    n = _view.n_cells
    rows = np.unique(np.linspace(0, n - 1, min(n, 200)).astype(int))
    return guess_scale(_view.cells.X[rows])


def scale_of(view: CellView) -> FoundScale:
    """On which scale ``view.expression`` stands."""
    return FoundScale("log1p", True) if view.has_counts else _scale(view.key, view)


@st.cache_data(max_entries=24, show_spinner=False)
def _differential(
    key: tuple[str, str, str],
    names: tuple[str, str],
    test: Test,
    tie_correct: bool,
    scale: Scale,
    _expression: Expression,
    _masks: tuple[np.ndarray, np.ndarray],
) -> pd.DataFrame:
    with reporting("Comparing genes") as on_progress:
        return compare_groups(
            _expression,
            *_masks,
            genes=_expression.genes,
            names=names,
            test=test,
            tie_correct=tie_correct,
            scale=scale,
            on_progress=on_progress,
        )


def differential(
    view: CellView, group: CellSet, reference: CellSet, test: Test, tie_correct: bool
) -> pd.DataFrame:
    """Every gene between two sets of cells."""
    return _differential(
        (view.key, group.digest, reference.digest),
        (group.name, reference.name),
        test,
        tie_correct,
        scale_of(view).scale,
        view.expression,
        (group.mask, reference.mask),
    )


@st.cache_data(max_entries=8, show_spinner="Summing counts by sample …")
def _pseudobulk(
    key: tuple[str, str, str],
    names: tuple[str, str],
    sample: str,
    block: str | None,
    test: BulkTest,
    _view: CellView,
    _masks: tuple[np.ndarray, np.ndarray],
) -> tuple[pd.DataFrame, Pseudobulk]:
    chosen = np.flatnonzero(_masks[0] | _masks[1])
    condition = np.where(_masks[0][chosen], names[0], names[1])
    bulk = sum_by_sample(
        _view.cells.X[chosen],
        _view.labels(sample).iloc[chosen],
        condition,
        block=_view.labels(block).iloc[chosen] if block else None,
    )
    return compare_pseudobulk(bulk, *names, genes=_view.genes, test=test), bulk


def pseudobulk(
    view: CellView,
    group: CellSet,
    reference: CellSet,
    sample: str,
    block: str | None,
    test: BulkTest,
) -> tuple[pd.DataFrame, Pseudobulk]:
    """Every gene between two sets of cells, samples being the replicates."""
    return _pseudobulk(
        (view.key, group.digest, reference.digest),
        (group.name, reference.name),
        sample,
        block,
        test,
        view,
        (group.mask, reference.mask),
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _markers(
    key: str,
    column: str,
    test: Test,
    scale: Scale,
    n: int | None,
    order: str,
    least: tuple[float, float],
    _view: CellView,
) -> pd.DataFrame:
    with reporting("Looking for markers") as on_progress:
        return marker_genes(
            _view.expression,
            _view.labels(column),
            genes=_view.genes,
            test=test,
            scale=scale,
            n=n,
            order=order,
            min_log_fold_change=least[0],
            min_share=least[1],
            on_progress=on_progress,
        )


def markers(
    view: CellView,
    column: str,
    *,
    test: Test = "wilcoxon",
    n: int | None = 20,
    order: str = "scores",
    min_log_fold_change: float = 0.5,
    min_share: float = 0.25,
) -> pd.DataFrame:
    """Marker genes of every group of a column."""
    least = (min_log_fold_change, min_share)
    scale = scale_of(view).scale
    return _markers(view.key, column, test, scale, n, order, least, view)


@st.cache_data(max_entries=32, show_spinner=False)
def _summary(key: str, column: str, genes: tuple[str, ...], _view: CellView) -> pd.DataFrame:
    return group_summary(_view.expression.by_gene(list(genes)), _view.labels(column), genes=genes)


def summary(view: CellView, column: str, genes: list[str]) -> pd.DataFrame:
    """Mean and share of expressing cells of some genes in every group."""
    return _summary(view.key, column, tuple(genes), view)


@st.cache_data(max_entries=64, show_spinner=False)
def _violin(
    key: str,
    what: tuple[str, ...],
    column: str,
    part: str,
    _values: np.ndarray,
    _labels: pd.Series,
) -> Distribution:
    return distributions(_values, _labels)


def violin(
    view: CellView, what: tuple[str, ...], values: np.ndarray, column: str, mask: np.ndarray | None
) -> Distribution:
    """Distribution of ``values`` (which ``what`` names) in every group of a column."""
    labels = view.labels(column)
    if mask is not None:
        values, labels = values[mask], labels[mask]
    part = "" if mask is None else digest(mask)
    return _violin(view.key, what, column, part, values, labels)


@st.cache_data(max_entries=32, show_spinner="Scoring the genes …")
def _score(key: str, genes: tuple[str, ...], seed: int, _view: CellView) -> GeneScore:
    # scanpy's 25 bins; fewer where bins would hold less than ten genes to draw controls from.
    n_bins = max(2, min(25, len(_view.genes) // 10))
    return score_genes(_view.expression, _view.genes, genes, n_bins=n_bins, seed=seed)


def score(view: CellView, genes: list[str], seed: int = 0) -> GeneScore:
    """Score of a gene set in every cell."""
    return _score(view.key, tuple(genes), seed, view)
