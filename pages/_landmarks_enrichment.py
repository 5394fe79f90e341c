"""What sets of genes are enriched in: over-representation side by side, and rank-based GSEA."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.data.gene_sets import GeneSets, go_biological_process, read_gmt
from core.data.signatures import parse_gene_list
from core.errors import DataError
from core.metrics.enrichment import EnrichmentIndex
from core.metrics.gsea import prerank
from core.plots import gene_sets as plots
from core.plots.export import csv_bytes, file_stem
from core.plots.gsea import gsea_bars
from pages._landmarks_sets import Chosen, levels
from pages._landmarks_view import LandmarkView
from pages.components import figure
from pages.components.text import plain

GO, OWN = "GO Biological Process", "Upload a GMT"
MEASURED, COLLECTION, LIST = "Measured genes", "Genes of the collection", "Own list"
OVER, RANK = "Over-representation", "GSEA (ranked)"
_RANKINGS = {"mean": "Mean expression", "dispersion": "Dispersion", "variance": "Variance"}
_MOST_BYTES = 64 * 2**20
#: What GSEA was last asked for in this session.
_ASKED = "go-gsea-asked"


def show(view: LandmarkView, chosen: Chosen) -> None:
    """Draw the part: collection and background, then the test."""
    left, right = st.columns(2, vertical_alignment="top")
    with left:
        kind = st.segmented_control(
            "Test", [OVER, RANK], default=OVER, required=True, key="go-test"
        )
    with right:
        sets = collection()
    if sets is None:
        return
    if kind == RANK:
        _ranked(view, sets)
        return
    background = choose_background(view, sets)
    if background is not None:
        _over(view, chosen, sets, background)


def collection() -> GeneSets | None:
    """Gene Ontology, or the sets that the user uploads."""
    kind = st.segmented_control("Gene sets", [GO, OWN], default=GO, required=True, key="go-sets")
    if kind == GO:
        return go_biological_process()
    file = st.file_uploader("GMT file", type=["gmt", "gz", "txt"], key="go-gmt")
    if file is None:
        st.caption("One set a line: name, description and genes, separated by tabs.")
        return None
    content = file.getvalue()
    if len(content) > _MOST_BYTES:
        raise DataError("The GMT file is larger than 64 MB.")
    return _uploaded(file.name, hashlib.sha256(content).hexdigest(), content)


@st.cache_resource(max_entries=4, show_spinner=False)
def _uploaded(name: str, digest: str, _content: bytes) -> GeneSets:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sets.gmt"
        path.write_bytes(_content)
        try:
            return read_gmt(path, name=name)
        except DataError as error:
            raise DataError(str(error).replace(path.name, name)) from None


def choose_background(view: LandmarkView, sets: GeneSets) -> tuple[str, ...] | None:
    """Genes that could have been chosen: the test is only as good as this choice."""
    kind = st.segmented_control(
        "Background",
        [MEASURED, COLLECTION, LIST],
        default=MEASURED,
        required=True,
        key="go-background",
        help="Measured genes: those of this data set after the filters. A larger background makes "
        "expressed processes look enriched that merely are what the cells express.",
    )
    if kind == MEASURED:
        return tuple(gene.upper() for gene in view.data.genes)
    if kind == COLLECTION:
        return tuple(str(gene).upper() for gene in sets.genes)
    text = st.text_area("Background symbols", key="go-background-list")
    genes = tuple(gene.upper() for gene in parse_gene_list(text))
    if not genes:
        st.caption(":red[Paste the genes that could have been chosen.]")
        return None
    return genes


@st.cache_resource(max_entries=6, show_spinner=False)
def _index(
    name: str, digest: str, _sets: GeneSets, _background: tuple[str, ...]
) -> EnrichmentIndex:
    return EnrichmentIndex.build(_sets.in_capitals(), _background)


def _over(view: LandmarkView, chosen: Chosen, sets: GeneSets, background: tuple[str, ...]) -> None:
    digest = hashlib.sha256("\n".join(background).encode()).hexdigest()
    index = _index(f"{sets.name}/{len(sets)}/{hash(tuple(sets.terms))}", digest, sets, background)
    known = set(background)
    tables, used = {}, []
    for name, genes in chosen.sets.items():
        upper = [gene.upper() for gene in genes]
        tables[name] = index.test(upper)
        used.append(f"{name}: {sum(gene in known for gene in upper):,}")
    st.markdown(
        f"One-sided hypergeometric test of each set against **{len(index.background):,} background "
        f"genes** ({plain('; '.join(used))} genes in it) for {len(index.terms):,} terms of "
        f"{plain(sets.name)} with 5 to 500 background genes. q is Benjamini–Hochberg over **all "
        "tested terms**; gseapy corrects only over terms with a hit, so its adjusted values are "
        "smaller at equal p."
    )
    joined = pd.concat([t.assign(set=name) for name, t in tables.items()], ignore_index=True)
    n_top = st.slider("Terms of each set", 3, 20, 8, key="go-top")
    top = list(dict.fromkeys(term for t in tables.values() for term in t["term"].head(n_top)))
    drawn = joined[joined["term"].isin(top)]
    drawn = drawn.set_index("term").loc[top].reset_index()
    figure.show(
        plots.term_dots(drawn, list(tables), palette=view.palette),
        key="go-dots",
        data=drawn,
        name=view.name("enriched terms"),
        alt="Dot plot of enriched terms by set",
    )
    st.caption("Size: genes of the term in the set. Colour: −log10 q; ringed where q < 0.05.")
    name = st.selectbox("All terms of", list(tables), key="go-table-of", width=420)
    figure_table(tables[name], view.name("terms", name), "go-table")


def figure_table(table: pd.DataFrame, stem: str, key: str) -> None:
    """Terms as a table with its CSV."""
    number = column.NumberColumn
    formats: dict[str, Any] = {
        "term": column.TextColumn("Term", width="large"),
        "overlap": "Hits",
        "size": "Genes",
        "genes": "Which",
        "leading": "Leading edge",
        "p_value": number("p", format="%.2e"),
        "q_value": number("q", format="%.2e"),
        "fdr": number("FDR", format="%.3f"),
        "fold": number("Fold", format="%.2f"),
        "expected": number("Expected", format="%.1f"),
        "nes": number("NES", format="%.2f"),
        "es": number("ES", format="%.2f"),
    }
    st.dataframe(table.head(500), hide_index=True, key=key, column_config=formats)
    st.download_button(
        "CSV of all terms",
        lambda: csv_bytes(table),
        f"{file_stem(stem)}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"{key}-csv",
    )


@st.cache_data(max_entries=8, show_spinner="Permuting gene sets …")
def _gsea(
    key: str, by: str, name: str, n: int, _ranking: pd.Series, _sets: GeneSets
) -> pd.DataFrame:
    return prerank(_ranking, _sets, n_permutations=n)


def _ranked(view: LandmarkView, sets: GeneSets) -> None:
    by = st.segmented_control(
        "Rank genes by",
        list(_RANKINGS),
        format_func=_RANKINGS.__getitem__,
        default="dispersion",
        required=True,
        key="go-rank",
    )
    n = st.select_slider("Permutations", [100, 200, 500, 1000], value=100, key="go-permutations")
    st.markdown(
        "Pre-ranked GSEA ([Subramanian et al. 2005](https://doi.org/10.1073/pnas.0506580102), by "
        "gseapy): all measured genes in one ranking, so no set has to be cut off. With n "
        "permutations p-values come in steps of about 1/n: one shown as 0 is below that. Takes some "
        "seconds."
    )
    key = f"{view.key}/{len(sets)}/{hash(tuple(sets.terms))}"
    asked = (key, by, n)
    # A button is pressed for one run of the page only: what was asked for stays in the session.
    if st.button("Run GSEA", icon=":material/play_arrow:", key="go-run"):
        st.session_state[_ASKED] = asked
    if st.session_state.get(_ASKED) != asked:
        return
    genes = levels(view)
    ranking = pd.Series(
        genes[by].to_numpy(), index=pd.Index([str(g).upper() for g in genes["gene"]])
    )
    table = _gsea(key, by, sets.name, int(n), ranking, sets.in_capitals())
    figure.show(
        gsea_bars(table, palette=view.palette),
        key="go-gsea-figure",
        data=table,
        name=view.name("gsea", by),
        alt="Normalised enrichment scores of the strongest terms",
    )
    st.caption(
        f"Terms whose genes stand high ({_RANKINGS[str(by)].lower()} large, right) or low (left) in "
        "the ranking; least FDR first, at most ten of either end."
    )
    figure_table(table, view.name("gsea", by), "go-gsea")
