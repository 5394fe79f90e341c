"""What a landmark run fits: models with unique keys, measured genes, folds of the ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.data.facts import landmark_genes
from core.errors import ConfigError
from core.models.expression.base import EXPRESSION_MODELS, ExpressionInputs
from core.studies.landmarks.config import LandmarksConfig
from core.studies.landmarks.data import LandmarkData, Split, match_report

#: Keys of the ensembles, by the metric that their weights minimise.
ENSEMBLES = {"mse": "ensemble", "weighted": "ensemble_weighted"}
ENSEMBLE_LABELS = {
    "ensemble": "Ensemble",
    "ensemble_weighted": "Ensemble for the weighted metric",
}
FIFTHS = 5


@dataclass(frozen=True)
class Spec:
    """One model of the run; ``member``: whether ensembles use it."""

    key: str
    name: str
    params: dict[str, Any]
    label: str
    kind: str
    loss: str
    member: bool


def specs(config: LandmarksConfig) -> list[Spec]:
    """The models with unique keys and labels."""
    found: list[Spec] = []
    for model in config.models:
        entry = EXPRESSION_MODELS.get(model.name)
        loss = str(model.params.get("loss", entry.tags["loss"]))
        key, label = model.name, entry.label
        if loss != entry.tags["loss"]:
            key, label = f"{key}_{loss}", f"{label}, {loss} loss"
        taken = sum(spec.key == key or spec.key.startswith(f"{key}-") for spec in found)
        if taken:
            key, label = f"{key}-{taken + 1}", f"{label} ({taken + 1})"
        found.append(
            Spec(
                key,
                model.name,
                dict(model.params),
                label,
                entry.tags["kind"],
                loss,
                entry.tags.get("member", True),
            )
        )
    return found


@dataclass(frozen=True)
class Measured:
    """Which genes are measured and which are predicted, and how the symbols were found.

    Attributes
    ----------
    inputs, targets
        Columns of the data, int64.
    report
        ``given, gene, status`` for every symbol asked for.
    """

    inputs: np.ndarray
    targets: np.ndarray
    report: pd.DataFrame


def measured(config: LandmarksConfig, data: LandmarkData) -> Measured:
    """Find the measured genes in the data.

    Raises
    ------
    ConfigError
        Where fewer than two of them are there, or no gene is left to predict.
    """
    wanted = config.genes or tuple(landmark_genes()["gene_symbol"])
    match = data.match(wanted)
    mask = data.mask(match.matched.values())
    if mask.sum() < 2:
        raise ConfigError(
            f"Only {int(mask.sum())} of the {len(wanted)} genes of '{config.set_label}' are among "
            f"the {data.n_genes:,} genes of '{data.id}' that pass the filters."
        )
    if mask.all():
        raise ConfigError(
            f"The set '{config.set_label}' holds every gene of '{data.id}': none is left to predict."
        )
    return Measured(np.flatnonzero(mask), np.flatnonzero(~mask), match_report(match))


def inputs_of(data: LandmarkData, columns: np.ndarray) -> ExpressionInputs:
    """All cells, with the measured genes ``columns``."""
    counts = np.asarray(data.counts[:, columns].toarray(), dtype=np.float32)
    return ExpressionInputs(np.ascontiguousarray(data.X[:, columns]), counts, data.cell_types)


def stack_folds(split: Split, config: LandmarksConfig) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs (fit, held out) of the ensemble, positions of cells; all within the training cells."""
    order = np.random.default_rng(split.seed).permutation(split.train)
    parts = np.array_split(order, FIFTHS)
    return [
        (np.sort(np.setdiff1d(split.train, parts[i])), np.sort(parts[i]))
        for i in range(config.ensemble_folds)
    ]
