"""Results of finished runs as tidy rows, opened once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core.data.table import PRIVATE_TEST, PUBLIC_TEST, TRAIN
from core.plots.theme import Palette
from core.runs import RunRecord, RunState
from core.studies.perturbation.grouping import BASELINE, CHOSEN, series_of, with_strength
from core.studies.perturbation.result import PerturbationResult
from core.studies.perturbation.scoring import ORACLE
from pages.components.run_labels import model_label, names

#: Split → its name for people; training rows are scored while they are held out.
SPLITS = {TRAIN: "Validation", PUBLIC_TEST: "Public test", PRIVATE_TEST: "Private test"}
#: Baselines that stand beside the models where nothing else is chosen.
USUAL = ("mean", "geometric_median")


def finished(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Those that have results; says so where there are none."""
    done = [record for record in records if record.state == RunState.FINISHED]
    if not done:
        st.info("None of the selected runs has finished yet.", icon=":material/hourglass:")
    return done


def result(record: RunRecord) -> PerturbationResult:
    """The result of a finished run."""
    return _result(str(record.folder), record.attempt)


@st.cache_resource(max_entries=32, show_spinner=False)
def _result(folder: str, attempt: int) -> PerturbationResult:
    return PerturbationResult.load(Path(folder))


def rows(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Row scores of all models of finished runs; see :func:`series_of` for what is added."""
    key = tuple((str(record.folder), record.attempt) for record in records)
    return _rows(key, tuple(names(records).values()), list(records))


@st.cache_data(max_entries=16, show_spinner=False)
def _rows(
    key: tuple[tuple[str, int], ...], labels: tuple[str, ...], _records: list[RunRecord]
) -> pd.DataFrame:
    parts = []
    for record, label in zip(_records, labels, strict=True):
        opened = result(record)
        chosen = set(opened.models())
        frame = with_strength(opened.rows())
        kind = frame["model"].map(
            lambda m, chosen=chosen: CHOSEN if m in chosen else ORACLE if m == ORACLE else BASELINE
        )
        parts.append(
            frame.assign(
                run=label,
                kind=kind,
                label=frame["model"].map(model_label),
                primary=frame["model"] == opened.primary,
            )
        )
    return series_of(pd.concat(parts, ignore_index=True))


def choose_split(frame: pd.DataFrame, key: str) -> str:
    """Let the user choose which rows are looked at; returns a split of the table."""
    there = [split for split in SPLITS if (frame["split"] == split).any()]
    options = [SPLITS[split] for split in there]
    chosen = st.segmented_control(
        "Pairs",
        options,
        default=options[0],
        required=True,
        key=key,
        bind="query-params",
        help="Validation: training pairs, each predicted while it was held out. Test: pairs "
        "predicted by the final fit.",
    )
    return there[options.index(str(chosen))]


def choose_series(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """Let the user choose models; the rows of those, in the order chosen, none twice."""
    frame = frame[~frame["repeated"]]
    every = frame.drop_duplicates("series")
    options = every["series"].tolist()
    # Of several runs only what each stands for: all members of all ensembles are unreadable.
    several = frame["run"].nunique() > 1
    main = every["primary"] if several else every["kind"].eq(CHOSEN)
    default = every.loc[main | every["model"].isin(USUAL), "series"].tolist()
    runs = "-".join(every["run"].unique())
    chosen = st.multiselect(
        "Models", options, default=default, key=f"{key}-{runs}", select_all=False, wrap=True
    )
    order = {series: position for position, series in enumerate(chosen)}
    kept = frame[frame["series"].isin(order)]
    return kept.sort_values("series", key=lambda s: s.map(order), kind="stable")


def colours(frame: pd.DataFrame, palette: Palette) -> dict[str, str]:
    """Colours of the series: the palette's for chosen models, greys for what they are held to."""
    every = frame.drop_duplicates("series")
    chosen = every.loc[every["kind"] == CHOSEN, "series"]
    shades = {str(name): colour for name, colour in palette.colours(chosen).items()}
    others = every.loc[every["kind"] != CHOSEN, "series"].tolist()
    for position, name in enumerate(others):
        shades[name] = mix(palette.muted, palette.background, 0.18 * position)
    return shades


def mix(colour: str, other: str, share: float) -> str:
    """``colour`` with a share (at most 0.7) of another one; both ``#rrggbb``."""
    share = min(share, 0.7)
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
