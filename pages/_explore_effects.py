"""Sections of the exploration page on one gene, and on one (cell type, compound) pair."""

from __future__ import annotations

import streamlit as st

from core.plots import perturbation_effects as effects
from core.plots import perturbation_overview as overview
from core.studies.perturbation import explore
from pages import _explore_view as views
from pages._explore_view import View
from pages.components import figure
from pages.components.gene_search import names, search_box
from pages.components.guard import guard

#: Shown first where it is measured: the activation marker of the seed report's figures 6 and 7.
FIRST_GENE = "CD69"
#: Where the session and the address keep the gene.
GENE = "gene"


def use_gene(symbol: str) -> None:
    """Make a gene the one in use, in the session and the address."""
    st.session_state[GENE] = st.query_params[GENE] = symbol


def gene_in_use(view: View) -> str:
    """The gene of the address where this table measures it, else the first one that is shown."""
    known = names(view.table.content_hash, lambda: view.table.genes)
    wanted = str(st.session_state.get(GENE) or st.query_params.get(GENE) or "")
    first = FIRST_GENE if FIRST_GENE in known else str(view.table.genes[0])
    found = known.exact(wanted) or first
    if st.query_params.get(GENE) != found:
        use_gene(found)
    return found


def gene(view: View) -> None:
    """One gene's response by cell type."""
    symbol = gene_in_use(view)
    with st.container(width=320):
        search_box(
            f"Gene (of {len(view.table.genes):,})",
            names(view.table.content_hash, lambda: view.table.genes),
            key="gene-search",
            value=symbol,
            on_choose=use_gene,
        )
    with guard():
        effect = views.gene(view, symbol)
        st.markdown(
            "Every point is a compound, at the value of this gene in that cell type; the violin "
            "is a kernel density of the points, cut at their range, and its box holds the "
            "quartiles ([Hintze & Nelson 1998](https://doi.org/10.1080/00031305.1998.10480559))."
        )
        figure.show(
            effects.gene_effect(effect, symbol, view.table.target, palette=view.palette),
            key="gene-effect",
            data=effect,
            name=view.name(symbol),
            alt=f"Distribution of the response of {symbol} by cell type",
        )
        columns = {"cell_type": "Cell type", "sm_name": "Compound", "value": "Value"}
        down, up = st.columns(2, gap="large")
        for place, title, part in (
            (down, "Lowest values", effect.nsmallest(8, "value")),
            (up, "Highest values", effect.nlargest(8, "value")),
        ):
            with place:
                st.markdown(f"**{title}**")
                st.dataframe(
                    part[list(columns)].rename(columns=columns),
                    hide_index=True,
                    column_config={"Value": st.column_config.NumberColumn(format="%.2f")},
                )


@st.fragment
def pair(view: View) -> None:
    """One pair: strength against specificity, and its strongest genes in every cell type."""
    obs = view.obs
    counts = obs["cell_type"].astype(str).value_counts()
    left, right = st.columns(2)
    with left:
        cell_type = st.selectbox(
            "Cell type", counts.index.tolist(), key="cell_type", bind="query-params"
        )
    norms = views.norms(view)
    compounds = norms.loc[norms["cell_type"] == cell_type, "sm_name"].astype(str)
    with right:
        sm_name = st.selectbox(
            "Compound (strongest response first)",
            compounds.drop_duplicates().tolist(),
            key="sm_name",
            bind="query-params",
        )
    with guard():
        _specificity(view, cell_type, sm_name)
    with guard():
        _ranked(view, cell_type, sm_name)


def _specificity(view: View, cell_type: str, sm_name: str) -> None:
    response = views.pair(view, cell_type, sm_name)
    st.subheader("Strength and specificity")
    no_fold_change = (
        " This table holds no fold changes, so this is no volcano plot."
        if "log10 p" in view.table.target
        else ""
    )
    st.markdown(
        "Every point is a gene. Its height is the absolute value; the horizontal axis is the "
        "distance of the value from the gene's median over the *other* compounds in this cell "
        "type, in robust standard deviations (1.4826 MAD, plus their median over genes as in "
        "[Tusher et al. 2001](https://doi.org/10.1073/pnas.091062498)). High and far out: strong, "
        "and this compound's own. High near the middle: a gene that answers to everything."
        f"{no_fold_change}"
    )
    figure.show(
        effects.strength_specificity(response, view.table.target, palette=view.palette),
        key="pair-specificity",
        data=response.reset_index(names="gene"),
        name=view.name(cell_type, sm_name, "specificity"),
        alt=f"Strength against specificity of genes for {sm_name} in {cell_type}",
    )


def _ranked(view: View, cell_type: str, sm_name: str) -> None:
    ranked = explore.ranked_heatmap(view.table, cell_type, sm_name, view.rows)
    st.subheader("Strongest genes, in every cell type")
    st.markdown(
        "The 20 highest and 20 lowest genes of the chosen pair (first column, in order of their "
        "value), and the same genes in the other cell types that got this compound."
    )
    figure.show(
        overview.heatmap(ranked, view.table.target, palette=view.palette, row_height=17),
        key="pair-ranked",
        data=ranked.reset_index(names="gene"),
        name=view.name(cell_type, sm_name, "ranked"),
        alt=f"Ranked heat map of genes for {sm_name}",
    )
