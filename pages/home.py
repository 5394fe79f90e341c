"""Home: what this is, what stands in the workspace, where to begin."""

from __future__ import annotations

import streamlit as st

from core import runs as core_runs
from core.data import list_datasets
from core.settings import PROJECT_ROOT, get_settings
from pages.components import frame
from pages.components.guard import guard

#: File, title, icon, what one does there.
PANELS = (
    (
        "pages/datasets.py",
        "Data sets",
        ":material/database:",
        "Prepare public data sets with one button, or import your own table or cells.",
    ),
    (
        "pages/explore.py",
        "Explore",
        ":material/biotech:",
        "See how a drug changes each gene in each cell type: the design, any gene, any compound, "
        "what is alike, which rows carry the weight.",
    ),
    (
        "pages/train.py",
        "Train",
        ":material/model_training:",
        "Choose features, models and a way to validate; train in the background, cancel, resume.",
    ),
    (
        "pages/runs.py",
        "Runs",
        ":material/monitoring:",
        "Watch curves as they grow, lay runs over each other, and see them beside published "
        "figures.",
    ),
    (
        "pages/screen.py",
        "Screen",
        ":material/filter_alt:",
        "Upload SMILES and rank them by what a trained model says they do: move a gene, or push "
        "a leukaemia signature back.",
    ),
    (
        "pages/molecules.py",
        "Molecules",
        ":material/hexagon:",
        "Draw or paste a molecule; see it in 3D, its properties, and its neighbours among the "
        "compounds of a data set.",
    ),
    (
        "pages/cells.py",
        "Cell explorer",
        ":material/bubble_chart:",
        "Quality control, embeddings, two conditions side by side (CD69 in healthy and leukaemic "
        "marrow), lasso, differential expression, up to a million cells.",
    ),
    (
        "pages/landmarks.py",
        "Landmark genes",
        ":material/flag:",
        "Predict a transcriptome from a few genes, find a better set than L1000 with a group "
        "lasso, and compare the sets.",
    ),
    (
        "pages/integration.py",
        "Batch integration",
        ":material/join:",
        "Correct batches, embed cells as topics, and see before and after beside Harmony, "
        "Scanorama and others.",
    ),
    (
        "pages/knockouts.py",
        "Knock-outs",
        ":material/content_cut:",
        "Remove genes in silico, see how much of the answer is the rank's, and knock out without "
        "that artefact.",
    ),
)
#: Cards side by side.
ACROSS = 3


def panels() -> None:
    """One card a panel, each with its link."""
    there = [panel for panel in PANELS if (PROJECT_ROOT / panel[0]).exists()]
    columns = [column for _ in range(0, len(there), ACROSS) for column in st.columns(ACROSS)]
    for column, (file, title, icon, words) in zip(columns, there, strict=False):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"##### {icon} {title}")
            st.write(words)
            st.page_link(file, label=f"Open {title}", icon=":material/arrow_forward:")


def workspace() -> None:
    """Numbers of the workspace, and the next step where something is missing."""
    settings = get_settings()
    ready = [s for s in list_datasets(settings) if s.ready]
    tables = [s for s in ready if s.kind == "perturbation"]
    columns = st.columns(4)
    columns[0].metric("Perturbation tables ready", len(tables), border=True)
    columns[1].metric("Cell data sets ready", len(ready) - len(tables), border=True)
    with columns[2], guard():
        st.metric("Runs kept", len(core_runs.list_runs(settings=settings)), border=True)
    columns[3].metric("Data on disk", f"{sum(s.disk_mb or 0 for s in ready):,.0f} MB", border=True)
    if not tables:
        st.info(
            "No perturbation table is prepared yet. Begin on the Data sets page: the simulated "
            "op2-demo needs no download.",
            icon=":material/lightbulb:",
        )


def first_steps() -> None:
    """The shortest way through."""
    st.markdown(
        "1. **Data sets**: prepare `op2-demo` (simulated, offline, the real competition's design), "
        "or `op2` itself, or import a table of your own.\n"
        "2. **Explore**: open a gene (CD69 comes first), then a compound; every figure exports as "
        "PNG, SVG and CSV, and the address bar holds the view, so you can send it to a colleague.\n"
        "3. **Train** a model, then compare it on **Runs** with simple baselines before you "
        "believe it.\n"
        "4. **Screen** molecules of your own with it."
    )
    st.caption(
        "Data sets, training and runs also work without a browser: `python -m core --help`. Your "
        "data stay on this machine; nothing is sent anywhere."
    )


frame.enter()
st.title("PerturbScope")
st.markdown(
    "Explore how compounds change gene expression in blood cells, train models that predict it, "
    "and compare them by eye. The questions come from the NeurIPS 2023 single-cell perturbation "
    "competition; comparable data sets are collected in "
    "[Peidli et al. 2024](https://doi.org/10.1038/s41592-023-02144-y)."
)
with guard():
    panels()
st.subheader("Your workspace")
with guard():
    workspace()
st.subheader("First steps")
first_steps()
