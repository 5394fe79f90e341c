"""Step 2: the finished run that predicts, and the cell types in which it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.runs import RunRecord, RunState, list_runs
from core.settings import get_settings
from core.studies.perturbation import files
from core.studies.perturbation.result import PerturbationResult
from pages.components import badge
from pages.components.run_labels import names
from pages.components.text import plain

_CELL_TYPES = "screen-cell-types"


@dataclass(frozen=True)
class Model:
    """What the page knows of a run that predicts.

    Attributes
    ----------
    genes
        Symbols that it predicts.
    cell_types
        Those it was trained on.
    n_compounds
        Training compounds.
    target
        What a predicted value is.
    """

    id: str
    name: str
    genes: pd.Index
    cell_types: tuple[str, ...]
    n_compounds: int
    target: str
    simulated: bool


def usable() -> list[RunRecord]:
    """Finished perturbation runs with a final fit, newest first."""
    records = list_runs(study="perturbation", settings=get_settings())
    done = [
        record
        for record in records
        if record.state == RunState.FINISHED
        and (record.folder / files.FINAL / files.COMPOUNDS).exists()
    ]
    return sorted(done, key=lambda record: record.created, reverse=True)


def opened(record: RunRecord) -> Model:
    """The model of a finished run; read once."""
    return _opened(str(record.folder), record.attempt, record.id, record.name)


@st.cache_resource(max_entries=16, show_spinner=False)
def _opened(folder: str, attempt: int, id: str, name: str) -> Model:
    result = PerturbationResult.load(Path(folder))
    compounds = pd.read_parquet(result.folder / files.FINAL / files.COMPOUNDS)
    cell_types = sorted(set(result.rows()["cell_type"].astype(str)))
    target = str(result.data.get("target") or "predicted response")
    return Model(
        id, name, result.genes, tuple(cell_types), len(compounds), target, result.simulated
    )


def choose() -> tuple[Model, tuple[str, ...]] | None:
    """Let the user choose a run and cell types; None, after saying what to do, without a run."""
    records = usable()
    if not records:
        st.info(
            "A screen needs a finished perturbation run with a final fit.",
            icon=":material/model_training:",
        )
        st.page_link("pages/train.py", label="Train a model", icon=":material/model_training:")
        return None
    by_id = {record.id: record for record in records}
    labels = names(records)
    id = st.selectbox(
        "Model",
        list(by_id),
        format_func=lambda id: _words(labels[id], by_id[id]),
        key="screen-model",
    )
    model = opened(by_id[id])
    badge.simulated(model.simulated)
    st.caption(_scores(by_id[id], model))
    chosen = st.multiselect(
        "Cell types in which the objective is judged",
        model.cell_types,
        key=f"{_CELL_TYPES}-{id}",
        placeholder="all of them",
        help="The score of a molecule is the mean over these; each is also shown by itself.",
    )
    return model, tuple(chosen)


def _words(name: str, record: RunRecord) -> str:
    data = f"{record.dataset or 'unknown data'}{', simulated' if record.simulated else ''}"
    return f"{name} ({data})"


def _scores(record: RunRecord, model: Model) -> str:
    words = [
        f"{len(model.genes):,} genes, {len(model.cell_types)} cell types, "
        f"{model.n_compounds:,} training compounds; predicts {plain(model.target)}."
    ]
    mrrmse, gain = record.metrics.get("mrrmse"), record.metrics.get("gain_over_mean")
    if mrrmse is not None:
        words.append(f"Validation MRRMSE **{mrrmse:.3f}**")
        if gain is not None:
            words[-1] += (
                f", {abs(gain):.1%} {'better' if gain >= 0 else '**worse**'} than the mean response"
            )
        words[-1] += "."
    return " ".join(words)
