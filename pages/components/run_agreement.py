"""Predicted against observed responses of one selected run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.data import PerturbationTable
from core.errors import RunError
from core.plots.agreement import density, density_map, predicted_against_observed
from core.runs import RunRecord
from core.studies.perturbation.result import PerturbationResult
from pages.components import dataset, figure
from pages.components.guard import guard
from pages.components.run_labels import model_label, names
from pages.components.run_results import choose_split, finished, result
from pages.components.text import plain


def agreement(records: Sequence[RunRecord]) -> None:
    """All values as a density on the left; one pair gene by gene on the right."""
    done = finished(records)
    if not done:
        return
    labels = names(done)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        record = st.selectbox(
            "Run", done, format_func=lambda r: labels[r.id], key="agreement-run", width=300
        )
        opened = result(record)
        model = st.selectbox(
            "Model", opened.models(), format_func=model_label, key="agreement-model", width=260
        )
        scored = opened.rows().query("model == @model")
        split = choose_split(scored, "pairs")
    table = _table(opened)
    scored = scored[scored["split"] == split]
    left, right = st.columns(2)
    with left, guard():
        _all(opened, table, record, str(model), split, scored["row"].to_numpy())
    with right, guard():
        _pair(opened, table, record, str(model), scored)


def _table(opened: PerturbationResult) -> PerturbationTable:
    table = dataset.table(str(opened.data["id"]))
    if table.content_hash != opened.data_hash():
        raise RunError(
            f"The data set '{table.id}' has changed since this run: its predictions cannot be laid "
            "beside the new values."
        )
    return table


@st.cache_data(max_entries=24, show_spinner="Counting …")
def _counts(
    folder: str,
    attempt: int,
    model: str,
    split: str,
    _opened: PerturbationResult,
    _table: PerturbationTable,
    _rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    observed = np.asarray(_table.values[_rows], dtype=np.float32)
    predicted = np.asarray(_opened.predictions(model)[_rows], dtype=np.float32)
    return density(observed, predicted)


def _all(
    opened: PerturbationResult,
    table: PerturbationTable,
    record: RunRecord,
    model: str,
    split: str,
    rows: np.ndarray,
) -> None:
    st.markdown("##### All pairs and genes")
    st.caption(
        f"{len(rows):,} pairs × {table.n_genes:,} genes. The axes span 99.99 % of the values; what "
        "lies beyond is counted at the edge. Flatter than the dashed line: drawn to the mean."
    )
    counts, xs, ys = _counts(str(record.folder), record.attempt, model, split, opened, table, rows)
    chart = density_map(counts, xs, ys, figure.colours(), unit=table.target)
    i, j = np.nonzero(counts)
    data = pd.DataFrame(
        {
            "observed_from": xs[j],
            "observed_to": xs[j + 1],
            "predicted_from": ys[i],
            "predicted_to": ys[i + 1],
            "values": counts[i, j],
        }
    )
    figure.show(chart, key="runs-density", data=data, name=f"{record.id}-{model}-{split}-density")


def _pair(
    opened: PerturbationResult,
    table: PerturbationTable,
    record: RunRecord,
    model: str,
    scored: pd.DataFrame,
) -> None:
    st.markdown("##### One pair, gene by gene")
    with st.container(horizontal=True, gap="small"):
        cells = sorted(scored["cell_type"].unique())
        cell = st.selectbox("Cell type", cells, key="agreement-cell")
        mine = scored[scored["cell_type"] == cell].sort_values("sm_name")
        compound = st.selectbox("Compound", mine["sm_name"].tolist(), key="agreement-compound")
    row = mine[mine["sm_name"] == compound].iloc[0]
    genes = opened.observed_vs_predicted(int(row["row"]), model, table=table)
    chart = predicted_against_observed(
        genes["observed"].to_numpy(),
        genes["predicted"].to_numpy(),
        genes["gene"].to_numpy(),
        figure.colours(),
        unit=table.target,
    )
    figure.show(chart, key="runs-pair", data=genes, name=f"{record.id}-{model}-{cell}-{compound}")
    st.caption(
        f"{plain(cell)}, {plain(compound)}: row RMSE {row['rmse']:.3f}, Pearson "
        f"{row['pearson']:.3f}, cosine {row['cosine']:.3f}. Named: the genes of largest observed "
        "response."
    )
