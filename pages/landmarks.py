"""Landmark genes: which few genes predict all the others, and how well."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import streamlit as st

from core.data import DataSetStatus, get_dataset
from core.settings import get_settings
from core.studies.landmarks.config import LandmarkDataConfig
from pages._landmarks_view import LandmarkView, opened
from pages.components import badge, dataset, figure, frame
from pages.components.config_form import check, fields
from pages.components.guard import guard
from pages.components.text import plain

#: Section → module with ``show(view)``; one that is not there is left out of the switch.
SECTIONS = {
    "Data": "pages._landmarks_data",
    "Predict": "pages._landmarks_predict",
    "Select": "pages._landmarks_select",
    "Compare sets": "pages._landmarks_compare",
}
#: URL parameters: the open section, and the filters to begin with.
SECTION, PRESET = "section", "cells-of"
PRESETS = {
    "all": ("All cells", LandmarkDataConfig()),
    "paper": (
        "Balanced, as in the paper",
        LandmarkDataConfig(genes_first=True, max_per_type=300),
    ),
}


def suits(status: DataSetStatus) -> bool:
    """Raw counts of human genes, as the landmarks are."""
    return dataset.has_counts(status) and status.organism == "human"


def choose_section() -> str:
    """The switch between sections; the choice is in the URL."""
    names = [name for name, module in SECTIONS.items() if importlib.util.find_spec(module)]
    if st.session_state.get(SECTION, names[0]) not in names:
        del st.session_state[SECTION]
    chosen = st.segmented_control(
        "Section",
        names,
        default=names[0],
        required=True,
        key=SECTION,
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or names[0]


def choose_filters() -> LandmarkDataConfig | None:
    """Filters, normalisation and split, from a popover."""
    with st.popover("Filters", icon=":material/filter_list:"):
        preset = st.segmented_control(
            "Cells",
            list(PRESETS),
            format_func=lambda name: PRESETS[name][0],
            default="all",
            required=True,
            key=PRESET,
            bind="query-params",
            help="The paper filters genes before cells and takes similar numbers of each type.",
        )
        start = PRESETS[preset or "all"][1]
        draft = fields(LandmarkDataConfig, start.model_dump(), f"landmarks.{preset}")
        config, faults = check(LandmarkDataConfig, draft)
        for fault in faults:
            st.error(plain(fault), icon=":material/error:")
    return config


def open_view(id: str, config: LandmarkDataConfig) -> LandmarkView | None:
    """The cells under the filters; says so where they cannot serve this study."""
    with guard():
        data = opened(id, config)
        status = get_dataset(id, get_settings())
        badge.simulated(data.simulated)
        found = data.l1000
        st.caption(
            f"{plain(status.label)}: {data.n_cells:,} cells × {data.n_genes:,} genes after the "
            f"filters; {int(data.is_landmark.sum()):,} of the 978 L1000 landmarks are among them"
            + (f" ({len(found.renamed)} under a newer symbol)." if found.renamed else ".")
        )
        return LandmarkView(data, figure.colours())
    return None


frame.enter()
st.title("Landmark genes")
st.caption(
    "L1000 measures 978 genes and infers the rest. How well does that work in single cells, and "
    "which genes would be better to measure? After *Predicting GEx from L1000 genes and beyond "
    "for scRNA-seq data* (Cheng, Iyer & Kadyan) and "
    "[Subramanian et al. 2017](https://doi.org/10.1016/j.cell.2017.10.049)."
)
with guard():
    left, middle, right = st.columns([3, 7, 1.4], vertical_alignment="bottom")
    with left:
        chosen = dataset.choose("cells", suits=suits)
    if chosen is not None:
        with middle:
            section = choose_section()
        with right:
            filters = choose_filters()
        view = open_view(chosen, filters) if filters is not None else None
        if view is not None:
            with guard():
                module: ModuleType = importlib.import_module(SECTIONS[section])
                module.show(view)
