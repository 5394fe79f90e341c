"""What a perturbation run will fit: chosen models, the baselines beside them, folds, features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from core.errors import ConfigError
from core.featurizers.inputs import Inputs
from core.featurizers.pipeline import FeaturePipeline
from core.models.base import MODELS, ResponseModel
from core.studies.perturbation.config import PerturbationConfig
from core.training.estimator import TorchResponseModel
from core.training.splits import make_folds
from core.training.target import clip_responses, robust_row_weights

#: Fitted in the same folds whatever is chosen: a score means little without them.
BASELINES = (
    "zero",
    "mean",
    "median",
    "geometric_median",
    "cell_type_mean",
    "compound_mean",
)
SHRINK_TO = "geometric_median"
#: Steps of the progress bar that a model of each kind counts for; a network counts its epochs.
_STEPS = {"baseline": 1, "classical": 5}


@dataclass(frozen=True)
class Spec:
    """One model of the run.

    Attributes
    ----------
    key
        Its name in results: the model's name, with ``-2`` … for a second one of that name.
    chosen
        True for the user's models, false for a baseline that runs for comparison.
    second_clip
        Clip of the responses it is fitted to; ``None``: the run's first clip.
    """

    key: str
    name: str
    params: dict[str, Any]
    chosen: bool
    second_clip: float | None = None

    @property
    def kind(self) -> str:
        """baseline, classical or network."""
        return str(MODELS.get(self.name).tags["kind"])

    @property
    def label(self) -> str:
        """Name for people."""
        label = MODELS.get(self.name).label
        suffix = self.key.removeprefix(self.name).removeprefix("-")
        label = f"{label} {suffix}" if suffix else label
        return label if self.second_clip is None else f"{label}, clip ±{self.second_clip:g}"

    def build(self, config: PerturbationConfig, device: str, seed: int) -> ResponseModel:
        """The unfitted model; ``device`` is what the config's "auto" means."""
        kind = MODELS.get(self.name).value
        params = kind.Params(**self.params)
        if self.kind != "network":
            return kind(params, seed=seed)
        return TorchResponseModel(
            self.name,
            params,
            config.training,
            seed=seed,
            n_components=config.target.n_components,
            device=device,
        )

    def steps(self, config: PerturbationConfig) -> int:
        """Steps of the progress bar for one fit."""
        return config.training.epochs if self.kind == "network" else _STEPS[self.kind]


def specs(config: PerturbationConfig) -> list[Spec]:
    """Baselines first (they are quick), then the chosen models, then those at the second clip."""
    chosen: list[Spec] = []

    def choose(name: str, params: dict[str, Any], second_clip: float | None) -> None:
        count = sum(spec.name == name for spec in chosen)
        key = name if count == 0 else f"{name}-{count + 1}"
        chosen.append(Spec(key, name, dict(params), True, second_clip))

    for model in config.models:
        choose(model.name, model.params, None)
    if config.target.second_clip is not None:
        for spec in [spec for spec in chosen if spec.kind != "baseline"]:
            choose(spec.name, spec.params, config.target.second_clip)
    taken = {spec.key for spec in chosen}
    return [Spec(name, name, {}, False) for name in BASELINES if name not in taken] + chosen


def members(specs: list[Spec]) -> list[str]:
    """Keys of the ensemble's members, none for a single chosen model.

    The geometric median joins the chosen models: with a weight on the best constant, the ensemble
    shrinks its prediction as far as the out-of-fold rows advise.
    """
    keys = [spec.key for spec in specs if spec.chosen]
    if len(keys) < 2:
        return []
    return keys if SHRINK_TO in keys else [*keys, SHRINK_TO]


