"""Choice of genes in the cell explorer, by boxes that ask the server while one types.

No list of 20,000 names is sent to the browser, and every choice is in the URL.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from pages import _cells_view as views
from pages._cells_view import CellView
from pages.components.gene_search import Names, names, search_box

#: Shown first where it is measured: the activation marker of the opening example.
FIRST_GENE = "CD69"
#: URL parameter of the genes of dot plot and heat map, and what stands between them there.
SHOWN, BETWEEN = "shown", "|"
#: Genes that are shown at once at most.
MOST_GENES = 60


def known(view: CellView) -> Names:
    """The genes of a data set, ready for search."""
    return names(view.content_hash, lambda: view.genes)


def gene_of(view: CellView) -> str:
    """The gene in use where this data set has it, else the first one that it shows."""
    wanted = views.gene_in_use()
    found = known(view).exact(wanted) if wanted else None
    if found:
        return found
    return FIRST_GENE if FIRST_GENE in view.expression else str(view.genes[0])


def gene_in_use(view: CellView, *, key: str) -> str:
    """The box of the gene in use, which all sections share."""
    gene = gene_of(view)
    if views.gene_in_use() != gene:
        views.use_gene(gene)
    search_box(
        f"Gene (of {len(view.genes):,})",
        known(view),
        key=key,
        value=gene,
        on_choose=views.use_gene,
    )
    return gene


def _keep(name: str, value: str) -> None:
    st.session_state[name] = st.query_params[name] = value


def own_gene(view: CellView, label: str, *, key: str, first: str) -> str:
    """A box of a gene of its own, in the URL under ``key``."""
    wanted = st.session_state.get(key) or st.query_params.get(key)
    gene = (known(view).exact(wanted) if wanted else None) or first
    if st.query_params.get(key) != gene:
        _keep(key, gene)
    search_box(label, known(view), key=f"{key}-search", value=gene, on_choose=partial(_keep, key))
    return gene


def several(view: CellView, first: Callable[[], list[str]]) -> list[str]:
    """Some genes: those that were chosen and are measured here, else those of ``first``."""
    kept = str(st.session_state.get(SHOWN) or st.query_params.get(SHOWN) or "").split(BETWEEN)
    there = [gene for gene in dict.fromkeys(kept) if gene in view.expression] or first()
    there = there[:MOST_GENES]
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    with right:
        search_box(
            f"Add a gene (of {len(view.genes):,})",
            known(view),
            key="shown-search",
            value=None,
            # The newest stays where there are more than can be shown.
            on_choose=lambda gene: _keep(
                SHOWN,
                BETWEEN.join([*(g for g in there if g != gene), gene][-MOST_GENES:]),
            ),
        )
    with left:
        st.session_state["shown-chips"] = there
        st.multiselect(
            "Genes",
            there,
            key="shown-chips",
            on_change=lambda: _keep(SHOWN, BETWEEN.join(st.session_state["shown-chips"])),
            help="Take one out here, add one beside; without any, the first ones come back.",
        )
    return there
