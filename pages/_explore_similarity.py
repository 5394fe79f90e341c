"""Sections of the exploration page on how alike, and how strong, responses are."""

from __future__ import annotations

import streamlit as st

from core.plots import embedding as maps
from core.plots import perturbation_effects as effects
from core.plots import perturbation_overview as overview
from core.studies.perturbation import similarity
from pages import _explore_view as views
from pages._explore_view import View
from pages.components import figure
from pages.components.guard import guard

_LIMIT = 200


def correlation(view: View) -> None:
    """Correlation between cell types, and between compounds within one."""
    obs = view.obs
    st.subheader("Between cell types")
    if obs["cell_type"].nunique() < 2:
        st.info("This data set has one cell type only, so there is nothing to compare.")
    else:
        st.markdown(
            "The mean, over the compounds measured in both cell types, of Pearson's r across all "
            "genes between the two responses to the same compound; clustered by average linkage "
            "on 1 − r ([Bar-Joseph et al. 2001]"
            "(https://doi.org/10.1093/bioinformatics/17.suppl_1.S22))."
        )
        mean, shared = similarity.cell_type_correlation(views.correlation(view), obs)
        order = similarity.cluster_order(mean.to_numpy())
        mean = mean.iloc[order, order]
        figure.show(
            effects.correlation(mean, counts=shared, palette=view.palette),
            key="cell-type-correlation",
            data=mean.reset_index(names="cell_type"),
            name=view.name("cell type correlation"),
            alt="Correlation between cell types",
        )
    with guard():
        _compounds(view)


@st.fragment
def _compounds(view: View) -> None:
    st.subheader("Between compounds")
    obs = view.norms_by_row
    counts = obs["cell_type"].astype(str).value_counts()
    cell_type = st.selectbox(
        "Within cell type", counts.index.tolist(), key="within", bind="query-params", width=320
    )
    matrix, total = similarity.compound_correlation(
        views.correlation(view), obs, cell_type, limit=_LIMIT
    )
    limited = (
        f" Of {total:,} compounds, the {_LIMIT} with the strongest response are shown."
        if total > _LIMIT
        else ""
    )
    st.markdown(
        "Pearson's r across all genes between the responses to two compounds in this cell type; "
        f"the order is that of average linkage on 1 − r, so blocks are compounds that do alike."
        f"{limited}"
    )
    figure.show(
        effects.correlation(matrix, palette=view.palette),
        key="compound-correlation",
        data=matrix.reset_index(names="sm_name"),
        name=view.name(cell_type, "compound correlation"),
        alt=f"Clustered correlation between compounds in {cell_type}",
    )


@st.fragment
def embedding(view: View) -> None:
    """PCA or UMAP of the responses."""
    obs = view.obs
    choices = ["Mechanism"] if "moa" in obs else []
    choices += ["Cell type"] if obs["cell_type"].nunique() > 1 else []
    choices.append("Row norm")
    method_at, colour_at, scale_at = st.columns(3, vertical_alignment="bottom")
    with method_at:
        method = st.segmented_control(
            "Method", ["PCA", "UMAP"], default="PCA", required=True, key="map", bind="query-params"
        )
    with colour_at:
        colour = st.segmented_control(
            "Colour",
            choices,
            default=choices[0],
            required=True,
            key="colour",
            bind="query-params",
        )
    with scale_at:
        unit = st.toggle(
            "Direction only",
            value=True,
            key="direction",
            bind="query-params",
            help="Divide every response by its norm first. A few strong rows otherwise stretch "
            "the whole picture.",
        )
    with guard():
        _draw_map(view, method or "PCA", colour or choices[0], bool(unit))


def _draw_map(view: View, method: str, colour: str, unit: bool) -> None:
    placed = views.embedding(view, method, unit)
    obs = view.norms_by_row
    divided = "after each row was divided by its norm" if unit else "of the values as they are"
    if method == "PCA":
        shares = [f"{share:.1%}" for share in placed.explained]
        axes = (f"PC 1 ({shares[0]} of variance)", f"PC 2 ({shares[1]} of variance)")
        st.markdown(
            f"Every point is a (cell type, compound) pair on the first two principal components "
            f"of all genes, {divided} "
            "([Pearson 1901](https://doi.org/10.1080/14786440109462720))."
        )
    else:
        axes = ("UMAP 1", "UMAP 2")
        st.markdown(
            f"Every point is a (cell type, compound) pair; UMAP of the first 50 principal "
            f"components {divided}, 15 neighbours, seed 0 "
            "([McInnes et al. 2018](https://doi.org/10.21105/joss.00861)). Distances between "
            "far groups mean nothing here."
        )
    if colour == "Mechanism":
        by = similarity.mechanisms(obs).rename("mechanism")
    elif colour == "Cell type":
        by = obs["cell_type"].astype(str)
    else:
        by = obs["rms"].rename("row RMS")
    hover = obs["sm_name"].astype(str) + " · " + obs["cell_type"].astype(str)
    data = obs[["cell_type", "sm_name", "split", "rms"]].assign(
        x=placed.coordinates[:, 0], y=placed.coordinates[:, 1], colour=by
    )
    figure.show(
        maps.scatter(
            placed.coordinates,
            hover,
            by,
            axes=axes,
            quiet=(similarity.OTHER, similarity.NOT_ANNOTATED),
            log=colour == "Row norm",
            palette=view.palette,
        ),
        key="embedding",
        data=data,
        name=view.name(method, colour),
        alt=f"{method} of the responses, coloured by {colour.lower()}",
    )


def strength(view: View) -> None:
    """Row norms and their outliers."""
    norms = views.norms(view)
    strongest = norms["share"].head(max(1, len(norms) // 20)).sum()
    st.subheader("Strength of responses")
    st.markdown(
        "The root mean square of every pair over all genes, and the share of all squares that "
        f"the strongest pairs hold: here the strongest 5% hold {strongest:.0%}, which is also "
        "their share of the squared error of predicting no effect. Outliers have a modified z-score above 3.5: 0.6745 × the "
        "distance of log10 RMS from the median of the cell type, over its MAD (Iglewicz & "
        "Hoaglin 1993, ISBN 978-0-87389-247-6)."
    )
    figure.show(
        overview.row_norms(norms, palette=view.palette),
        key="row-norms",
        data=norms,
        name=view.name("row norms"),
        alt="Strength of every pair by cell type, and the share of squares they hold",
    )
    outliers = norms[norms["outlier"]]
    st.markdown(f"**{len(outliers)} outliers of {len(norms)} pairs**")
    if len(outliers):
        columns = {
            "cell_type": "Cell type",
            "sm_name": "Compound",
            "split": "Split",
            "rms": "RMS",
            "share": "Share of squares",
            "modified_z": "Modified z",
        }
        st.dataframe(
            outliers[list(columns)].rename(columns=columns),
            hide_index=True,
            column_config={
                "RMS": st.column_config.NumberColumn(format="%.2f"),
                "Share of squares": st.column_config.NumberColumn(format="percent"),
                "Modified z": st.column_config.NumberColumn(format="%.1f"),
            },
        )
