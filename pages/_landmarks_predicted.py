"""A finished landmark run: models by both metrics, cell types, genes, curves, ensemble."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.metrics.expression import EXPRESSION_METRICS
from core.plots.landmarks import (
    ensemble_weights,
    gene_cells,
    gene_r2,
    learning_curves,
    model_scores,
    type_scores,
)
from core.runs import RunRecord
from core.settings import get_settings
from core.studies.landmarks.result import LandmarksResult
from pages._landmarks_view import LandmarkView
from pages.components import figure
from pages.components.guard import guard
from pages.components.text import plain

METRICS = {name: EXPRESSION_METRICS[name].label for name in ("mse", "weighted_mse")}
_NO_INTERVAL = "A single split gives no interval: run three or more."


@st.cache_resource(max_entries=8, show_spinner=False)
def _result(run_id: str) -> LandmarksResult:
    return LandmarksResult.load(get_settings().runs_folder / run_id)


def results(view: LandmarkView, record: RunRecord) -> None:
    """Draw the results of a finished run."""
    result = _result(record.id)
    table = result.table()
    data = result.data
    if data["content_hash"] != view.key:
        st.caption(
            ":material/info: This run was made with other filters than those above, or before the "
            "data set changed; its figures are those of the run."
        )
    _headline(result, table)
    tabs = st.tabs(
        ["Models", "Cell types", "Genes", "Training", "Ensemble"],
        key="landmarks-tab",
        on_change="rerun",
    )
    parts = (_models, _types, _genes, _training, _ensemble)
    for tab, draw in zip(tabs, parts, strict=True):
        if tab.open:
            with tab, guard():
                draw(view, result, table)


def _headline(result: LandmarksResult, table: pd.DataFrame) -> None:
    rows = table.set_index("model")
    best, weighted = result.best["mse"], result.best["weighted_mse"]
    reference = result.labels[result.scores()["reference"]]
    places = st.columns(4)
    places[0].metric("Measured genes", f"{result.data['n_measured']:,}")
    places[1].metric("Predicted genes", f"{result.data['n_predicted']:,}")
    for place, metric, key in ((places[2], "mse", best), (places[3], "weighted_mse", weighted)):
        score, gain = float(rows[metric][key]), float(rows[f"{metric}_gain"][key])
        place.metric(
            f"Best {METRICS[metric]}",
            f"{score:.4f}",
            f"{-gain:+.1%} against {reference.lower()}",
            delta_color="inverse",
            help=plain(f"{result.labels[key]}. {EXPRESSION_METRICS[metric].help}"),
        )


def _models(view: LandmarkView, result: LandmarksResult, table: pd.DataFrame) -> None:
    figure.show(
        model_scores(table, view.palette),
        key="landmarks-scores",
        data=table,
        name=view.name("models"),
        alt="MSE and weighted MSE of each model with intervals",
    )
    n = result.config.n_splits
    words = (
        f"Test cells of {n} splits; bars: 95 % interval over splits, corrected for their shared "
        "training cells (Nadeau & Bengio 2003)."
        if n > 1
        else _NO_INTERVAL
    )
    st.caption(
        f"{words} The weighted metric is the paper's (t + 1)(p − t)²: its optimum is not the mean, "
        "so models are made for one metric or the other and the figures stand side by side."
    )
    shown = table[
        [
            "label",
            "made_for",
            "mse",
            "mse_low",
            "mse_high",
            "weighted_mse",
            "weighted_mse_low",
            "weighted_mse_high",
            "r2",
            "gene_r2",
            "mse_gain",
            "seconds",
        ]
    ].assign(mse_gain=table["mse_gain"] * 100, r2=table["r2"] * 100)
    number = column.NumberColumn
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            "label": column.TextColumn("Model", pinned=True),
            "made_for": column.TextColumn("Made for"),
            **{
                f"{name}{end}": number(f"{label}{words}", format="%.4f")
                for name, label in METRICS.items()
                for end, words in (("", ""), ("_low", " low"), ("_high", " high"))
            },
            "r2": number(
                "Variance explained", format="%.1f %%", help=EXPRESSION_METRICS["r2"].help
            ),
            "gene_r2": number(
                "Median gene R²", format="%.3f", help=EXPRESSION_METRICS["gene_r2"].help
            ),
            "mse_gain": number(
                "Below reference",
                format="%.1f %%",
                help=f"MSE against {result.labels[result.scores()['reference']]}, split by split.",
            ),
            "seconds": number("Seconds a fit", format="%.1f"),
        },
    )


def _types(view: LandmarkView, result: LandmarksResult, table: pd.DataFrame) -> None:
    metric = st.segmented_control(
        "Metric",
        list(METRICS),
        format_func=METRICS.__getitem__,
        default="mse",
        required=True,
        key="landmarks-type-metric",
    )
    types = result.types()
    base = "mean" if "mean" in result.labels else result.scores()["reference"]
    null = types[types["model"] == base].set_index("cell_type")[str(metric)]
    types["gain"] = 1.0 - types[str(metric)] / types["cell_type"].map(null)
    types["label"] = types["model"].map(result.labels)
    counts = types.groupby("cell_type")["n_cells"].first().sort_values(ascending=False)
    order = table.sort_values(str(metric))["label"].tolist()
    types["rank"] = types["label"].map({name: i for i, name in enumerate(order)})
    types["place"] = types["cell_type"].map({name: i for i, name in enumerate(counts.index)})
    types = types[types["model"] != base].sort_values(["rank", "place"])
    figure.show(
        type_scores(types, str(metric), view.palette),
        key="landmarks-types",
        data=types.drop(columns=["rank", "place"]),
        name=view.name("cell types", metric),
        alt="Models by cell types",
    )
    rare = ", ".join(str(name) for name in counts.index[counts < 10 * result.config.n_splits])
    st.caption(
        f"How far each model's {METRICS[str(metric)]} is below that of "
        f"“{plain(result.labels[base])}” in the same type, most frequent type first."
        + (f" Few test cells, so uncertain: {plain(rare)}." if rare else "")
    )


def _genes(view: LandmarkView, result: LandmarksResult, table: pd.DataFrame) -> None:
    left, right = st.columns(2)
    keys = table["model"].tolist()
    with left:
        model = st.selectbox(
            "Model",
            keys,
            index=keys.index(result.best["mse"]),
            format_func=result.labels.__getitem__,
            key="landmarks-model",
        )
    genes = result.genes(str(model)).sort_values("r2", ascending=False, ignore_index=True)
    with right:
        gene: str = st.selectbox(
            "Gene, best predicted first", genes["gene"].tolist(), key="landmarks-gene"
        )
    with left:
        figure.show(
            gene_r2(genes, view.palette, str(gene)),
            key="landmarks-gene-r2",
            data=genes,
            name=view.name("genes", model),
            alt="R² of each gene against its mean expression",
        )
        st.caption(
            "Held-out R² of each predicted gene, mean over splits. Rarely detected genes cannot "
            "reach 1: most of their variance is the chance of catching a molecule."
        )
    with right:
        if not result.has_predictions:
            st.info("This run kept no predictions of single cells.", icon=":material/info:")
        else:
            cells = result.predicted(str(gene), str(model))
            figure.show(
                gene_cells(cells, str(gene), view.palette),
                key="landmarks-gene-cells",
                data=cells,
                name=view.name(gene, model),
                alt="Measured against predicted expression",
            )
            st.caption("Test cells of the first split; dotted: equal.")
    if not genes["gene_id"].astype(bool).any():
        genes = genes.drop(columns="gene_id")
    st.dataframe(
        genes,
        hide_index=True,
        height=260,
        column_config={
            "detected": column.NumberColumn("Detected in", format="percent"),
            **{
                n: column.NumberColumn(label, format="%.3f")
                for n, label in (("mean", "Mean"), ("sd", "SD"), ("r2", "R²"))
            },
            "gene": "Gene",
            "gene_id": "Ensembl id",
            **{n: column.NumberColumn(METRICS[n], format="%.4f") for n in METRICS},
        },
    )


def _training(view: LandmarkView, result: LandmarksResult, table: pd.DataFrame) -> None:
    history = result.history()
    if history.empty:
        st.info("This run has no network.", icon=":material/info:")
        return
    history["label"] = history["model"].map(result.labels)
    figure.show(
        learning_curves(history, view.palette),
        key="landmarks-curves",
        data=history,
        name=view.name("training"),
        alt="Loss over epochs",
    )
    st.caption(
        "Solid: validation cells (a tenth of the training cells), dotted: training cells with "
        "dropout; circles: the epoch whose weights were kept. The residual network's loss is "
        "that of ridge regression's residuals."
    )


def _ensemble(view: LandmarkView, result: LandmarksResult, table: pd.DataFrame) -> None:
    weights = result.weights()
    if weights.empty:
        st.info("This run has no ensemble.", icon=":material/info:")
        return
    for name in ("ensemble", "model"):
        weights["label" if name == "model" else name] = weights[name].map(result.labels)
    figure.show(
        ensemble_weights(weights, view.palette),
        key="landmarks-weights",
        data=weights,
        name=view.name("ensemble"),
        alt="Weights of the ensemble's members",
    )
    st.caption(
        "Mean weight over splits. Weights are non-negative, sum to one and minimise the error on "
        "training cells that the members were fitted without; test cells are never asked."
    )
