"""What a run would do, beside its form: rows, fits, cautions, and the same run on the CLI."""

from __future__ import annotations

import streamlit as st

from core.data.table import PerturbationTable
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.outlook import Outlook
from core.studies.perturbation.outlook import outlook as compute
from pages.components.text import plain


@st.cache_data(max_entries=64, show_spinner=False)
def _cached(content_hash: str, config: str, _table: PerturbationTable) -> Outlook:
    checked = PerturbationConfig.model_validate_json(config)
    return compute(checked, _table.obs, _table.n_genes)


def outlook(config: PerturbationConfig, table: PerturbationTable) -> None:
    """Draw the shape of the run and its cautions."""
    shape = _cached(table.content_hash, config.model_dump_json(), table)
    left, middle, right = st.columns([2, 3, 4])
    left.metric("Fits", shape.fits, help=_fits(shape))
    middle.metric("Pairs", f"{shape.n_train:,}")
    right.metric("Genes", f"{table.n_genes:,}")
    st.markdown(_folds(shape))
    for caution in shape.cautions:
        st.warning(plain(caution), icon=":material/warning:")


def _fits(shape: Outlook) -> str:
    n = shape.n_networks + shape.n_others
    words = f"{n} chosen model{'s' if n > 1 else ''} × {len(shape.folds)} folds"
    words += ", and each once more on all training rows" if shape.final_fit else ""
    return f"{words}. {shape.n_baselines} quick baselines run in the same folds."


def _folds(shape: Outlook) -> str:
    lines = []
    train = _span([rows for rows, _ in shape.folds])
    held = _span([rows for _, rows in shape.folds])
    lines.append(f"- {len(shape.folds)} folds: {train} pairs to train on, {held} held out")
    never = shape.n_train - sum(rows for _, rows in shape.folds)
    if never:
        lines.append(f"- {never} pairs are never held out by this scheme")
    if shape.network_fits:
        lines.append(f"- {shape.network_fits} of {shape.fits} fits train a network")
    if shape.n_test and shape.final_fit:
        lines.append(f"- then {shape.n_test} test pairs are predicted")
    return "\n".join(lines)


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} – {high:,}"
