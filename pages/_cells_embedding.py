"""Section Embedding of the cell explorer: principal components, and what to compute."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.data.attachments import attached, stamp
from core.plots import cell_quality as plots
from core.settings import get_settings
from core.studies.cells.components import Components, components
from core.studies.cells.config import CellsConfig
from pages import _cells_job as job
from pages._cells_view import CellView, go, show_gene
from pages.components import config_form, figure
from pages.components.text import plain

PCA = ("n_pcs", "scale", "n_neighbors", "metric", "seed")
#: Switch of each result, and the fields that it opens.
MAPS = {
    "umap": ("umap_min_dist", "umap_spread"),
    "tsne": ("tsne_perplexity",),
    "leiden": ("leiden_resolution",),
}


@st.cache_data(max_entries=8, show_spinner=False)
def _components(content_hash: str, stamp: str, _view: CellView) -> Components | None:
    return components(_view.id, content_hash, _view.cells, get_settings())


def show(view: CellView) -> None:
    """Parameters on the left, components on the right."""
    running = job.follow()
    left, right = st.columns([2, 5], gap="medium")
    with left:
        _form(view, running)
    with right:
        mark = stamp(view.id, get_settings())
        found = _components(view.content_hash, mark, view)
        if found is None:
            st.info(
                "No principal components have been computed for these cells yet. Compute makes "
                "them and the maps that are switched on, in the background.",
                icon=":material/scatter_plot:",
            )
            return
        _variance(view, found)
        _loadings(view, found)


def _form(view: CellView, running: bool) -> None:
    about = attached(view.id, get_settings())["obsm"]
    have = ", ".join(plain(key) for key in view.embeddings) or "none"
    st.markdown(f"**Coordinates:** {have}")
    last = next(iter(about.values()), None)
    known = CellsConfig.model_validate(last) if last else CellsConfig()
    start, key = known.model_dump(), f"embedding-{view.id}"
    values: dict[str, Any] = {}
    for switch, own in MAPS.items():
        values |= config_form.fields(CellsConfig, start, key, only=(switch,), columns=1)
        if values[switch]:
            values |= config_form.fields(CellsConfig, start, key, only=own)
    with st.expander("Components and neighbours", icon=":material/tune:"):
        values |= config_form.fields(CellsConfig, start, key, only=PCA)
        n_hvg = st.number_input(
            "Variable genes",
            min_value=2,
            value=known.preprocessing.n_hvg or 2000,
            key=f"{key}-hvg",
            help="PCA looks at the most variable genes; all cells are kept. Use Quality to filter.",
        )
    draft = {
        **values,
        "name": f"{view.id} embedding"[:80],
        "dataset": view.id,
        "preprocessing": {"n_hvg": int(n_hvg)},
    }
    config, faults = config_form.check(CellsConfig, draft)
    for fault in faults:
        st.error(plain(fault), icon=":material/error:")
    if st.button(
        "Compute",
        type="primary",
        icon=":material/play_arrow:",
        key="embedding-compute",
        disabled=running or config is None,
        width="stretch",
        help="In the background; stages whose parameters did not change are not repeated.",
    ):
        assert config is not None
        job.start(config)
    st.button(
        "Show the map", icon=":material/bubble_chart:", on_click=go, args=("Explore",),
        key="embedding-explore", width="stretch",
    )  # fmt: skip
    if config is not None:
        job.command(config)


def _variance(view: CellView, found: Components) -> None:
    st.subheader("Explained variance", divider="gray")
    if found.ratio is None:
        st.caption("The file does not tell how much variance its components explain.")
        return
    share = 100 * float(found.ratio.sum())
    st.caption(
        f"{len(found.ratio):,} components of {len(found.loadings):,} genes carry {share:.0f} % of "
        "these genes' variance."
    )
    data = pd.DataFrame({"component": found.loadings.columns, "share": found.ratio})
    fig = plots.explained_variance(found.ratio, palette=view.palette)
    figure.show(fig, key="embedding-variance", data=data, name=view.name("variance"))


def _loadings(view: CellView, found: Components) -> None:
    st.subheader("Loadings", divider="gray")
    names = [str(name) for name in found.loadings.columns]
    component = st.selectbox("Component", names, key="component", bind="query-params")
    values = found.loadings[component or names[0]]
    one, two = st.columns([3, 2], gap="medium")
    with one:
        top = plots.top_loadings(values)
        fig = plots.loading_bars(top, component or names[0], palette=view.palette)
        figure.show(fig, key="embedding-loadings", data=top, name=view.name(component, "loadings"))
    with two:
        ordered = values.reindex(values.abs().sort_values(ascending=False).index)
        table = pd.DataFrame({"gene": ordered.index.astype(str), "loading": ordered.to_numpy()})
        event = st.dataframe(
            table.head(200),
            hide_index=True,
            height=430,
            on_select="rerun",
            selection_mode="single-row",
            key=f"embedding-genes-{component}",
            column_config={"loading": st.column_config.NumberColumn(format="%.3f")},
        )
        rows = event["selection"]["rows"]
        if rows:
            gene = str(table["gene"].iloc[rows[0]])
            st.button(
                f"Show {plain(gene)} on the map",
                icon=":material/bubble_chart:",
                on_click=show_gene,
                args=(gene,),
                key="embedding-show-gene",
                disabled=gene not in view.expression,
            )
