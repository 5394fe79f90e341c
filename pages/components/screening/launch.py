"""Step 4: what the screen would do, and its start."""

from __future__ import annotations

import streamlit as st

from core.runs import submit
from core.settings import get_settings
from core.studies.screening.config import Kind, ObjectiveConfig, Score, ScreeningConfig
from pages.components.command import command_line
from pages.components.config_form import check, study_form
from pages.components.guard import guard
from pages.components.screening.library import Library
from pages.components.screening.model import Model
from pages.components.screening.objective import Objective, direction_words
from pages.components.text import plain

STUDY = "screening"
#: URL parameter of the screen that is followed or looked at.
SCREEN = "screen"
#: Fields that the steps before ask for.
_ASKED = ("name", "input", "smiles_column", "id_column", "run_id", "cell_types", "objective")
#: Rows a chunk where every response is ranked: a screen can only be cancelled between chunks.
SLOW_CHUNK = 250
#: Rows from which such a score is said to be slow.
MANY = 5000


def ranks_genes(config: ObjectiveConfig) -> bool:
    """Whether the score needs the rank of genes, which costs far more than a sum."""
    return config.kind is Kind.SIGNATURE and config.score is not Score.COSINE


def launch(
    library: Library | None, model: Model, cell_types: tuple[str, ...], objective: Objective
) -> None:
    """The summary, the finer choices, and the button."""
    st.subheader("This screen")
    for fault in objective.faults:
        st.error(plain(fault), icon=":material/error:")
    name = st.text_input("Name", key="screen-name", max_chars=80, placeholder="optional")
    with st.expander("Score and chemistry in detail", icon=":material/tune:"):
        slow = objective.config is not None and ranks_genes(objective.config)
        start = ScreeningConfig(chunk_size=SLOW_CHUNK) if slow else ScreeningConfig()
        key = "screen-finer-slow" if slow else "screen-finer"
        finer = study_form(ScreeningConfig, start, key, {}, skip=_ASKED)
    if library is None:
        st.info("Give molecules to screen.", icon=":material/hexagon:")
    ready = library is not None and objective.config is not None
    config: ScreeningConfig | None = None
    if library is not None and objective.config is not None:
        values = {
            **finer,
            "name": name or direction_words(objective.config),
            "input": library.input,
            "smiles_column": library.smiles_column,
            "id_column": library.id_column,
            "run_id": model.id,
            "cell_types": cell_types,
            "objective": objective.config.model_dump(),
        }
        config, faults = check(ScreeningConfig, values)
        for fault in faults:
            st.error(plain(fault), icon=":material/error:")
    if config is not None and library is not None:
        st.markdown(_words(config, library, model))
    if model.simulated:
        st.caption(
            ":material/science_off: The model learned from simulated responses: a ranking made with it shows how the "
            "tool works, and says nothing about real compounds."
        )
    if (
        st.button(
            "Start the screen",
            type="primary",
            icon=":material/play_arrow:",
            key="screen-start",
            disabled=not ready or config is None,
            width="stretch",
        )
        and config is not None
    ):
        with guard():
            st.query_params[SCREEN] = submit(STUDY, config, settings=get_settings())
            st.rerun()
    if config is not None:
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, config), language="bash", wrap_lines=True)


def _about(library: Library) -> str:
    return "" if library.exact else "about "


def _words(config: ScreeningConfig, library: Library, model: Model) -> str:
    where = "all cell types" if not config.cell_types else ", ".join(config.cell_types)
    score = (
        "mean predicted response of the genes"
        if config.objective.kind is Kind.GENES
        else f"{config.objective.score} connectivity"
    )
    lines = [
        f"- {_about(library)}{library.n_rows:,} rows to **{plain(direction_words(config.objective))}**",
        f"- judged in {plain(where)} by the {score}",
        f"- {config.n_permutations:,} random signatures for the p-values"
        if config.n_permutations
        else "- no p-values",
    ]
    if library.n_rows > MANY and ranks_genes(config.objective):
        lines.append(
            "- this score ranks the genes of every response with every random signature: for a "
            "library of this size the cosine score, or fewer permutations, take a fraction of the "
            "time"
        )
    return "\n".join(lines)
