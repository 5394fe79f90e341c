"""Train a rank transformer of one's own, and what finished trainings were measured to know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.data import get_dataset
from core.errors import PerturbScopeError
from core.plots.export import file_stem
from core.plots.rank_pretraining import learning_curves
from core.runs import RunRecord, RunState, list_runs, submit
from core.settings import get_settings
from core.studies.integration.columns import groupings
from core.studies.knockouts.config import Source
from core.studies.rank_pretraining.config import (
    FEWEST_LABELLED,
    RankModelConfig,
    RankPretrainingConfig,
    RankTrainingConfig,
)
from core.studies.rank_pretraining.result import RankPretrainingResult
from pages._knockouts_view import FOLLOWED, PRETRAINING, suits
from pages.components import badge, choice, dataset, figure
from pages.components.command import command_line
from pages.components.config_form import check, fields
from pages.components.guard import guard
from pages.components.run_labels import names
from pages.components.text import plain

#: Fields in the order of the form; the vocabulary is computed from the training cells.
FIRST = ("more_datasets", "name")
CELLS = ("min_cells", "min_genes", "held_out", "judged_cells")
PERPLEXITIES = {
    "perplexity": "This model",
    "perplexity_excluding_visible": "This model, knowing which genes are taken",
    "perplexity_rank_unigram": "How often a gene stands about that rank",
    "perplexity_unigram": "How often a gene is expressed",
    "perplexity_nearest_cells": "The nearest training cells",
}
ACCURACY = "knn_accuracy_"


def pretrain() -> None:
    """Form, and below it the trainings that have finished."""
    _form()
    done = {record.id: record for record in finished_trainings()}
    if done:
        st.divider()
        _finished(done)


def finished_trainings() -> list[RunRecord]:
    """Finished pretrainings, the newest first."""
    records = list_runs(study=PRETRAINING, settings=get_settings())
    return [r for r in records if r.state == RunState.FINISHED]


def _form() -> None:
    left, right = st.columns([5, 3], gap="large")
    with left:
        id = dataset.choose("cells", suits=suits)
        if id is None:
            return
        status = get_dataset(id, get_settings())
        badge.simulated(status.simulated)
        values = {"dataset": id, **_values(dataset.columns_of(id, status.content_hash), id)}
    config, faults = check(RankPretrainingConfig, values)
    with right, st.container(border=True):
        _outlook(config, faults)


def _values(obs: pd.DataFrame, id: str) -> dict[str, Any]:
    start = RankPretrainingConfig().model_dump(mode="json")
    key = f"pretrain.{id}"
    values = fields(RankPretrainingConfig, start, key, only=FIRST)
    label = st.selectbox(
        "Labels",
        [None, *groupings(obs)],
        format_func=lambda name: "not judged" if name is None else name,
        key=f"{key}.labels",
        help=RankPretrainingConfig.model_fields["label_key"].description,
    )
    values["label_key"] = label
    with st.expander("Cells and vocabulary"):
        values |= fields(RankPretrainingConfig, start, key, only=CELLS)
    with st.expander("Model"):
        values["model"] = fields(RankModelConfig, start["model"], f"{key}.model", columns=3)
    with st.expander("Training"):
        values["training"] = fields(
            RankTrainingConfig, start["training"], f"{key}.training", columns=3
        )
    return values


def _outlook(config: RankPretrainingConfig | None, faults: list[str]) -> None:
    st.subheader("This training", anchor=False)
    for fault in faults:
        st.error(plain(fault), icon=":material/error:")
    missing = _missing(config)
    for sentence in missing:
        st.error(plain(sentence), icon=":material/error:")
    if config is not None and not missing:
        n_cells = sum(
            get_dataset(id, get_settings()).n_rows or 0
            for id in dict.fromkeys((config.dataset, *config.more_datasets))
        )
        kept = n_cells * (1 - config.held_out)
        steps = -(-int(kept) // config.training.batch_size) * config.training.epochs
        st.markdown(
            f"- {n_cells:,} cells, {config.held_out:.0%} of them held out\n"
            f"- {config.model.layers} layers of width {config.model.width}, up to "
            f"{config.model.max_length:,} genes\n"
            f"- {config.training.epochs} epochs, about {steps:,} steps; its rate and the time "
            "left are shown as soon as it works"
        )
        st.caption(
            "Medians and vocabulary are computed from the training cells alone; perplexity is "
            "measured on held-out cells, beside simpler guesses."
        )
    if st.button(
        "Start the training",
        type="primary",
        icon=":material/play_arrow:",
        key="pretrain-start",
        disabled=config is None or bool(missing),
        width="stretch",
    ):
        with guard():
            assert config is not None  # the button was enabled
            st.query_params[FOLLOWED] = submit(PRETRAINING, config, settings=get_settings())
            st.rerun()
    if config is not None:
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(PRETRAINING, config), language="bash", wrap_lines=True)


def _missing(config: RankPretrainingConfig | None) -> list[str]:
    """A sentence for each further data set that the workspace does not have."""
    sentences = []
    for id in config.more_datasets if config is not None else ():
        try:
            status = get_dataset(id, get_settings())
        except PerturbScopeError as error:
            sentences.append(str(error))
            continue
        if not dataset.has_counts(status):
            sentences.append(f"{id} has no raw counts in this workspace.")
    return sentences


@st.cache_data(max_entries=8, show_spinner=False)
def _evaluation(run_id: str, ended: str, folder: str) -> dict[str, Any]:
    return RankPretrainingResult.load(Path(folder)).evaluation


def _finished(done: dict[str, RunRecord]) -> None:
    """Curves and scores of one training, and the way to knock-outs with it."""
    titles = names(list(done.values()))
    row = st.columns([3, 1], vertical_alignment="bottom")
    with row[0]:
        opened = choice.select(
            "Finished training", list(done), key="trained", format_func=titles.__getitem__
        )
    record = done[opened]
    with row[1]:
        st.button(
            "Knock out with it",
            icon=":material/content_cut:",
            key="pretrained-use",
            on_click=use,
            args=(opened,),
        )
    evaluation = _evaluation(record.id, str(record.ended), str(record.folder))
    badge.simulated(bool(record.simulated))
    metrics = evaluation["metrics"]
    left, right = st.columns(2, gap="large")
    with left:
        history = pd.DataFrame(evaluation["history"])
        figure.show(
            learning_curves(history, figure.colours()),
            key="pretraining-curves",
            name=file_stem("pretraining", record.name),
            data=history,
        )
    with right:
        st.caption(
            f"{metrics['n_training_cells']:,} training cells, {metrics['n_genes']:,} genes, "
            f"{metrics['n_parameters'] / 1e6:.1f} million weights, {metrics['epochs']} epochs. Perplexity of masked "
            "genes of held-out cells (lower is better); label accuracy of held-out cells by their "
            "nearest training cells."
        )
        guesses = {title: metrics[key] for key, title in PERPLEXITIES.items() if key in metrics}
        _scores(guesses, "Perplexity", "%.0f")
        accuracies = _accuracies(metrics)
        _scores(accuracies, "Label accuracy", "%.3f")
        if evaluation["config"]["label_key"] and not accuracies:
            st.caption(
                f"No data set has {FEWEST_LABELLED} labelled cells in training and among the "
                "held-out ones: label accuracy was not measured."
            )
    for id, sentences in evaluation["encoding"].items():
        st.caption(f"{plain(id)}: {plain(' '.join(sentences))}")


def _accuracies(metrics: dict[str, Any]) -> dict[str, float]:
    """Of each layer and of PCA; a number at the end is that of a further data set."""
    return {
        key.removeprefix(ACCURACY).replace("_", " ").replace("pca", "PCA"): value
        for key, value in metrics.items()
        if key.startswith(ACCURACY)
    }


def _scores(rows: dict[str, float], head: str, form: str) -> None:
    if rows:
        st.dataframe(
            {"guess by": list(rows), head: list(rows.values())},
            column_config={head: st.column_config.NumberColumn(format=form)},
            hide_index=True,
        )


def use(run_id: str) -> None:
    """Open the one-gene view with the model of a finished training; a button's callback."""
    st.query_params.pop(FOLLOWED, None)
    for key, value in {
        "view": "now",
        "model": Source.RUN.value,
        "pretraining": run_id,
    }.items():
        st.session_state[key] = st.query_params[key] = value
    st.query_params.pop("gene", None)
