"""A small finished landmark run on real cells, so that the landmarks page opens with results."""

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

STUDY, DATASET, TAG = "landmarks", "baron-human", "demo-landmarks"
LABEL = "Demo: L1000 in human islets"
#: Quick models, and genes seen in more cells than the paper asks: some seconds of two cores.
VALUES: dict[str, Any] = {
    "name": LABEL,
    "dataset": DATASET,
    "data": {"gene_min_cells": 40},
    "n_splits": 3,
    "ensemble_folds": 1,
    "models": [
        {"name": "mean"},
        {"name": "cell_type_mean"},
        {"name": "ridge"},
        {"name": "knn"},
        {"name": "ratio_knn"},
        {"name": "dnn", "params": {"width": 128, "epochs": 8}},
    ],
}


def _done(settings: Settings) -> bool:
    texts = ((path / STATUS).read_text("utf-8") for path in run_folders(settings))
    return any(f'"{TAG}"' in text and f'"{RunState.FINISHED}"' in text for text in texts)


def _make(settings: Settings, on_progress: OnProgress) -> None:
    from core.studies.landmarks.config import LandmarksConfig

    for record in list_runs(study=STUDY, settings=settings):
        if TAG in record.tags and record.resumable:  # a set-up that was stopped half-way
            remove(record.id, settings=settings)
    if not get_dataset(DATASET, settings).ready:
        prepare(DATASET, settings=settings, on_progress=on_progress)
    config = LandmarksConfig.model_validate(VALUES)
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
    help="The L1000 landmarks among a quarter of Baron's human islet cells, and what they predict.",
)
