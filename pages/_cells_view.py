"""What every section of the cell explorer looks at, and its cached computations.

A section is a module ``pages/_cells_<name>.py`` with ``show(view: CellView) -> None``. The cells
and their expression are opened once for all sessions: read them, never change them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from anndata import AnnData

from core.data import DataSetStatus, selections
from core.data.expression import Expression
from core.plots.theme import Palette
from core.settings import get_settings
from pages import _cells_open as opened

#: URL parameter and session key of the open section.
SECTION = "panel"
#: URL parameter of the gene in use, shared by all sections.
GENE = "gene"
#: URL parameters of the two selections (or none) that Compare shall open with.
COMPARE = ("a", "b")
#: Session memory of what widgets shall show at the next run.
PENDING = "cells-pending"
#: A column with more values than this is no grouping.
MOST_GROUPS = 200
#: Columns that every data set gets, computed from its values.
TOTAL, DETECTED, MITOCHONDRIAL = "Total per cell", "Genes per cell", "Mitochondrial share (%)"


@dataclass(frozen=True)
class CellView:
    """One data set as all sections see it.

    Attributes
    ----------
    status
        Label, licence, organism, ``n_rows``, ``content_hash`` … of the data set.
    cells
        The AnnData as stored (``X`` may be raw counts, and backed where the set is large).
        Shared by all sessions: never change it, take ``.copy()`` of a part.
    expression
        Values on a log scale by gene: ``expression.gene("CD69")`` is ``(n_cells,)`` float32,
        ``expression.by_gene()`` a CSC ``(n_cells, n_genes)``.
    values
        What ``X`` holds: ``"counts"``, ``"non-negative values"`` or ``"scaled values"``.
    embedding
        Key of the embedding in use (one of :attr:`embeddings`), None where there is none yet.
    palette
        Colours of the page's theme.
    """

    status: DataSetStatus
    cells: AnnData
    expression: Expression
    values: str
    embedding: str | None
    palette: Palette

    @property
    def id(self) -> str:
        """The data set's id."""
        return self.status.id

    @property
    def content_hash(self) -> str:
        """What identifies the cells in caches, together with a section's own parameters."""
        return str(self.status.content_hash)

    @property
    def key(self) -> str:
        """:attr:`content_hash`, and what was computed for the cells since (their ``obsm``)."""
        return opened.key_of(self.id, self.content_hash)

    @property
    def simulated(self) -> bool:
        """Whether the cells were simulated; say so with ``badge.simulated``."""
        return self.status.simulated

    @property
    def has_counts(self) -> bool:
        """Whether ``cells.X`` holds raw counts."""
        return self.values == "counts"

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.cells.n_obs)

    @property
    def genes(self) -> pd.Index:
        """Names of genes, as ``cells.var_names``."""
        return self.expression.genes

    @property
    def obs(self) -> pd.DataFrame:
        """Descriptions of the cells; do not change."""
        return self.cells.obs

    @property
    def groupings(self) -> list[str]:
        """Columns of ``obs`` with 2 to :data:`MOST_GROUPS` groups, ready for a select box."""
        return opened.groupings(self.key, self.cells, MOST_GROUPS)

    @property
    def numbers(self) -> list[str]:
        """Numeric columns of ``obs`` and the quality values of every data set."""
        own = [str(c) for c in self.obs if opened.is_number(self.obs[c])]
        quality = [TOTAL, DETECTED]
        if self.expression.mitochondrial is not None:
            quality.append(MITOCHONDRIAL)
        return quality + own

    def labels(self, column: str) -> pd.Series:
        """A grouping as an (unordered or ordered) categorical, ``(n_cells,)``, index from 0."""
        return opened.labels(self.obs[column])

    def number(self, name: str) -> np.ndarray:
        """One of :attr:`numbers`, float32 ``(n_cells,)``."""
        known = {
            TOTAL: self.expression.totals,
            DETECTED: self.expression.detected,
            MITOCHONDRIAL: self.expression.mitochondrial,
        }
        values = known[name] if known.get(name) is not None else self.obs[name].to_numpy()
        return np.asarray(values, dtype=np.float32)

    @property
    def embeddings(self) -> dict[str, np.ndarray]:
        """Two-dimensional (or wider) embeddings by key, each ``(n_cells, ≥ 2)`` float32."""
        return opened.embeddings(self.key, self.cells, self.expression)

    def coordinates(self, key: str | None = None) -> np.ndarray:
        """First two axes of an embedding, float32 ``(n_cells, 2)``; default: the one in use."""
        name = key or self.embedding
        assert name is not None
        return self.embeddings[name][:, :2]

    @property
    def selections(self) -> list[selections.Selection]:
        """Saved selections of this data set."""
        return selections.list_selections(self.content_hash, get_settings())

    def members(self, name: str) -> np.ndarray:
        """Cells of a saved selection, boolean ``(n_cells,)``."""
        return selections.load_selection(self.content_hash, name, get_settings())[1]

    def name(self, *parts: object) -> str:
        """Stem of exported files."""
        return " ".join(str(part) for part in (self.id, *parts))


def go(section: str) -> None:
    """Open a section (as ``on_click=go, args=("Compare",)``, or before ``st.rerun()``)."""
    choose_later(**{SECTION: section})


def choose_later(**values: str) -> None:
    """Give widgets values at the next run: one that is drawn already cannot be changed."""
    st.session_state[PENDING] = {**st.session_state.get(PENDING, {}), **values}


def choose_now() -> None:
    """Give the widgets what :func:`choose_later` asked for; before any of them is drawn."""
    for key, value in st.session_state.pop(PENDING, {}).items():
        st.session_state[key] = value


def show_gene(gene: str) -> None:
    """Make ``gene`` the gene in use and open Explore coloured by it; as ``on_click`` or rerun."""
    use_gene(gene)
    choose_later(by="Gene")
    go("Explore")


def use_gene(gene: str) -> None:
    """Make ``gene`` the gene in use, in this session and its URL."""
    st.session_state[GENE] = st.query_params[GENE] = gene


def gene_in_use() -> str | None:
    """The gene in use, which need not be one of this data set's."""
    return st.session_state.get(GENE) or st.query_params.get(GENE)


def compare(first: str, second: str | None) -> None:
    """Open Compare with two saved selections; ``None`` is all other cells."""
    for key, name in zip(COMPARE, (first, second), strict=True):
        st.session_state.pop(key, None)
        if name is None:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = name
    go("Compare")


def to_compare() -> tuple[str | None, str | None]:
    """Names of the selections that :func:`compare` handed over; they may not exist here."""
    first, second = (st.query_params.get(key) for key in COMPARE)
    return first, second
