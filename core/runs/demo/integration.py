"""A small finished integration of real cells, so that the integration page opens with maps."""

from __future__ import annotations

from typing import Any

from core.data import load_cells
from core.errors import RunError
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.runs.jobs import get_run, list_runs, remove, run_here
from core.runs.store import STATUS, RunState, run_folders
from core.settings import Settings

TAG, DATASET, LABEL = "demo-integration", "baron-mouse", "Demo: mouse islets, two donors"
#: PCA to compare with, one peer, the residual corrector, and topics to look at.
METHODS = ("none", "harmony", "corrector", "scetm")


def _done(settings: Settings) -> bool:
    texts = ((path / STATUS).read_text("utf-8") for path in run_folders(settings))
    return any(f'"{TAG}"' in text and f'"{RunState.FINISHED}"' in text for text in texts)


def _make(settings: Settings, on_progress: OnProgress) -> None:
    from core.models.integrators.base import INTEGRATORS
    from core.studies.integration.columns import guess_batch_key, guess_label_key
    from core.studies.integration.config import IntegrationConfig

    for record in list_runs(settings=settings):
        if TAG in record.tags and record.resumable:  # a set-up that was stopped half-way
            remove(record.id, settings=settings)
    obs = load_cells(DATASET, settings).obs
    batch_key = guess_batch_key(obs)
    values: dict[str, Any] = {
        "name": LABEL,
        "dataset": DATASET,
        "batch_key": batch_key,
        "label_key": guess_label_key(obs, batch_key),
        "methods": [{"name": n} for n in METHODS if INTEGRATORS.get(n).value.missing() is None],
    }
    config = IntegrationConfig.model_validate(values)
    run_id = run_here(
        "integration", config, settings=settings, on_progress=on_progress, tags=("demo", TAG)
    )
    record = get_run(run_id, settings=settings)
    if record.state != RunState.FINISHED:
        raise RunError(f"The run '{record.name}' is {record.state}: {record.error}")


DEMO_STEPS.add(
    TAG,
    DemoStep(_done, _make),
    label=LABEL,
    help="Mouse islets of two donors (Baron 2016), before and after Harmony, the corrector and scETM.",
)
