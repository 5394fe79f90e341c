"""A small finished selection of landmark genes, on real cells of mouse islets."""

from __future__ import annotations

from typing import Any

from core.errors import RunError
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.runs.jobs import get_run, list_runs, remove, run_here
from core.runs.store import STATUS, RunState, run_folders
from core.settings import Settings

STUDY, TAG, LABEL = "landmark-selection", "demo-landmark-selection", "Demo: 200 landmark genes"
#: Few cells and genes: some seconds of one core.
_SMALL: dict[str, Any] = {
    "name": LABEL,
    "dataset": "baron-mouse",
    "selectors": [
        {"name": "random"},
        {"name": "highly_variable"},
        {"name": "pivoted_qr"},
        {"name": "group_lasso", "params": {"n_components": 20}},
        {"name": "design"},
    ],
    "n_genes": 200,
    "n_splits": 3,
    "n_bootstraps": 3,
    "data": {"max_cells": 600, "gene_min_cells": 30},
}


def _done(settings: Settings) -> bool:
    texts = ((path / STATUS).read_text("utf-8") for path in run_folders(settings))
    return any(f'"{TAG}"' in text and f'"{RunState.FINISHED}"' in text for text in texts)


def _make(settings: Settings, on_progress: OnProgress) -> None:
    from core.studies.landmark_selection.config import LandmarkSelectionConfig

    for record in list_runs(study=STUDY, settings=settings):
        if TAG in record.tags and record.resumable:  # a set-up that was stopped half-way
            remove(record.id, settings=settings)
    config = LandmarkSelectionConfig.model_validate(_SMALL)
    run_id = run_here(STUDY, config, settings=settings, on_progress=on_progress, tags=("demo", TAG))
    record = get_run(run_id, settings=settings)
    if record.state != RunState.FINISHED:
        raise RunError(f"The run '{record.name}' is {record.state}: {record.error}")


DEMO_STEPS.add(
    TAG,
    DemoStep(_done, _make),
    label=LABEL,
    help="Sets of 200 genes by five methods on mouse islets, judged on three splits.",
)
