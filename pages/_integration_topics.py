"""Topics: their genes, cell types, processes, places on the map, and the gene embedding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.plots import integration as plots
from core.plots import integration_maps as maps
from core.studies.integration import topics as core_topics
from pages._integration_view import Entry, View
from pages.components import figure
from pages.components.guard import guard

#: Genes of a topic that are tested for processes.
N_TESTED = 50


def topics(view: View) -> None:
    """Choose a topic model; then what its topics are."""
    entries = [e for e in view.entries.values() if "topics" in e.method.extras]
    if not entries:
        st.info("No method of this run embeds cells as topics: add scETM to the methods.")
        return
    labels = [e.label for e in entries]
    chosen = st.selectbox("Topic model", labels, key="topic-model", width=420)
    entry = entries[labels.index(str(chosen))]
    theta = np.asarray(entry.method.extra("topics"))
    order = core_topics.used(theta)
    st.markdown(
        f"Each cell is a mixture of {theta.shape[1]} topics, and a topic is a weight for each gene "
        "([Zhao et al. 2021](https://doi.org/10.1038/s41467-021-25534-2)). "
        f"{len(order)} topics carry 1 % or more of all cells."
    )
    with guard():
        _by_type(view, entry, theta, order)
    with guard():
        _one(view, entry, theta, order)
    with guard():
        _neighbours(view, entry)


def _by_type(view: View, entry: Entry, theta: np.ndarray, order: np.ndarray) -> None:
    cells = entry.result.cells
    by = "cell_type" if "cell_type" in cells else "batch"
    st.subheader("Topics by cell type" if by == "cell_type" else "Topics by batch")
    names = core_topics.topic_names(theta.shape[1])
    table = core_topics.by_group(theta, cells[by].fillna("not known").to_numpy())
    table = table[[names[i] for i in order]]
    figure.show(
        plots.heat(table, "mean share", palette=view.palette),
        key="integration-topic-types",
        data=table.reset_index(names=by),
        name=view.name("topics"),
        alt="Mean share of each topic in each group of cells",
    )


@st.fragment
def _one(view: View, entry: Entry, theta: np.ndarray, order: np.ndarray) -> None:
    st.subheader("One topic")
    names = core_topics.topic_names(theta.shape[1])
    rest = [i for i in range(len(names)) if i not in set(order.tolist())]
    topic = st.selectbox(
        "Topic (most used first)",
        [*order.tolist(), *rest],
        format_func=names.__getitem__,
        key="topic",
        width=320,
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        figure.show(
            maps.shaded(
                entry.method.umap,
                theta[:, topic],
                f"share of {names[topic]}",
                rows=maps.drawn_rows(len(theta), maps.MOST_POINTS),
                palette=view.palette,
            ),
            key="integration-topic-map",
            data=pd.DataFrame({"cell": entry.result.cells["cell"], "share": theta[:, topic]}),
            name=view.name(names[topic], "map"),
            alt=f"UMAP coloured by the share of {names[topic]}",
        )
    weights = entry.method.extra("topic_genes")
    if weights is None:
        return
    weights, genes = np.asarray(weights), entry.result.genes
    table = core_topics.top_genes(weights, genes, n=20)
    own = table[table["topic"] == names[topic]]
    with right:
        figure.show(
            plots.bars(
                own.set_index("gene")["weight"], "weight in the topic", palette=view.palette
            ),
            key="integration-topic-genes",
            data=table,
            name=view.name(names[topic], "genes"),
            alt=f"The 20 genes of highest weight in {names[topic]}",
        )
    with guard():
        _processes(entry, weights, genes, int(topic))
    with st.expander("Top ten genes of every topic"):
        wide = core_topics.top_genes(weights, genes, n=10)
        rows = wide.groupby("topic", sort=False)["gene"].agg(", ".join)
        st.dataframe(rows.reset_index(), hide_index=True, key="topic-all")


def _processes(entry: Entry, weights: np.ndarray, genes: list[str], topic: int) -> None:
    organism = str(entry.result.facts["organism"]).lower()
    found = core_topics.enrichment(weights, genes, topic, organism=organism, n=N_TESTED)
    st.markdown(
        f"**Processes** of the topic's {N_TESTED} strongest genes: GO biological process, "
        f"hypergeometric test against this run's {len(genes):,} genes, Benjamini–Hochberg over "
        f"{len(found):,} terms."
        + (
            " Mouse symbols are taken for the human ones in capitals."
            if organism == "mouse"
            else ""
        )
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        found.head(15)[["term", "overlap", "size", "fold", "p_value", "q_value", "genes"]],
        hide_index=True,
        key="topic-processes",
        column_config={
            "fold": number(format="%.1f"),
            "p_value": number(format="%.1e"),
            "q_value": number(format="%.1e"),
        },
    )


@st.fragment
def _neighbours(view: View, entry: Entry) -> None:
    embedding = entry.method.extra("gene_embedding")
    if embedding is None:
        return
    st.subheader("Neighbours in the gene embedding")
    genes = entry.result.genes
    gene = st.selectbox("Gene", genes, key="topic-gene", width=320)
    with guard():
        found = core_topics.gene_neighbours(np.asarray(embedding), genes, str(gene))
        st.markdown("Genes whose embedding points in the same direction (cosine).")
        figure.show(
            plots.bars(found.set_index("gene")["cosine"], "cosine", palette=view.palette),
            key="integration-gene-neighbours",
            data=found,
            name=view.name(str(gene), "neighbours"),
            alt=f"The genes closest to {gene} in the gene embedding",
        )
