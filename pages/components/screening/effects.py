"""What a hit is predicted to do: volcano, ranked effects, strongest genes, enriched processes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.data.gene_sets import go_biological_process
from core.metrics.enrichment import EnrichmentIndex
from core.plots import screening as plots
from core.plots.export import file_stem
from core.studies.screening.config import Kind
from pages.components import figure
from pages.components.guard import guard
from pages.components.screening import downloads
from pages.components.screening.opened import Screen
from pages.components.screening.ranking import score_label
from pages.components.text import plain

VIEWS = ("Volcano", "Ranked effects", "Strongest genes", "Processes", "Cell types")
#: Genes of each direction that are tested for enrichment.
N_TESTED = 100
N_TERMS = 10


def draw(screen: Screen, hit: pd.Series, response: pd.DataFrame) -> None:
    """Choice of cell type and view; only the chosen view is drawn."""
    st.subheader("Predicted response", anchor=False)
    cells = list(dict.fromkeys(response["cell_type"]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        cell = st.selectbox("Cell type", cells, key="hit-cell", bind="query-params", width=260)
        # A single model has no spread, and without one a volcano shows nothing.
        views = VIEWS if _spread(response) else VIEWS[1:]
        view = st.segmented_control(
            "View",
            views,
            default=views[0],
            required=True,
            key="hit-view",
            bind="query-params",
            label_visibility="collapsed",
        )
    part = response[response["cell_type"] == cell].drop(columns="cell_type")
    part = part.reset_index(drop=True)
    name = f"{screen.name} {hit['id']} {cell}"
    with guard():
        if view == "Volcano":
            _volcano(screen, part, name)
        elif view == "Ranked effects":
            _ranked(screen, part, name)
        elif view == "Strongest genes":
            _top(screen, part, name)
        elif view == "Processes":
            _processes(part, name, key=(screen.id, int(hit["rank"]), str(cell)))
        else:
            _cells(screen, hit, name)
    st.download_button(
        "Predicted response, every gene and cell type (CSV)",
        data=lambda: downloads.csv(response),
        file_name=f"{file_stem(screen.name, hit['id'], 'response')}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="hit-response-csv",
        type="tertiary",
    )


def _spread(response: pd.DataFrame) -> bool:
    return bool(response["spread"].notna().any())


def wanted(screen: Screen) -> tuple[list[str], list[str]]:
    """Genes of the objective in the model's symbols: up and down (all up for a gene list)."""
    genes = screen.genes
    found = dict(zip(genes["given"], genes["gene"], strict=True))
    found = {given: gene for given, gene in found.items() if gene}
    objective = screen.config.objective
    if objective.kind is Kind.GENES:
        return list(found.values()), []
    from core.settings import get_settings
    from core.studies.screening.objectives import signature_of

    signature = signature_of(objective, get_settings())
    up = [found[gene] for gene in signature.up if gene in found]
    return up, [found[gene] for gene in signature.down if gene in found]


@st.cache_resource(max_entries=8, show_spinner=False)
def _wanted(id: str, _screen: Screen) -> tuple[list[str], list[str]]:
    return wanted(_screen)


def _volcano(screen: Screen, part: pd.DataFrame, name: str) -> None:
    height, _ = plots.agreement(part)
    st.markdown(
        "Every point is a gene at its predicted response; its height is the absolute response "
        "over the spread between the models plus the median spread "
        "([Tusher et al. 2001](https://doi.org/10.1073/pnas.091062498)): high where the models "
        "agree on a change. It is no p-value."
    )
    up, down = _wanted(screen.id, screen)
    figure.show(
        plots.predicted_volcano(part, screen.target, marked={*up, *down}, palette=figure.colours()),
        key="hit-volcano",
        data=part.assign(height=height),
        name=f"{name} volcano",
        alt="Predicted response of every gene against the agreement of the models",
    )


def _ranked(screen: Screen, part: pd.DataFrame, name: str) -> None:
    up, down = _wanted(screen.id, screen)
    signature = screen.config.objective.kind is Kind.SIGNATURE
    st.markdown(
        "All genes from the most raised to the most lowered"
        + (
            "; the band is the spread between the models. "
            if _spread(part)
            else "; a single model predicts, so there is no spread. "
        )
        + (
            "Triangles are the signature's genes: a reversed signature has its up genes at the "
            "right end and its down genes at the left one."
            if signature
            else "Triangles are the genes of the objective."
        )
    )
    figure.show(
        plots.ranked_effects(part, screen.target, up=up, down=down, palette=figure.colours()),
        key="hit-ranked",
        data=part.sort_values("response", ascending=False),
        name=f"{name} ranked",
        alt="Genes in the order of their predicted response",
    )


def _top(screen: Screen, part: pd.DataFrame, name: str) -> None:
    st.markdown(
        "The strongest predicted genes in each direction"
        + ("; whiskers are the spread between the models." if _spread(part) else ".")
    )
    figure.show(
        plots.top_genes(part, screen.target, palette=figure.colours()),
        key="hit-top",
        data=part.sort_values("response", ascending=False),
        name=f"{name} top genes",
        alt="Strongest predicted genes",
    )


@st.cache_resource(max_entries=2, show_spinner="Preparing the gene sets …")
def _index(genes: tuple[str, ...]) -> EnrichmentIndex:
    return EnrichmentIndex.build(go_biological_process(), genes)


@st.cache_data(max_entries=64, show_spinner=False)
def _terms(key: tuple[str, int, str], _part: pd.DataFrame) -> pd.DataFrame:
    index = _index(tuple(_part["gene"]))
    ordered = _part.sort_values("response", ascending=False, kind="stable")
    up = ordered.loc[ordered["response"] > 0, "gene"].head(N_TESTED)
    down = ordered.loc[ordered["response"] < 0, "gene"].tail(N_TESTED)
    return pd.concat(
        [
            index.test(genes).head(N_TERMS).assign(direction=direction)
            for direction, genes in (("up", up), ("down", down))
            if len(genes)
        ],
        ignore_index=True,
    )


def _processes(part: pd.DataFrame, name: str, *, key: tuple[str, int, str]) -> None:
    terms = _terms(key, part)
    n_passing = int((terms["q_value"] < plots.ALPHA).sum())
    st.markdown(
        f"Gene Ontology processes among the {N_TESTED} most raised and {N_TESTED} most lowered "
        f"genes: one-sided hypergeometric test against the model's {len(part):,} genes, "
        "Benjamini–Hochberg over all tested terms of a direction. "
        + (
            f"{n_passing} of those drawn pass {plots.ALPHA:g}."
            if n_passing
            else f"None passes {plots.ALPHA:g}; the most significant are drawn pale."
        )
    )
    figure.show(
        plots.enriched_terms(terms, palette=figure.colours()),
        key="hit-processes",
        data=terms,
        name=f"{name} processes",
        alt="Gene Ontology processes of the strongest predicted genes",
    )


def _cells(screen: Screen, hit: pd.Series, name: str) -> None:
    scores = {
        cell: float(hit[column])
        for cell, column in screen.by_cell_type.items()
        if np.isfinite(hit[column])
    }
    st.markdown(f"The {plain(score_label(screen))} in each cell type.")
    figure.show(
        plots.cell_type_scores(scores, score_label=score_label(screen), palette=figure.colours()),
        key="hit-cells",
        data=pd.DataFrame({"cell_type": list(scores), "score": list(scores.values())}),
        name=f"{name} cell types",
        alt="Score of this molecule in each cell type",
    )
