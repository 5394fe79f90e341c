"""A new integration: cells, batches, methods, and what it would do."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.data import get_dataset
from core.models.integrators.base import INTEGRATORS
from core.runs import submit
from core.settings import get_settings
from core.studies.integration.columns import (
    concerns,
    guess_batch_key,
    guess_label_key,
)
from core.studies.integration.config import DEFAULT_METHODS, IntegrationConfig
from pages._integration_view import FOLLOWED, STUDY
from pages.components import badge, dataset
from pages.components.command import command_line
from pages.components.config_form import check, choices, fields
from pages.components.guard import guard
from pages.components.text import plain

#: Drawn by this page itself.
OWN = ("dataset", "batch_key", "label_key", "methods", "preparation", "resolutions")


def form() -> None:
    """Form on the left; what it would do, and the button, on the right."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        id = dataset.choose("cells", suits=dataset.has_counts)
        if id is None:
            return
        status = get_dataset(id, get_settings())
        badge.simulated(status.simulated)
        obs = dataset.columns_of(id, status.content_hash)
        batch_key, label_key = _columns(obs, id)
        missing = {e.name: e.value.missing() for e in INTEGRATORS}
        start = [{"name": n, "params": {}} for n in _start(missing)]
        key = f"integrate.{id}"
        draft = {
            "methods": choices(
                IntegrationConfig.model_fields["methods"], INTEGRATORS, start, f"{key}.methods"
            ),
            **_more(key),
        }
        for method in draft["methods"]:
            if missing.get(method["name"]):
                st.warning(plain(missing[method["name"]]), icon=":material/extension_off:")
    values = {**draft, "dataset": id, "batch_key": batch_key or "", "label_key": label_key}
    config, faults = check(IntegrationConfig, values)
    with right, st.container(border=True):
        _outlook(config, faults, obs)


def _start(missing: dict[str, str | None]) -> list[str]:
    """PCA, Harmony and the corrector, as far as they are installed."""
    return [n for n in (*DEFAULT_METHODS, "corrector") if n in missing and missing[n] is None]


def _columns(obs: pd.DataFrame, id: str) -> tuple[str | None, str | None]:
    names = list(obs.columns)
    if not names:
        st.warning(
            "These cells have no column that could name batches: add one to the file's obs.",
            icon=":material/warning:",
        )
        return None, None
    guess = guess_batch_key(obs)
    left, right = st.columns(2)
    with left:
        batch_key = st.selectbox(
            "Batches",
            names,
            index=names.index(guess) if guess else None,
            key=f"integrate.{id}.batch",
            help=IntegrationConfig.model_fields["batch_key"].description,
        )
    others = [None, *(n for n in names if n != batch_key)]
    label = guess_label_key(obs, batch_key)
    with right:
        label_key = st.selectbox(
            "Cell types (for the scores only)",
            others,
            index=others.index(label) if label in others else 0,
            format_func=lambda n: "not known" if n is None else n,
            key=f"integrate.{id}.label",
            help=IntegrationConfig.model_fields["label_key"].description,
        )
    return batch_key, label_key


def _more(key: str) -> dict:
    start = IntegrationConfig().model_dump()
    names = [n for n in IntegrationConfig.model_fields if n not in OWN]
    values = fields(IntegrationConfig, start, key, only=names)
    with st.expander("Preparation of the cells"):
        values["preparation"] = fields(
            type(IntegrationConfig().preparation), start["preparation"], f"{key}.preparation"
        )
    with st.expander("Resolutions"):
        values |= fields(IntegrationConfig, start, key, only=("resolutions",), columns=1)
    return values


def _outlook(config: IntegrationConfig | None, faults: list[str], obs: pd.DataFrame) -> None:
    st.subheader("This run")
    for fault in faults:
        st.error(plain(fault), icon=":material/error:")
    ready = config is not None
    if config is not None and config.batch_key in obs:
        batches = obs[config.batch_key]
        labels = obs.get(config.label_key)
        sizes = batches.value_counts()
        st.markdown(
            f"- {len(obs):,} cells in {len(sizes)} batches of {sizes.min():,} to "
            f"{sizes.max():,}\n"
            f"- {len(config.every_method)} methods on the same "
            f"{config.preparation.n_hvg:,} genes, {config.preparation.genes}\n"
            + (
                f"- then on {config.n_draws} draws of {config.draw_share:.0%} of the cells"
                if config.n_draws
                else "- all cells once; draws would show which differences are noise"
            )
        )
        for sentence in concerns(batches, labels):
            st.caption(f":material/info: {plain(sentence)}")
    elif config is not None:
        ready = False
        st.info("Choose the column that names the batches.")
    if (
        st.button(
            "Start the integration",
            type="primary",
            icon=":material/play_arrow:",
            key="integration-start",
            disabled=not ready,
            width="stretch",
        )
        and config is not None
    ):
        with guard():
            st.query_params[FOLLOWED] = submit(STUDY, config, settings=get_settings())
            st.rerun()
    if config is not None:
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, config), language="bash", wrap_lines=True)
