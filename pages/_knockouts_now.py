"""One gene of one cell, knocked out while one waits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.data import get_dataset
from core.errors import DataError
from core.featurizers.rank_value import RankEncoded
from core.models.rank_transformer.demonstration import LoadedModel
from core.models.rank_transformer.knockout import BF16_WARNING, PRECISIONS
from core.models.rank_transformer.modes import MODE_HELP, Mode
from core.settings import get_settings
from core.studies.knockouts.analysis import Analysis
from core.studies.knockouts.config import (
    DEFAULT_MODES,
    TOGETHER,
    KnockoutsConfig,
    ModelChoice,
)
from core.studies.knockouts.prepare import make_ready
from core.studies.knockouts.run import compute
from pages import _knockouts_model
from pages._knockouts_view import encoded, kept, model, suits
from pages.components import badge, choice, dataset, gene_search
from pages.components.config_form import check
from pages.components.progress import reporting
from pages.components.text import plain


def choose() -> Analysis | None:
    """Everything that is asked, and its analysis; None where something is missing yet."""
    row = st.columns([3, 4, 4, 3, 3], vertical_alignment="top")
    with row[0]:
        id = dataset.choose("cells", suits=suits)
    with row[1]:
        asked = _knockouts_model.choose()
    if id is None or asked is None:
        return None
    loaded = model(asked)
    ranked, obs = encoded(id, loaded)
    with row[2]:
        cell = _cell(id, ranked)
    with row[3]:
        gene = _gene(loaded, ranked, cell)
    with row[4]:
        _rank(ranked, cell, gene)
    config = _config(id, asked, cell, gene)
    with st.container(horizontal=True, vertical_alignment="center"):
        badge.simulated(get_dataset(id, get_settings()).simulated)
        _knockouts_model.badge(loaded.card)
        report = ranked.report
        st.caption(
            f"{report.n_matched:,} of {report.n_genes:,} genes are in the vocabulary; "
            f"{report.counts_unknown:.0%} of the counts are outside it (more under Model and "
            "files)."
        )
    return None if config is None else _analysis(config, loaded, ranked, obs)


def _cell(id: str, ranked: RankEncoded) -> str:
    """The cell; at first a deep one, in which every rank has company."""
    key = f"{id}-{len(ranked)}-{ranked.vocabulary.content_hash[:12]}"
    known = gene_search.names(f"cells-{key}", lambda: ranked.names)
    cell = str(st.query_params.get("cell", ""))
    if cell not in known:
        deep = np.flatnonzero(ranked.lengths >= np.quantile(ranked.lengths, 0.75))
        cell = str(ranked.names[deep[0]])
        st.query_params["cell"] = cell
    gene_search.search_box(
        "Cell",
        known,
        key="knockout-cell",
        value=cell,
        on_choose=lambda name: st.query_params.__setitem__("cell", name),
    )
    return cell


def _gene(loaded: LoadedModel, ranked: RankEncoded, cell: str) -> str:
    """The gene; at first the one in the middle of the cell."""
    token = loaded.vocabulary.content_hash[:16]
    known = gene_search.names(f"vocabulary-{token}", lambda: loaded.vocabulary.names)
    gene = st.query_params.get("gene")
    if not gene:
        genes = ranked.genes(cell)
        gene = str(genes[len(genes) // 2])
        st.query_params["gene"] = gene
    gene_search.search_box(
        "Gene",
        known,
        key="knockout-gene",
        value=gene,
        on_choose=lambda name: st.query_params.__setitem__("gene", name),
    )
    return gene


def _rank(ranked: RankEncoded, cell: str, gene: str) -> None:
    """The same by rank."""
    try:
        rank: int | None = ranked.rank_of(cell, gene)
    except DataError:
        rank = None
    genes = ranked.genes(cell)
    key = f"knockout-rank-{cell}-{gene}"

    def go() -> None:
        st.query_params["gene"] = str(genes[int(st.session_state[key])])

    st.number_input(
        f"or its rank, 0 to {len(genes) - 1:,}",
        0,
        len(genes) - 1,
        value=rank,
        placeholder="not in the cell",
        key=key,
        on_change=go,
    )


def _config(id: str, asked: ModelChoice, cell: str, gene: str) -> KnockoutsConfig | None:
    options = [mode.value for mode in Mode]
    if "modes" not in st.session_state and "modes" not in st.query_params:
        st.session_state["modes"] = st.query_params["modes"] = [m.value for m in DEFAULT_MODES]
    wide, narrow = st.columns([6, 1], vertical_alignment="bottom")
    with wide:
        modes = st.multiselect(
            "Modes",
            options,
            key="modes",
            bind="query-params",
            help="  \n".join(f"{mode.value}: {words}" for mode, words in MODE_HELP.items()),
        )
    with narrow, st.popover("More", icon=":material/tune:", width="stretch"):
        with st.container():
            others = st.text_input(
                "Together with",
                key="with",
                bind="query-params",
                placeholder="Symbols with commas",
                help="Genes that are knocked out at the same time.",
            )
        with st.container():
            layer = st.number_input(
                "Layer",
                0,
                64,
                value=None,
                placeholder="the last one",
                key="layer",
                bind="query-params",
                help=KnockoutsConfig.model_fields["layer"].description,
            )
        with st.container():
            precision = choice.select("Precision", PRECISIONS, key="precision")
    if precision == "bfloat16":
        st.warning(BF16_WARNING, icon=":material/warning:")
    group = [gene, *(word.strip() for word in others.split(",") if word.strip())]
    config, faults = check(
        KnockoutsConfig,
        {
            "dataset": id,
            "target": "genes",
            "genes": (TOGETHER.join(group),),
            "modes": modes,
            "cells": {"names": (cell,)},
            "model": asked,
            "layer": layer,
            "precision": precision,
        },
    )
    for fault in faults:
        st.error(plain(fault), icon=":material/error:")
    return config


def _elsewhere(config: KnockoutsConfig, ranked: RankEncoded) -> None:
    """Where the cell lacks a gene, the way to one that has them all."""
    genes = config.gene_groups[0]
    rows = ranked.cells_with(genes[0])
    for gene in genes[1:]:
        rows = rows[np.isin(rows, ranked.cells_with(gene))]
    names = ", ".join(genes)
    if not len(rows):
        st.caption(f"No cell of this data set ranks {plain(names)}.")
        return
    if st.button(
        f"Take a cell that ranks {plain(names)}",
        icon=":material/arrow_forward:",
        key="knockout-elsewhere",
        help=f"{len(rows):,} of {len(ranked):,} cells do; the one with the most genes is taken.",
    ):
        st.query_params["cell"] = str(ranked.names[rows[0]])
        st.rerun()


def _analysis(
    config: KnockoutsConfig, loaded: LoadedModel, ranked: RankEncoded, obs: pd.DataFrame
) -> Analysis | None:
    """Computed now, or a moment ago; None after saying why it cannot be."""
    try:
        ready = make_ready(config, get_settings(), loaded=loaded, encoded=ranked, obs=obs)
    except DataError as error:
        st.error(plain(error), icon=":material/error:")
        _elsewhere(config, ranked)
        return None
    key = "|".join((config.model_dump_json(), ready.facts["data_hash"], ready.facts["fingerprint"]))

    def make() -> Analysis:
        with reporting("Knocking out") as on_progress:
            return compute(ready, on_progress=on_progress)

    return kept().get(key, make)
