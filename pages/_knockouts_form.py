"""A new run: cells, model, what is knocked out and how, and what it would take."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.data import get_dataset
from core.errors import PerturbScopeError
from core.featurizers.rank_value import RankEncoded
from core.models.rank_transformer.demonstration import LoadedModel
from core.models.rank_transformer.knockout import BF16_WARNING, estimate_seconds
from core.models.rank_transformer.scan import clock
from core.runs import submit
from core.settings import get_settings
from core.studies.integration.columns import groupings
from core.studies.knockouts.computing import n_passes
from core.studies.knockouts.config import GoalChoice, KnockoutsConfig, Target
from core.studies.knockouts.prepare import Ready, make_ready
from pages import _knockouts_model
from pages._knockouts_view import FOLLOWED, STUDY, encoded, model, suits
from pages.components import badge, dataset
from pages.components.command import command_line
from pages.components.config_form import check, fields
from pages.components.guard import guard
from pages.components.text import plain

NONE = "all cells"
MORE = ("partners", "top", "window", "n_draws", "layer", "precision", "device", "seed")


def form() -> None:
    """Form on the left; what it would do, and the button, on the right."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        id = dataset.choose("cells", suits=suits)
        asked = _knockouts_model.choose()
        if id is None or asked is None:
            return
        loaded = model(asked)
        ranked, obs = encoded(id, loaded)
        badge.simulated(get_dataset(id, get_settings()).simulated)
        values = {"dataset": id, "model": asked, **_values(obs, id)}
    config, faults = check(KnockoutsConfig, values)
    with right, st.container(border=True):
        _outlook(config, faults, loaded, ranked, obs)


def _values(obs: pd.DataFrame, id: str) -> dict[str, Any]:
    start = KnockoutsConfig().model_dump(mode="json")
    key = f"knock.{id}"
    target = Target(
        st.segmented_control(
            "Knock out",
            [t.value for t in Target],
            default=Target.ALL.value,
            required=True,
            key=f"{key}.target",
        )
        or Target.ALL.value
    )
    values: dict[str, Any] = {"target": target}
    only = {Target.GENES: ["genes"], Target.RANKS: ["ranks"], Target.ALL: ["stride"]}[target]
    values |= fields(KnockoutsConfig, start, key, only=[*only, "name"])
    values |= fields(KnockoutsConfig, start, key, only=["modes"], columns=1)
    st.markdown("**Cells**")
    group = _group(obs, f"{key}.cells", "Of the group")
    cells = type(KnockoutsConfig().cells)
    numbers = fields(
        cells, start["cells"], f"{key}.cells", only=["n_cells", "min_genes", "seed"], columns=3
    )
    values["cells"] = numbers | (
        {} if group is None else {"group_key": group[0], "group": group[1]}
    )
    if target is not Target.GENES:
        st.markdown("**Goal state** (optional)")
        goal = _group(obs, f"{key}.goal", "Towards the group", none="no goal state")
        if goal is not None:
            more = fields(
                GoalChoice,
                start["goal"],
                f"{key}.goal",
                only=["goal_cells", "goal_min_cells"],
            )
            values["goal"] = more | {"goal_key": goal[0], "goal_group": goal[1]}
    with st.expander("Partners, nulls, layer, precision"):
        values |= fields(KnockoutsConfig, start, key, only=MORE, columns=3)
        if values["precision"] == "bfloat16":
            st.warning(BF16_WARNING, icon=":material/warning:")
    return values


def _group(obs: pd.DataFrame, key: str, title: str, none: str = NONE) -> tuple[str, str] | None:
    """A group of cells: a column of obs and one of its values."""
    left, right = st.columns(2)
    with left:
        column = st.selectbox("Column", [none, *groupings(obs)], key=f"{key}.column")
    if column == none:
        return None
    found = sorted(obs[column].dropna().astype(str).unique())
    with right:
        group = st.selectbox(title, found, key=f"{key}.{column}.group")
    return (str(column), str(group))


def _outlook(
    config: KnockoutsConfig | None,
    faults: list[str],
    loaded: LoadedModel,
    ranked: RankEncoded,
    obs: pd.DataFrame,
) -> None:
    st.subheader("This run")
    _knockouts_model.badge(loaded.card)
    for fault in faults:
        st.error(plain(fault), icon=":material/error:")
    ready: Ready | None = None
    if config is not None:
        try:
            ready = make_ready(config, get_settings(), loaded=loaded, encoded=ranked, obs=obs)
        except PerturbScopeError as error:
            st.error(plain(error), icon=":material/error:")
    if config is not None and ready is not None:
        passes = n_passes(ready.knocks, config.modes)
        lengths = ready.cells["n_genes"]
        st.markdown(
            f"- {len(ready.cells):,} cells with {lengths.min():,} to {lengths.max():,} ranked "
            "genes\n"
            f"- {sum(map(len, ready.knocks)):,} knock-outs in {len(config.modes)} modes: "
            f"{passes:,} forward passes"
        )
        megabytes = passes * lengths.mean() * 4 / 1e6
        if megabytes > 200:
            st.caption(f"The responses take about {megabytes:,.0f} MB.")
        st.caption(f"About {_seconds(ready, passes)} on this machine's CPU, measured just now.")
    if st.button(
        "Start the knock-outs",
        type="primary",
        icon=":material/play_arrow:",
        key="knockouts-start",
        disabled=ready is None,
        width="stretch",
    ):
        with guard():
            assert config is not None  # the button was enabled
            st.query_params[FOLLOWED] = submit(STUDY, config, settings=get_settings())
            st.rerun()
    if config is not None:
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, config), language="bash", wrap_lines=True)


def _seconds(ready: Ready, passes: int) -> str:
    """Time of all passes, from a few that are timed on the longest cell."""
    row = int(ready.cells.sort_values("n_genes")["row"].iloc[-1])
    tokens = ready.encoded.cell(row)
    each = _timed(ready.facts["fingerprint"], len(tokens), ready, row)
    return clock(each * passes)


@st.cache_data(max_entries=64, show_spinner=False)
def _timed(fingerprint: str, length: int, _ready: Ready, _row: int) -> float:
    from core.models.rank_transformer.modes import Mode

    tokens = _ready.encoded.cell(_row)
    return estimate_seconds(_ready.loaded.model, tokens, 100, Mode.DELETE) / 100
