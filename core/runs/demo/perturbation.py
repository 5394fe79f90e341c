"""Small finished runs of the perturbation study, so that Train and Runs open with curves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.errors import RunError
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.runs.jobs import get_run, list_runs, remove, run_here
from core.runs.store import STATUS, RunState, run_folders
from core.settings import Settings

STUDY, DATASET = "perturbation", "op2-demo"
#: Narrow networks, a low-rank head and few folds: about a minute of two cores for all of them.
_SMALL: dict[str, Any] = {
    "dataset": DATASET,
    "validation": {"scheme": "competition", "n_folds": 3},
    "target": {"n_components": 64},
}
_NARROW = {"cell_width": 128, "molecule_width": 128, "head_width": 128}
DEMO_RUNS: dict[str, dict[str, Any]] = {
    "demo-mlp": {
        "name": "Demo: MLP",
        "models": [{"name": "mlp", "params": _NARROW}],
        "training": {"epochs": 30, "patience": 0, "learning_rate": 3e-3},
    },
    "demo-transformer": {
        "name": "Demo: transformer",
        "models": [{"name": "transformer"}],
        "features": [{"name": "onehot"}, {"name": "target_statistics"}],
        "training": {"epochs": 30, "patience": 0},
    },
    "demo-ensemble": {
        "name": "Demo: classical ensemble",
        "models": [{"name": "knn"}, {"name": "ridge"}, {"name": "kernel_ridge"}],
    },
}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small gain nothing from more threads, and wait long on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _step(tag: str, values: dict[str, Any]) -> DemoStep:
    def done(settings: Settings) -> bool:
        return any(
            f'"{tag}"' in text and f'"{RunState.FINISHED}"' in text
            for text in ((path / STATUS).read_text("utf-8") for path in run_folders(settings))
        )

    def make(settings: Settings, on_progress: OnProgress) -> None:
        from core.studies.perturbation.config import PerturbationConfig

        for record in list_runs(study=STUDY, settings=settings):
            if tag in record.tags and record.resumable:  # a set-up that was stopped half-way
                remove(record.id, settings=settings)
        config = PerturbationConfig.model_validate(_SMALL | values)
        with _one_thread():
            run_id = run_here(
                STUDY, config, settings=settings, on_progress=on_progress, tags=("demo", tag)
            )
        record = get_run(run_id, settings=settings)
        if record.state != RunState.FINISHED:
            raise RunError(f"The run '{record.name}' is {record.state}: {record.error}")

    return DemoStep(done, make)


for _tag, _values in DEMO_RUNS.items():
    DEMO_STEPS.add(
        _tag,
        _step(_tag, _values),
        label=_values["name"],
        help="A small finished run on the simulated demo table.",
    )
