"""How far the modes agree with each other on the same knock-outs."""

from __future__ import annotations

import streamlit as st

from core.models.rank_transformer.modes import Mode
from core.plots import knockouts as plots
from pages._knockouts_view import View
from pages.components import choice, figure

ALL = "all knock-outs"


def modes(view: View) -> None:
    """Matrices of Spearman correlation and of the overlap of the top genes."""
    analysis = view.analysis
    if len(analysis.modes) < 2:
        st.info("Compute two modes or more to compare them.", icon=":material/compare:")
        return
    label = None
    if 1 < len(analysis.labels) <= 60:
        of = choice.select("Of", [ALL, *analysis.labels], key="of", default=ALL)
        label = None if of == ALL else of
    table = analysis.agreement
    if label is not None:
        table = table[table["target"] == label]
    if table.empty:
        st.info("No two modes share a knock-out here.")
        return
    top = analysis.config.top
    left, right = st.columns(2)
    for place, measure, title in (
        (left, "spearman", "Spearman correlation over genes"),
        (right, "top_overlap", f"Overlap of the top {top} genes"),
    ):
        with place:
            matrix = analysis.agreement_matrix(measure, label)
            figure.show(
                plots.mode_matrix(matrix, title, palette=view.palette),
                key=f"knockout-{measure}",
                data=matrix,
                name=view.name(label or "all", measure),
                alt=f"{title} between modes of knocking out",
            )
    expected = float(table["expected_overlap"].median())
    n = len(table[["number", "target"]].drop_duplicates())
    st.caption(
        (f"Median over {n:,} knock-outs. " if n > 1 else "")
        + f"Two random choices of {top} genes would overlap by {expected:.0%}."
    )
    said = _sentence(view, label)
    if said:
        st.markdown(f"**{said}**")


def _sentence(view: View, label: str | None) -> str:
    """Whether deletion, raw and paired, agrees with a mode that leaves positions alone."""
    have = set(view.analysis.modes)
    if not {Mode.DELETE, Mode.PAIRED, Mode.ATTENTION_MASK} <= have:
        return ""
    masked = view.analysis.agreement_matrix("spearman", label)[Mode.ATTENTION_MASK.value].to_dict()
    paired, raw = float(masked[Mode.PAIRED.value]), float(masked[Mode.DELETE.value])
    verb = "agrees" if paired >= 0.95 else "agrees in part" if paired >= 0.5 else "does not agree"
    other = "does not" if raw < 0.5 else "does so in part" if raw < 0.95 else "does so too"
    return (
        f"The paired control {verb} with the attention mask (Spearman {paired:.3f}); raw deletion "
        f"{other} ({raw:.3f})."
    )
