"""Section Quality of the cell explorer: reads, genes and mitochondrial share, and what to cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.data.cells import shown
from core.data.preprocessing import (
    PRESETS,
    Preprocessing,
    has_counts,
    mitochondrial,
    quality,
    scanpy_script,
)
from core.data.preprocessing.counts import as_csr, counts_of
from core.data.preprocessing.quality import gene_cells, quality_of
from core.data.preprocessing.run import known_columns, select
from core.data.store import ID_PATTERN
from core.plots import cell_quality as plots
from core.plots.export import file_stem
from core.studies.cells.config import CellsConfig
from pages import _cells_job as job
from pages import _cells_quality_figures as figures
from pages._cells_view import CellView
from pages.components import config_form, figure
from pages.components.guard import guard
from pages.components.text import plain

#: Cells up to which the steps are counted while the cut-offs move.
PREVIEW_CELLS = 100_000
CUTS = ("min_counts", "max_counts", "min_genes", "max_genes", "max_mito")
GENES = ("gene_min_reads", "gene_min_cells", "genes_first")
AFTER = (
    "target_sum", "log", "n_hvg", "hvg_flavor", "hvg_batch_key", "hvg_only", "balance_key",
    "max_per_group", "seed",
)  # fmt: skip


@st.cache_data(max_entries=4, show_spinner="Counting reads …")
def _quality(content_hash: str, _view: CellView) -> pd.DataFrame | None:
    """Quality by cell, ``None`` without raw counts."""
    if not _view.has_counts:
        return quality(_view.cells) if has_counts(_view.cells) else None
    found = _view.expression
    total = np.asarray(found.totals, dtype=np.float64)
    share = np.full(len(total), np.nan)
    mito = mitochondrial(_view.cells)
    if mito.any():
        part = np.asarray(found.stored[:, np.flatnonzero(mito)].sum(axis=1)).ravel()
        np.divide(100 * part, total, out=share, where=total > 0)
    values = {"counts": total, "genes": np.asarray(found.detected), "mito_percent": share}
    return pd.DataFrame(values)


@st.cache_data(max_entries=8, show_spinner="Counting reads …")
def _quality_of_genes(
    content_hash: str, min_reads: int, min_cells: int, _view: CellView
) -> pd.DataFrame:
    """Quality by cell over the genes that stay, for cut-offs that leave genes out first."""
    counts = as_csr(_view.expression.stored) if _view.has_counts else counts_of(_view.cells)
    stay = np.flatnonzero(gene_cells(counts, min_reads) >= min_cells)
    mito = mitochondrial(_view.cells)[stay]
    return quality_of(counts[:, stay], mito, pd.RangeIndex(counts.shape[0]))


def _judged(view: CellView, table: pd.DataFrame, config: Preprocessing) -> pd.DataFrame:
    """The quality that the cut-offs judge cells by."""
    few = view.n_cells <= PREVIEW_CELLS and not view.cells.isbacked
    if not config.genes_first or config.gene_min_cells is None:
        return table
    if not few:
        st.caption("Counted over all genes; the cut-offs judge cells by the genes that stay.")
        return table
    st.caption("Counted over the genes that stay, for genes are left out first.")
    return _quality_of_genes(view.content_hash, config.gene_min_reads, config.gene_min_cells, view)


@st.cache_data(max_entries=64, show_spinner="Applying the cut-offs …")
def _preview(content_hash: str, config: Preprocessing, _view: CellView) -> list[str]:
    """What the cut-offs remove, one sentence a step."""
    cells = _view.cells
    known_columns(cells.obs, config)
    # Where X holds counts the explorer's own copy has them checked already.
    counts = as_csr(_view.expression.stored) if _view.has_counts else counts_of(cells)
    kept = select(counts, cells.obs, mitochondrial(cells), config, cells.obs_names)
    left = f"{len(kept.rows):,} of {cells.n_obs:,} cells and {len(kept.columns):,} of "
    return [*kept.steps, f"{left}{cells.n_vars:,} genes are left."]


def show(view: CellView) -> None:
    """Cut-offs on the left, what they do on the right."""
    table = _quality(view.content_hash, view)
    if table is None:
        _without_counts(view)
        return
    left, right = st.columns([2, 5], gap="medium")
    with left:
        config = _form(view)
    with right:
        if config is not None:
            figures.show(view, _judged(view, table, config), config)
    if config is None:
        return
    st.subheader("What is done", divider="gray")
    one, two = st.columns([5, 3], gap="medium")
    with one, guard():
        _steps(view, config)
    with two:
        _apply(view, config)


def _without_counts(view: CellView) -> None:
    st.info(
        "These cells came without raw counts (their values are normalised or scaled already), so "
        "there are no reads to judge them by and nothing to normalise again. Embedding works on "
        "the values as they are.",
        icon=":material/info:",
    )
    detected = np.asarray(view.expression.detected, dtype=np.float64)
    table = plots.bins(detected, log=False)
    title = f"genes above zero in a cell, of the {len(view.genes):,} in this set"
    fig = plots.histogram(table, title, palette=view.palette)
    figure.show(fig, key="quality-detected", data=table, height=320, name=view.name("genes"))


def _form(view: CellView) -> Preprocessing | None:
    # Labels are the options: what an address holds of a bound widget is what it shows.
    entries = {entry.label: entry for entry in PRESETS}
    first = PRESETS.get("scanpy").label
    label = st.selectbox(
        "Start from",
        list(entries),
        index=list(entries).index(first),
        key="preset",
        bind="query-params",
        help="The seed studies' choices. Change them below.",
    )
    entry = entries[label or first]
    st.caption(plain(entry.help))
    start, key = entry.value.model_dump(), f"quality-{view.id}-{entry.name}"
    values = dict(start)
    values |= config_form.fields(Preprocessing, start, key, only=CUTS)
    with st.expander("Genes", icon=":material/genetics:"):
        values |= config_form.fields(Preprocessing, start, key, only=GENES)
    with st.expander("Normalisation, variable genes, balance", icon=":material/tune:"):
        values |= config_form.fields(Preprocessing, start, key, only=AFTER)
    config, faults = config_form.check(Preprocessing, values)
    for fault in faults:
        st.error(plain(fault), icon=":material/error:")
    return config


def _steps(view: CellView, config: Preprocessing) -> None:
    if view.n_cells <= PREVIEW_CELLS and not view.cells.isbacked:
        steps = _preview(view.content_hash, config, view)
        st.markdown("\n".join(f"1. {plain(step)}" for step in steps))
    else:
        st.caption("For a set of this size the steps are counted when they are applied.")
    target = f"{config.target_sum:,.0f} reads" if config.target_sum else "the median cell's reads"
    then = [f"each cell is scaled to {target}"] + ["ln(1 + x) is taken"] * config.log
    if config.n_hvg:
        n = min(config.n_hvg, len(view.genes))
        then.append(f"{n:,} variable genes are {'kept' if config.hvg_only else 'marked'}")
    st.caption(f"Then {', '.join(then)}; raw counts are kept in the layer 'counts'.")
    st.download_button(
        "scanpy script",
        scanpy_script(config, title=f"Preprocessing of {shown(view.id)}"),
        file_name=f"{file_stem(view.id, 'preprocess')}.py",
        mime="text/x-python",
        icon=":material/code:",
        on_click="ignore",
        key="quality-script",
        help="These steps as a script that needs only scanpy.",
    )


def _apply(view: CellView, config: Preprocessing) -> None:
    running = job.follow()
    name = st.text_input(
        "Save as",
        f"{view.id[:50]}-filtered",
        key=f"quality-save-{view.id}",
        max_chars=64,
        help="Id of the new data set: cells that are left, log-normalised, with raw counts, PCA, "
        "UMAP and clusters. The original stays as it is.",
    )
    valid = bool(ID_PATTERN.fullmatch(name))
    if not valid:
        st.caption(":red[Use lower-case letters, digits, - and _.]")
    study = CellsConfig(
        name=f"{view.id} filtered"[:80],
        dataset=view.id,
        preprocessing=config,
        save_as=name if valid else None,
    )
    if st.button(
        "Apply and embed",
        type="primary",
        icon=":material/play_arrow:",
        key="quality-apply",
        disabled=running or not valid,
        width="stretch",
    ):
        job.start(study)
    job.command(study)
