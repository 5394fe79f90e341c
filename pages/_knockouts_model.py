"""The choice of a model, its card, and what of the cells its vocabulary knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from core.runs import RunState, list_runs
from core.settings import get_settings
from core.studies.knockouts.config import ModelChoice, Source
from pages.components import choice
from pages.components.text import plain

LABELS = {
    Source.DEMONSTRATION: "Demonstration model (ships with the app)",
    Source.RUN: "Pretrained in this workspace",
    Source.FOLDER: "Geneformer V1 folder of yours",
    Source.UNTRAINED: "Untrained model (control)",
}


def choose() -> ModelChoice | None:
    """Where the model comes from, with what that needs; None after saying what is missing."""
    source = Source(
        choice.select(
            "Model",
            [s.value for s in Source],
            key="model",
            default=Source.DEMONSTRATION.value,
            format_func=lambda s: LABELS[Source(s)],
            help="An untrained model shows the same step: it is the mechanism, not the training.",
        )
    )
    values: dict[str, Any] = {"source": source}
    if source is Source.RUN:
        runs = {
            r.id: r.name
            for r in list_runs(study="rank-pretraining", settings=get_settings())
            if r.state == RunState.FINISHED
        }
        if not runs:
            st.info(
                "No pretraining has finished in this workspace: begin one under Train a model.",
                icon=":material/model_training:",
            )
            return None
        values["run_id"] = choice.select(
            "Pretraining", list(runs), key="pretraining", format_func=runs.__getitem__
        )
    elif source is Source.FOLDER:
        left, right = st.columns(2)
        with left:
            values["folder"] = st.text_input(
                "Folder on the server",
                key="folder",
                bind="query-params",
                placeholder="/data/Geneformer",
                help="config.json and model.safetensors; pickles are never opened.",
            )
        with right:
            table = st.text_input(
                "Vocabulary table",
                key="vocabulary",
                bind="query-params",
                help="Ensembl id, token, non-zero median; empty: vocabulary.parquet in the folder.",
            )
        values["vocabulary"] = table or None
        if not values["folder"]:
            st.info("Name the folder of the model.", icon=":material/folder:")
            return None
    try:
        return ModelChoice(**values)
    except ValidationError as error:
        st.error(plain(error.errors()[0]["msg"]))
        return None


def badge(card: Mapping[str, Any]) -> None:
    """A label where the model is a demonstration or a control."""
    if card.get("untrained"):
        st.badge("Untrained model: a control", icon=":material/shuffle:", color="gray")
    elif card.get("demonstration"):
        st.badge("Demonstration model", icon=":material/science:", color="orange")


def card(facts: Mapping[str, Any]) -> None:
    """What is known of the model, and what it was measured to know."""
    about = dict(facts["card"])
    shape = facts["shape"]
    badge(about)
    st.markdown(f"**{plain(about.get('name', 'Model'))}**")
    if about.get("about"):
        st.write(plain(about["about"]))
    st.caption(
        f"{shape['layers']} layers, width {shape['width']}, {shape['heads']} heads, up to "
        f"{shape['length']:,} genes, {shape['vocabulary']:,} genes in the vocabulary, "
        f"{shape['parameters'] / 1e6:.1f} million weights; fingerprint "
        f"{facts['fingerprint'][:12]}."
    )
    rows = dict(_flat({k: v for k, v in about.items() if k not in _SAID}))
    if rows:
        st.dataframe(
            {"": list(rows), "value": [str(v) for v in rows.values()]},
            hide_index=True,
            height=min(38 + 35 * len(rows), 320),
        )


_SAID = {"name", "about", "demonstration", "untrained"}


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Nested values as lines."""
    out: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            out += _flat(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            out.append((name, ", ".join(map(str, value))))
        else:
            out.append((name, f"{value:,.4g}" if isinstance(value, float) else value))
    return out


def coverage(facts: Mapping[str, Any]) -> None:
    """What of the data is not in the vocabulary; loud where much is missing."""
    if facts["counts_unknown"] > 0.15:
        st.warning(
            f"{facts['counts_unknown']:.0%} of the counts lie in genes that this model's "
            "vocabulary does not have: they have no rank here.",
            icon=":material/visibility_off:",
        )
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in facts["coverage"]))
