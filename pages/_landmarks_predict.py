"""Predict all other genes from a few: begin a run, follow it, open a finished one."""

from __future__ import annotations

import streamlit as st

from core.data.gene_lists import L1000 as ALWAYS
from core.data.gene_lists import list_gene_lists
from core.data.signatures import parse_gene_list
from core.models.expression.base import EXPRESSION_MODELS
from core.runs import RunRecord, RunState, submit
from core.settings import get_settings
from core.studies.landmarks.config import LandmarksConfig
from pages import _landmarks_predicted as predicted
from pages._landmarks_view import LandmarkView
from pages.components import run_progress
from pages.components.command import command_line
from pages.components.config_form import check, study_form
from pages.components.guard import guard
from pages.components.run_table import runs_of
from pages.components.text import plain

STUDY = "landmarks"
#: URL parameters: the run that is followed, and the finished run that is shown.
RUN, OPEN = "run", "result"
L1000, SAVED, OWN = "L1000 landmarks", "Saved list", "Own list"
#: Genes that an uploaded list may hold, in bytes of text.
_MOST_BYTES = 2_000_000


def show(view: LandmarkView) -> None:
    """Draw the section."""
    records = [r for r in runs_of(STUDY) if r.config.get("dataset") == view.id]
    finished = [r for r in records if r.state == RunState.FINISHED]
    followed = st.query_params.get(RUN)
    if followed:
        with guard():
            run_progress.panel(followed)
    with st.expander("Begin a run", icon=":material/add_circle:", expanded=not records):
        form(view)
    if finished:
        record = choose(finished, followed)
        if record is not None:
            with guard():
                predicted.results(view, record)
    elif not followed:
        st.info(
            "No finished run on these cells yet: begin one above. It goes on in the background.",
            icon=":material/info:",
        )


def choose(finished: list[RunRecord], followed: str | None) -> RunRecord | None:
    """The finished run to show: the one just followed, else the newest."""
    by_id = {record.id: record for record in finished}
    ids = list(by_id)
    wanted = st.query_params.get(OPEN) or followed

    def words(id: str) -> str:
        record = by_id[id]
        return f"{record.name} · {record.created:%Y-%m-%d %H:%M}"

    # The address holds the id by hand: a bound widget would write the words that it shows.
    chosen = st.selectbox(
        "Finished run",
        ids,
        index=ids.index(wanted) if wanted in by_id else 0,
        format_func=words,
        key=f"landmarks-open-{wanted if wanted in by_id else ids[0]}",
        width=520,
    )
    if not followed or followed in by_id:  # else the followed run opens when it has finished
        st.query_params[OPEN] = chosen
    return by_id.get(chosen)


def form(view: LandmarkView) -> None:
    """Measured genes, models and splits; the button and the command line."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        genes, label = measured_genes(view)
        draft = study_form(
            LandmarksConfig,
            LandmarksConfig(),
            "landmarks.predict",
            {"models": EXPRESSION_MODELS},
            skip=("dataset", "data", "genes", "gene_set"),
        )
    draft |= {"dataset": view.id, "data": view.config, "genes": genes, "gene_set": label}
    config, faults = check(LandmarksConfig, draft)
    with right, st.container(border=True):
        st.subheader("This run", anchor=False)
        for fault in faults:
            st.error(plain(fault), icon=":material/error:")
        if config is None or genes is None:
            return
        match = view.data.match(genes) if genes else view.data.l1000
        mask = view.data.mask(match.matched.values())
        a, b, c = st.columns(3)
        a.metric("Measured", f"{int(mask.sum()):,}")
        b.metric("Predicted", f"{int((~mask).sum()):,}")
        c.metric("Splits", config.n_splits)
        missing = len(match.absent) + len(match.unknown)
        if missing:
            st.caption(f"{missing:,} genes of the set are not among the kept genes.")
        if st.button(
            "Start", type="primary", icon=":material/play_arrow:", key="start", width="stretch"
        ):
            run_id = submit(STUDY, config, settings=get_settings())
            st.query_params[RUN] = run_id
            st.query_params.pop(OPEN, None)
            st.rerun()
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, config), language="bash", wrap_lines=True)


def measured_genes(view: LandmarkView) -> tuple[tuple[str, ...] | None, str]:
    """Symbols of the measured genes, empty for L1000 (None: not usable), and their name."""
    kind = st.segmented_control(
        "Measured genes", [L1000, SAVED, OWN], default=L1000, required=True, key="landmarks-genes"
    )
    if kind == SAVED:
        return saved_genes(view)
    if kind != OWN:
        return (), ""
    text = st.text_area(
        "Symbols",
        key="landmarks-own",
        placeholder="INS, GCG, SST …",
        help="Separated by commas, spaces or lines; old symbols of L1000 genes are found too.",
    )
    uploaded = st.file_uploader("or a text file", type=["txt", "csv", "tsv"], key="landmarks-file")
    if uploaded is not None:
        content = uploaded.getvalue()
        if len(content) > _MOST_BYTES:
            st.error("The list is larger than 2 MB: that is no list of genes.")
            return None, ""
        text = f"{text}\n{content.decode('utf-8', errors='replace')}"
    genes = parse_gene_list(text)
    name = st.text_input("Name of the set", max_chars=80, key="landmarks-set-name")
    if not genes:
        st.caption(":red[Name at least two genes.]")
        return None, name
    _matched(view, genes)
    return genes, name


def saved_genes(view: LandmarkView) -> tuple[tuple[str, ...] | None, str]:
    """The genes of a list of this workspace (None: not chosen), and its name."""
    lists = {f.name: f for f in list_gene_lists(get_settings()) if f.name != ALWAYS}
    if not lists:
        st.caption(
            "No list is saved yet: *Select* saves the sets that it finds, *Compare sets* takes "
            "lists of your own."
        )
        return None, ""
    name: str = st.selectbox(
        "Saved list",
        list(lists),
        format_func=lambda name: f"{name} ({len(lists[name]):,})",
        key="landmarks-saved",
    )
    found = lists[name]
    if found.source:
        st.caption(plain(found.source))
    if found.dataset == view.id:
        st.caption(
            ":material/info: Learned on these cells, on the training cells of the first split of "
            "its seed: in further splits it has seen test cells. One split is the strict figure."
        )
    _matched(view, found.genes)
    return found.genes, found.name


def _matched(view: LandmarkView, genes: tuple[str, ...]) -> None:
    words = view.data.match(genes).words()
    st.caption(plain(words.replace("absent from the model", "not among the kept genes")))
