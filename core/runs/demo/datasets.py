"""Data sets of the demo workspace."""

from __future__ import annotations

from core.data import DATASETS, get_dataset, prepare
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.settings import Settings

#: A simulated perturbation table, and two sets of real cells.
DEMO_DATASETS = ("op2-demo", "baron-mouse", "pbmc68k")


def _step(id: str) -> DemoStep:
    def done(settings: Settings) -> bool:
        return get_dataset(id, settings).ready

    def make(settings: Settings, on_progress: OnProgress) -> None:
        prepare(id, settings=settings, on_progress=on_progress)

    return DemoStep(done, make)


for _id in DEMO_DATASETS:
    _entry = DATASETS.get(_id)
    DEMO_STEPS.add(_id, _step(_id), label=_entry.label, help=_entry.help)
