"""Step 3: what a molecule should do, and how the genes asked for are found in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from core.data.signatures import (
    GeneMatch,
    Signature,
    leukaemia_signature,
    match_genes,
    parse_gene_list,
    read_de_table,
)
from core.errors import DataError
from core.studies.screening.config import (
    DIRECTIONS,
    LEUKAEMIA,
    Direction,
    Kind,
    ObjectiveConfig,
    Score,
)
from pages.components.config_form import problems
from pages.components.screening import uploads
from pages.components.screening.model import Model
from pages.components.text import plain

LISTS, TABLE, CELLS = "Two lists", "A table", "Leukaemic against healthy"
KINDS = {Kind.GENES: "Change genes", Kind.SIGNATURE: "Reverse or match a signature"}
FIRST_GENE = "CD69"
MOST_FIRST = 5
ABOUT_CELLS = (
    "Acute myeloid leukaemia against healthy bone marrow, computed here: 473 and 527 single cells, "
    "1,000 genes, a Wilcoxon rank-sum test of each gene ([Zheng et al. "
    "2017](https://doi.org/10.1038/ncomms14049), 10x Genomics, CC BY 4.0; a subsample of few "
    "donors, so differences between donors are part of the signature)."
)


@dataclass(frozen=True)
class Objective:
    """What is asked, and how its genes were found.

    Attributes
    ----------
    config
        None where something is missing or wrong; ``faults`` then say what.
    match
        The genes in the model's symbols; None where there are none.
    """

    config: ObjectiveConfig | None
    match: GeneMatch | None
    faults: tuple[str, ...] = ()


def choose(model: Model) -> Objective:
    """Let the user say what a molecule should do."""
    kind = st.segmented_control(
        "Objective",
        list(KINDS),
        format_func=KINDS.__getitem__,
        default=Kind.GENES,
        required=True,
        key="screen-kind",
        label_visibility="collapsed",
    )
    direction = st.segmented_control(
        "Direction",
        DIRECTIONS[kind],
        format_func=lambda d: str(d).capitalize(),
        default=DIRECTIONS[kind][0],
        required=True,
        key=f"screen-direction-{kind}",
    )
    faults: list[str] = []
    values: dict[str, Any] = {"kind": kind, "direction": direction}
    genes: Sequence[str] = ()
    try:
        found, genes = _genes(model) if kind == Kind.GENES else _signature()
        values |= found
    except DataError as error:
        faults.append(str(error))
    if kind == Kind.SIGNATURE:
        values["score"] = _score()
    if faults or not genes:
        return Objective(None, None, tuple(faults))
    match = match_genes(genes, model.genes)
    _report(match)
    if not match.matched:
        faults.append("None of these genes is predicted by this model.")
        return Objective(None, match, tuple(faults))
    try:
        return Objective(ObjectiveConfig(**values), match)
    except ValidationError as error:
        return Objective(None, match, tuple(problems(error, ObjectiveConfig)))


def _genes(model: Model) -> tuple[dict[str, Any], Sequence[str]]:
    first = FIRST_GENE if FIRST_GENE in model.genes else str(model.genes[0])
    text = st.text_input(
        "Genes",
        first,
        key=f"screen-genes-{model.id}",
        help="Symbols with commas or spaces between them; the mean response over them counts.",
    )
    genes = parse_gene_list(text)
    return {"genes": genes}, genes


def _signature() -> tuple[dict[str, Any], Sequence[str]]:
    source = st.segmented_control(
        "Signature from",
        [CELLS, LISTS, TABLE],
        default=CELLS,
        required=True,
        key="screen-signature",
    )
    if source == LISTS:
        left, right = st.columns(2)
        up = parse_gene_list(left.text_area("Up genes", key="screen-up", height=110))
        down = parse_gene_list(right.text_area("Down genes", key="screen-down", height=110))
        if not (up or down):
            return {}, ()
        Signature(up, down)  # says so where a gene is in both
        return {"up": up, "down": down}, (*up, *down)
    n_top = st.slider(
        "Genes in each direction",
        10,
        500,
        150,
        10,
        key="screen-n-top",
        help="At most so many, the strongest first, with a false-discovery rate below 0.05.",
    )
    if source == TABLE:
        upload = st.file_uploader(
            "Differential expression (CSV or TSV)",
            type=["csv", "tsv", "txt", "gz"],
            key="screen-table",
            help="A gene column and a statistic or log fold change; adjusted p-values are used "
            "where there are any.",
        )
        if upload is None:
            return {}, ()
        path = uploads.keep(upload)
        signature = _from_table(str(path), int(n_top))
        _show(signature)
        return {"table": path.name, "n_top": int(n_top)}, [*signature.up, *signature.down]
    st.caption(ABOUT_CELLS)
    signature = _from_cells(int(n_top))
    _show(signature)
    return {"table": LEUKAEMIA, "n_top": int(n_top)}, [*signature.up, *signature.down]


@st.cache_data(max_entries=8, show_spinner="Comparing leukaemic with healthy cells …")
def _from_cells(n_top: int) -> Signature:
    return leukaemia_signature(n_top)


@st.cache_data(max_entries=8, show_spinner="Reading the table …")
def _from_table(path: str, n_top: int) -> Signature:
    from pathlib import Path

    return read_de_table(Path(path), n_top=n_top)


def _show(signature: Signature) -> None:
    up, down = len(signature.up), len(signature.down)
    st.caption(
        f"{up} genes up ({_few(signature.up)}), {down} down ({_few(signature.down)}). "
        f"{plain(signature.source)}."
    )


def _few(genes: Sequence[str]) -> str:
    words = ", ".join(genes[:MOST_FIRST]) or "none"
    return plain(words) + (" …" if len(genes) > MOST_FIRST else "")


def _score() -> Score:
    words = {
        Score.WEIGHTED: "Weighted connectivity",
        Score.COSINE: "Cosine",
        Score.SPEARMAN: "Spearman",
    }
    score = st.segmented_control(
        "Score",
        list(Score),
        format_func=words.__getitem__,
        default=Score.WEIGHTED,
        required=True,
        key="screen-score",
        help="Weighted: two running sums over the ranked response, as the Connectivity Map's "
        "(Subramanian et al. 2017). Cosine: exact at streaming speed, for large libraries. "
        "Spearman: rank correlation over the signature's genes.",
    )
    return Score(score)


def _report(match: GeneMatch) -> None:
    """How many genes were found, and each of them on demand."""
    lost = len(match.absent) + len(match.unknown)
    icon = ":material/warning:" if lost else ":material/check_circle:"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{icon} Genes: {plain(match.words())}", width="stretch")
        with st.popover("Gene by gene", type="tertiary", key="screen-genes-report"):
            table = match.table()
            order = pd.Categorical(
                table["status"], ["unknown", "absent from the model", "renamed", "matched"]
            )
            st.dataframe(
                table.iloc[order.codes.argsort(kind="stable")],
                hide_index=True,
                key="screen-genes-table",
                column_config={
                    "given": "Given",
                    "gene": "In the model",
                    "status": "Status",
                },
            )
    caution = thin(len(match.matched), len(match.table()))
    if caution:
        st.warning(caution, icon=":material/warning:")


def thin(n_found: int, n_given: int) -> str:
    """A caution where little of what was asked for is in the model; else empty."""
    if n_given < 5 or n_found >= 0.5 * n_given:
        return ""
    return (
        f"Only {n_found:,} of {n_given:,} genes are predicted by this model: the score stands on "
        "those alone."
    )


def direction_words(config: ObjectiveConfig) -> str:
    """The objective in a few words, for headlines."""
    if config.kind is Kind.GENES:
        few = ", ".join(config.genes[:3]) + (" …" if len(config.genes) > 3 else "")
        return f"{'lower' if config.direction is Direction.LOWER else 'raise'} {few}"
    what = "the leukaemia signature" if config.table == LEUKAEMIA else "a signature"
    return f"{config.direction} {what}"
