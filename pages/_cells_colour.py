"""What the explorer colours cells by: a gene, a gene set's score, a grouping or a number."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data import gene_sets
from core.errors import DataError
from core.metrics.gene_scores import score_genes
from core.plots.cell_scatter import Colour
from pages import _cells_genes as genes
from pages import _cells_view as views
from pages._cells_view import CellView
from pages.components import choice
from pages.components.gene_search import names, search_box

GENE, SET, GROUPS, NUMBER, SELECTION, COUNT = (
    "Gene",
    "Gene set",
    "Groups",
    "Number",
    "Selection",
    "Cells",
)
SET_KEY, OWN_KEY = "set", "genes"
#: Genes that an own set may list.
MOST_GENES = 2_000


def choose(view: CellView, note: DeltaGenerator) -> Colour:
    """Colour from the widgets; the choice is in the URL. What is to be said goes to ``note``."""
    kinds = [GENE, SET, *([GROUPS] if view.groupings else []), NUMBER]
    if view.selections:
        kinds.append(SELECTION)
    left, right = st.columns([2, 4], vertical_alignment="bottom")
    with left:
        kind = choice.select("Colour by", kinds, key="by", default=GENE)
    with right:
        if kind == GENE:
            return _gene(view)
        if kind == SET:
            return _gene_set(view, note)
        if kind == GROUPS:
            column = choice.select("Groups", view.groupings, key="group")
            return Colour(column, groups=view.labels(column))
        if kind == SELECTION:
            name = choice.select("Selection", [s.name for s in view.selections], key="sel")
            inside = view.members(name)
            words = pd.Categorical.from_codes(
                (~inside).astype(np.int8), pd.Index([name, "all other cells"])
            )
            return Colour(name, groups=pd.Series(words))
        number = choice.select("Number", view.numbers, key="number")
        return Colour(number, values=view.number(number))


def _gene(view: CellView) -> Colour:
    gene = genes.gene_in_use(view, key="gene-search")
    return Colour(gene, view.expression.words, values=view.expression.gene(gene))


@st.cache_resource(max_entries=1, show_spinner="Reading gene sets …")
def _sets() -> gene_sets.GeneSets:
    return gene_sets.go_biological_process()


def use_set(term: str) -> None:
    """Make a gene set the one in use."""
    st.session_state[SET_KEY] = st.query_params[SET_KEY] = term
    views.choose_later(**{OWN_KEY: ""})


@st.cache_resource(max_entries=32, show_spinner="Scoring the gene set …")
def _score(content_hash: str, genes: tuple[str, ...], _view: CellView) -> np.ndarray:
    score = score_genes(_view.expression, _view.genes, genes)
    return score.values.astype(np.float32)


def _gene_set(view: CellView, note: DeltaGenerator) -> Colour:
    sets = _sets()
    known = names("go-bp", lambda: sets.terms)
    term = str(st.session_state.get(SET_KEY) or st.query_params.get(SET_KEY) or "")
    if term not in known:
        term = _covered(view.content_hash, view, sets)
        st.session_state[SET_KEY] = st.query_params[SET_KEY] = term
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        search_box(
            f"GO process (of {len(sets):,})",
            known,
            key="set-search",
            value=term,
            on_choose=use_set,
        )
    with right:
        own = st.text_input(
            "or own genes",
            key=OWN_KEY,
            bind="query-params",
            placeholder="CD3D CD3E TRAC",
            max_chars=20_000,
        )
    listed = [word for word in re.split(r"[\s,;]+", own) if word][:MOST_GENES]
    members = listed or sets.members(term)
    symbols = genes.known(view)
    there = [found for gene in members if (found := symbols.exact(gene))]
    what = "your genes" if listed else term
    if not there:
        raise DataError(f"None of the {len(members)} genes of {what} is in this data set.")
    note.caption(
        f"{len(there)} of {len(members)} genes are in this data set. Score: their mean minus that of "
        "control genes of like expression ([Tirosh et al. 2016]"
        "(https://doi.org/10.1126/science.aad0501); scanpy's score_genes)."
    )
    return Colour(
        what, "set score", values=_score(view.content_hash, tuple(there), view), signed=True
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _covered(content_hash: str, _view: CellView, _sets: gene_sets.GeneSets) -> str:
    """The set that is measured best: many of its genes, and many of them in the data."""
    inside = _sets.genes.isin(_view.genes)
    n = np.asarray(_sets.membership[:, inside].sum(axis=1)).ravel()
    share = n / np.diff(_sets.membership.indptr)
    return str(_sets.terms[int(np.argmax(share * np.log1p(n)))])
