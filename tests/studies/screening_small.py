"""Small finished perturbation runs to screen with, and ways to run a screen on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from core import runs
from core.settings import Settings
from core.studies.perturbation.predictor import Predictor
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.result import ScreeningResult
from tests.studies.test_perturbation import make_config

WIDTH = {"cell_width": 16, "molecule_width": 16, "head_width": 16, "dropout": 0.0}
ALL = ("mlp", "knn", "kernel_ridge", "ridge", "forest", "cell_type_mean", "geometric_median")


def train(settings: Settings, **changes: Any) -> str:
    """A finished perturbation run on the tiny table; its id."""
    run_id = runs.run_here("perturbation", make_config(**changes), settings=settings)
    assert runs.get_run(run_id, settings=settings).state == "finished"
    return run_id


def predictor(run_id: str, settings: Settings) -> Predictor:
    return Predictor.load(settings.runs_folder / run_id, settings)


def screen(settings: Settings, run_id: str, library: Path | str, **changes: Any) -> ScreeningResult:
    """A screen in this process, to its end."""
    values: dict[str, Any] = {
        "input": str(library),
        "run_id": run_id,
        "objective": {"kind": "genes", "genes": ["G1", "G2"], "direction": "lower"},
        "n_permutations": 50,
        "chunk_size": 10,
        "top_n": 3,
    }
    config = ScreeningConfig.model_validate(values | changes)
    screen_id = runs.run_here("screening", config, settings=settings)
    record = runs.get_run(screen_id, settings=settings)
    assert record.state == "finished", record.error
    return ScreeningResult.load(record.folder)


def library(folder: Path, smiles: list[str], name: str = "library.smi") -> Path:
    """A file of SMILES called ``m0``, ``m1`` …"""
    path = folder / name
    path.write_text("".join(f"{text} m{i}\n" for i, text in enumerate(smiles)))
    return path


def long_way(model: Predictor, hits: pd.DataFrame, cell_type: str) -> Any:
    """Predicted responses of hits by the predictor itself, ``(n, n_genes)``."""
    obs = pd.DataFrame(
        {
            "cell_type": cell_type,
            "SMILES": hits["smiles"].to_numpy(),
            "sm_name": hits["training_compound"].to_numpy(),
        }
    )
    return model.predict(obs)["mean"]
