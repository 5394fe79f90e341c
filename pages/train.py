"""Choose features, models and a way to validate; train in the background and watch."""

from __future__ import annotations

import streamlit as st

from core.data.table import PerturbationTable
from core.featurizers.base import FEATURIZERS
from core.models.base import MODELS
from core.runs import get_run, submit
from core.settings import get_settings
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.presets import PRESETS, preset
from pages.components import badge, dataset, frame, run_progress
from pages.components.command import command_line
from pages.components.config_form import check, study_form
from pages.components.guard import guard
from pages.components.outlook import outlook
from pages.components.text import plain

STUDY = "perturbation"
#: URL parameters: the run that is followed, and the run whose configuration is copied.
RUN, COPY = "run", "from"


def begin(data: str) -> tuple[PerturbationConfig, str]:
    """The configuration to begin with and the key of its form."""
    copied = st.query_params.get(COPY)
    if copied:
        with guard():
            record = get_run(copied, settings=get_settings())
            config = PerturbationConfig(**{**record.config, "dataset": data})
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(
                    f":material/edit: Beginning from the run **{plain(record.name)}**.",
                    width="content",
                )
                if st.button("Use a preset instead", type="tertiary", key="forget-copy"):
                    st.query_params.pop(COPY, None)
                    st.rerun()
            return config, f"train.{copied}"
    name = st.segmented_control(
        "Begin with",
        PRESETS.names(),
        format_func=lambda n: PRESETS.get(n).label,
        default=PRESETS.names()[0],
        required=True,
        key="preset",
        bind="query-params",
    )
    st.caption(plain(PRESETS.get(str(name)).help))
    return preset(str(name), data), f"train.{name}"


def start(config: PerturbationConfig) -> None:
    """Submit the run; from now on the URL names it."""
    run_id = submit(STUDY, config, settings=get_settings())
    st.query_params[RUN] = run_id
    st.rerun()


def form(table: PerturbationTable) -> None:
    """Form on the left; what it would do, and the button, on the right."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        config, key = begin(table.id)
        draft = study_form(
            PerturbationConfig,
            config,
            key,
            {"features": FEATURIZERS, "models": MODELS},
            skip=("dataset",),
        )
    checked, faults = check(PerturbationConfig, {**draft, "dataset": table.id})
    with right, st.container(border=True):
        st.subheader("This run")
        for fault in faults:
            st.error(plain(fault), icon=":material/error:")
        if checked is not None:
            with guard():
                outlook(checked, table)
        if (
            st.button(
                "Start training",
                type="primary",
                icon=":material/play_arrow:",
                key="start",
                disabled=checked is None,
                width="stretch",
            )
            and checked is not None
        ):
            with guard():
                start(checked)
        if checked is not None:
            with st.expander("The same on the command line", icon=":material/terminal:"):
                st.code(command_line(STUDY, checked), language="bash", wrap_lines=True)


frame.enter()
st.title("Train")
st.caption(
    "Train models that predict how each gene responds in a pair of cell type and compound. The "
    "score is the competition's MRRMSE, the mean over pairs of the root mean squared error over "
    "genes, on pairs that the model was not trained on."
)
with guard():
    followed = st.query_params.get(RUN)
    if followed:
        with guard():
            run_progress.panel(followed)
    chosen = dataset.choose("perturbation")
    if chosen is not None:
        opened = dataset.table(chosen)
        badge.simulated(opened.simulated)
        form(opened)
