"""Runs: submit, watch, cancel, resume, compare; only this room knows MLflow and Dask.

Importing it is cheap: Dask, MLflow, pandas and torch are imported where they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.runs.cluster import ensure_cluster, stop_cluster
from core.runs.compare import (
    cell_type_metrics,
    curve_summary,
    differing_parameters,
    flatten,
    metric_table,
)
from core.runs.jobs import (
    cancel,
    get_run,
    list_runs,
    remove,
    resume,
    run_here,
    running,
    submit,
    wait_handed_over,
)
from core.runs.store import (
    RunProgress,
    RunRecord,
    RunState,
    history_of,
    read_progress,
    run_folder,
    run_folders,
)

if TYPE_CHECKING:
    import pandas as pd

    from core.settings import Settings

__all__ = [
    "RunProgress",
    "RunRecord",
    "RunState",
    "cancel",
    "cell_type_metrics",
    "curve_summary",
    "differing_parameters",
    "ensure_cluster",
    "flatten",
    "get_run",
    "history",
    "list_runs",
    "metric_table",
    "progress",
    "remove",
    "resume",
    "run_folders",
    "run_here",
    "running",
    "stop_cluster",
    "submit",
    "wait_handed_over",
]


def history(run_id: str, *, settings: Settings | None = None) -> pd.DataFrame:
    """Epoch records of a run, as far as it is.

    Returns
    -------
    pandas.DataFrame
        One row an epoch, in the order trained: ``model``, ``fold`` (text: ``"0"`` … or
        ``"final"``), ``epoch`` (int), ``train_loss``, ``val_loss``, ``val_mrrmse``,
        ``learning_rate``, ``seconds`` (float, NaN where not measured). A line that is being
        written at this moment is left out.

    Raises
    ------
    RunError
        Where the workspace has no such run.
    """
    return history_of(run_folder(run_id, settings))


def progress(run_id: str, *, settings: Settings | None = None) -> RunProgress:
    """How far a run is."""
    return read_progress(run_folder(run_id, settings))
