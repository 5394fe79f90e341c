"""The cell explorer's opening example, embedded."""

from __future__ import annotations

from core.data import get_dataset, prepare
from core.data.attachments import attached
from core.errors import RunError
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.runs.jobs import get_run, run_here
from core.runs.store import RunState
from core.settings import Settings

EXAMPLE = "bone-marrow-aml"
TAG = "demo-cells"
LABEL = "Demo: embedding of the bone marrow cells"


def _done(settings: Settings) -> bool:
    if not get_dataset(EXAMPLE, settings).ready:
        return False
    return {"X_pca", "X_umap"} <= set(attached(EXAMPLE, settings)["obsm"])


def _make(settings: Settings, on_progress: OnProgress) -> None:
    from core.studies.cells.config import CellsConfig

    prepare(EXAMPLE, settings=settings, on_progress=on_progress)
    config = CellsConfig(name=LABEL, dataset=EXAMPLE)
    run_id = run_here(
        "cells", config, settings=settings, on_progress=on_progress, tags=("demo", TAG)
    )
    record = get_run(run_id, settings=settings)
    if record.state != RunState.FINISHED:
        raise RunError(f"The run '{record.name}' is {record.state}: {record.error}")


DEMO_STEPS.add(
    TAG,
    DemoStep(_done, _make),
    label=LABEL,
    help="Healthy and leukaemic bone marrow with PCA, UMAP and clusters.",
)
