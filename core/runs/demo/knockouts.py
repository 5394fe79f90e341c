"""A small finished knock-out run on real cells, so that the page opens with results."""

from __future__ import annotations

from typing import Any

from core.data import get_dataset, prepare
from core.errors import RunError
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.runs.demo.perturbation import _one_thread
from core.runs.jobs import get_run, list_runs, remove, run_here
from core.runs.store import STATUS, RunState, run_folders
from core.settings import Settings

STUDY, DATASET, TAG = "knockouts", "baron-human", "demo-knockouts"
LABEL = "Demo: knock-outs in islet cells"
#: Few ranks of few cells: some ten seconds of one core.
VALUES: dict[str, Any] = {
    "name": LABEL,
    "dataset": DATASET,
    "target": "all ranks",
    "stride": 100,
    "cells": {"n_cells": 2, "min_genes": 1000, "group_key": "cell_type1", "group": "alpha"},
    "goal": {"goal_key": "cell_type1", "goal_group": "beta", "goal_cells": 5},
    "window": 300,
    "n_draws": 200,
    "device": "cpu",
}


def _done(settings: Settings) -> bool:
    texts = ((path / STATUS).read_text("utf-8") for path in run_folders(settings))
    return any(f'"{TAG}"' in text and f'"{RunState.FINISHED}"' in text for text in texts)


def _make(settings: Settings, on_progress: OnProgress) -> None:
    from core.studies.knockouts.config import KnockoutsConfig

    for record in list_runs(study=STUDY, settings=settings):
        if TAG in record.tags and record.resumable:  # a set-up that was stopped half-way
            remove(record.id, settings=settings)
    if not get_dataset(DATASET, settings).ready:
        prepare(DATASET, settings=settings, on_progress=on_progress)
    config = KnockoutsConfig.model_validate(VALUES)
    with _one_thread():
        run_id = run_here(
            STUDY, config, settings=settings, on_progress=on_progress, tags=("demo", TAG)
        )
    record = get_run(run_id, settings=settings)
    if record.state != RunState.FINISHED:
        raise RunError(f"The run '{record.name}' is {record.state}: {record.error}")


DEMO_STEPS.add(
    TAG,
    DemoStep(_done, _make),
    label=LABEL,
    help="Every hundredth gene of two alpha cells, in five ways, and which of them move the "
    "cells towards beta cells, with the demonstration model.",
)
