"""One knock-out: cosine before and after against rank, mode beside mode, and the verdict."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.models.rank_transformer.modes import MODE_HELP, Mode
from core.plots import knockouts as plots
from pages._knockouts_view import View
from pages.components import choice, figure
from pages.components.text import plain

SCALES = {
    "zoom": f"Zoom: cosine ≥ {plots.ZOOM}",
    "whole": "Whole",
    "distance": "Distance, logarithmic",
}
#: Modes whose step is told in words.
STEPS = (Mode.DELETE, Mode.SHIFT_ONLY, Mode.PAIRED, Mode.ATTENTION_MASK, Mode.MASK_TOKEN)
#: Where a larger share of a panel's points lies below the zoom, the whole is shown first.
MOST_HIDDEN = 0.05
#: Read-outs in the table: column → title.
COLUMNS = {
    "mode": "Mode",
    "auc_near": "AUC near the rank",
    "auc": "AUC, whole cell",
    "median_above": "Median above",
    "median_below": "Median below",
    "spearman_with_rank": "Spearman with rank",
    "cell_shift": "Cell shift",
    "cell_shift_others": "Cell shift, others",
}


def ranks(view: View) -> None:
    """Choice of knock-out and cell, figure, verdict, read-outs."""
    analysis = view.analysis
    left, middle, right = st.columns([2, 2, 3], vertical_alignment="bottom")
    with left:
        label = view.label()
    with middle:
        cell = view.cell(label)
    with right:
        axis = st.container()
    verdict(view, label, cell)
    responses: dict[str, np.ndarray] = {}
    knocked: tuple[int, ...] = ()
    for mode in analysis.modes:
        one = analysis.row(cell, mode, label)
        if one is not None:
            responses[mode.value], knocked = one[0], one[1] or knocked
    if not responses:
        st.info(f"{plain(label)} was not knocked out in this cell.")
        return
    hidden = {
        mode: float((r[np.isfinite(r)] > 1 - plots.ZOOM).mean()) for mode, r in responses.items()
    }
    with axis:
        scale = choice.segments(
            "Axis",
            list(SCALES),
            key="axis",
            default="whole" if max(hidden.values()) > MOST_HIDDEN else "zoom",
            format_func=SCALES.__getitem__,
            label_visibility="collapsed",
        )
    figure.show(
        plots.cosine_by_rank(
            responses,
            analysis.genes[cell],
            knocked,
            zoom=scale == "zoom",
            distance=scale == "distance",
            highlight=analysis.config.partners,
            palette=view.palette,
        ),
        key="knockout-ranks",
        data=lambda: analysis.responses_table(label, cell),
        name=view.name(label, analysis.cells["cell"].iloc[cell], "cosine-by-rank"),
        alt="Cosine of every gene's embedding before and after the knock-out, by rank",
    )
    below = [f"{share:.0%} of {mode}" for mode, share in hidden.items() if share > 0]
    st.caption(
        "Each point is a gene of the cell at its rank before the knock-out; the dashed line is the "
        "knocked rank. The knocked gene itself has no embedding after a deletion. Forward pass in "
        f"{analysis.config.precision}, cosines in float64."
        + (f" Below the zoom: {', '.join(below)}." if below and scale == "zoom" else "")
    )
    table(view, label, cell)


def verdict(view: View, label: str, cell: int) -> None:
    """What is seen, in a sentence, and the numbers that it comes from."""
    analysis = view.analysis
    outs = analysis.read_outs
    here = outs[(outs["target"] == label) & (outs["number"] == cell)]
    aucs = {str(m): float(a) for m, a in zip(here["mode"], here["auc_near"], strict=True)}
    share, _, _ = analysis.share(label)
    words, numbers = st.columns([3, 4], vertical_alignment="center")
    with words:
        st.markdown(f"##### {plain(analysis.verdict(label))}")
        st.caption(_step(aucs))
    with numbers:
        columns = st.columns(3)
        columns[0].metric(
            "Explained by rank",
            f"{share:.1%}" if np.isfinite(share) else "not known",
            border=True,
            help="1 − Σ|delete − shift only| / Σ delete over genes: the share of the response that "
            "moving the positions alone reproduces.",
        )
        shown = [m for m in (Mode.DELETE, analysis.clean_mode) if m is not None and m.value in aucs]
        for column, mode in zip(columns[1:], shown, strict=False):
            auc = aucs[mode.value]
            column.metric(
                f"AUC, {mode.value}",
                f"{auc:.3f}" if np.isfinite(auc) else "no two sides",
                border=True,
                help="Probability that one of the 100 genes below the knocked rank has moved more "
                "than one of the 100 above it: near 0.5 without a step, 1 with a clean step.",
            )


def _step(aucs: dict[str, float]) -> str:
    """The step of a deletion and of the mode without it, from their AUC."""
    said = []
    for mode in STEPS:
        auc = aucs.get(mode.value, np.nan)
        if not np.isfinite(auc):
            continue
        said.append(f"{mode.value}: {_word(auc)} (AUC {auc:.2f})")
    return "; ".join(said) + "." if said else "A side of the knocked rank has too few genes."


def _word(auc: float) -> str:
    if auc >= 0.9:
        return "a step"
    if auc <= 0.1:
        return "a step the other way"
    return "no step" if 0.25 <= auc <= 0.75 else "no clear step"


def table(view: View, label: str, cell: int) -> None:
    """Read-outs of every mode."""
    outs = view.analysis.read_outs
    here = outs[(outs["target"] == label) & (outs["number"] == cell)]
    order = {mode.value: i for i, mode in enumerate(view.analysis.modes)}
    here = here.sort_values("mode", key=lambda c: c.map(order))
    shown = here[list(COLUMNS)].rename(columns=COLUMNS)
    fine = st.column_config.NumberColumn(format="%.2e")
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            **dict.fromkeys(
                ("AUC near the rank", "AUC, whole cell"),
                st.column_config.NumberColumn(
                    format="%.3f",
                    help="Genes below against genes above the knocked rank: the 100 on either "
                    "side, or all of them.",
                ),
            ),
            "Spearman with rank": st.column_config.NumberColumn(format="%.3f"),
            **dict.fromkeys(
                ("Median above", "Median below", "Cell shift", "Cell shift, others"), fine
            ),
        },
    )
    with st.expander("What each mode does", icon=":material/help:"):
        st.markdown(
            "\n".join(f"- **{mode.value}**: {MODE_HELP[mode]}" for mode in view.analysis.modes)
        )