def targets_of(
    config: PerturbationConfig, values: np.ndarray, second_clip: float | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """What a model is fitted to: responses, clipped, and row weights, from these rows alone.

    ``second_clip`` is that of the model's :class:`Spec`.
    """
    clip = config.target.clip if second_clip is None else second_clip
    clipped = clip_responses(values, clip)
    return clipped, robust_row_weights(clipped) if config.target.robust_weights else None


def stopping_rows(config: PerturbationConfig, obs: pd.DataFrame) -> np.ndarray:
    """Positions among a fold's training rows that decide when a network stops; may be empty.

    They are chosen by the run's own scheme, so that they ask the same question as the held-out
    rows, which stay unseen. Where the scheme cannot split so few rows, every epoch is trained.
    """
    share = config.training.stopping_share
    if config.training.patience == 0 or share == 0:
        return np.empty(0, dtype=np.int64)
    scheme, seed = config.validation.scheme, config.validation.seed + 1
    try:
        folds = make_folds(obs, scheme, max(2, round(1 / share)), seed)
    except ConfigError:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(folds == 0)


class FoldFeatures:
    """Features of one fold, each pipeline fitted only when a model asks for it.

    Networks that stop early train without their stopping rows, and their pipeline does not see
    those rows either: target statistics would tell of the responses that are to judge.
    """

    def __init__(
        self,
        config: PerturbationConfig,
        obs: pd.DataFrame,
        values: np.ndarray,
        train: np.ndarray,
        held: np.ndarray,
    ) -> None:
        self.config, self.obs, self.values = config, obs, values
        self.train, self.held = train, held

    @cached_property
    def _stopping(self) -> np.ndarray:
        return self.train[stopping_rows(self.config, self._rows(self.train))]

    @cached_property
    def _core(self) -> np.ndarray:
        return np.setdiff1d(self.train, self._stopping)

    @cached_property
    def _whole_inputs(self) -> tuple[Inputs, Inputs]:
        pipeline, inputs = fit_pipeline(
            self.config, self._rows(self.train), self.values[self.train]
        )
        return inputs, pipeline.transform(self._rows(self.held))

    @cached_property
    def _core_inputs(self) -> tuple[Inputs, Inputs, Inputs]:
        pipeline, inputs = fit_pipeline(
            self.config, self._rows(self._core), self.values[self._core]
        )
        stopping = pipeline.transform(self._rows(self._stopping))
        return inputs, stopping, pipeline.transform(self._rows(self.held))

    def whole(self, second_clip: float | None = None) -> FitRows:
        """For models fitted in one step: all training rows."""
        inputs, held = self._whole_inputs
        targets, weights = targets_of(self.config, self.values[self.train], second_clip)
        return FitRows(inputs, targets, weights, held, None, False)

    def for_network(self, second_clip: float | None = None) -> FitRows:
        """For networks: training rows without the stopping rows, if there are any."""
        if len(self._stopping) == 0:
            rows = self.whole(second_clip)
            watched = (rows.held, self.values[self.held])
            return FitRows(rows.inputs, rows.targets, rows.weights, rows.held, watched, False)
        inputs, stopping, held = self._core_inputs
        targets, weights = targets_of(self.config, self.values[self._core], second_clip)
        judged = (stopping, self.values[self._stopping])
        return FitRows(inputs, targets, weights, held, judged, True)

    def _rows(self, rows: np.ndarray) -> pd.DataFrame:
        return self.obs.iloc[rows].reset_index(drop=True)


@dataclass(frozen=True)
class FitRows:
    """What one fit gets.

    Attributes
    ----------
    inputs, targets, weights
        Training rows.
    held
        Inputs of the held-out rows.
    validation
        Inputs and raw responses of rows that are watched in training.
    select
        Whether those rows decide the best epoch; held-out rows never do.
    """

    inputs: Inputs
    targets: np.ndarray
    weights: np.ndarray | None
    held: Inputs
    validation: tuple[Inputs, np.ndarray] | None
    select: bool


def fit_pipeline(
    config: PerturbationConfig, obs: pd.DataFrame, values: np.ndarray
) -> tuple[FeaturePipeline, Inputs]:
    """The config's features, fitted on rows whose responses are clipped to the first clip."""
    chosen = [(feature.name, dict(feature.params)) for feature in config.features]
    pipeline = FeaturePipeline(chosen, seed=config.training.seed)
    return pipeline, pipeline.fit_transform(obs, clip_responses(values, config.target.clip))


def fold_rows(folds: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """``(fold, training rows, held-out rows)`` of each fold."""
    for fold in range(int(folds.max()) + 1):
        yield fold, np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
