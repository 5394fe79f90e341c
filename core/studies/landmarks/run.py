"""The landmark study from cells to result."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import RunError
from core.metrics.expression import ExpressionScore, score_expression
from core.models.expression.base import ExpressionModel
from core.models.expression.stacking import Stack
from core.studies.base import StudyContext
from core.studies.landmarks import files
from core.studies.landmarks.config import LandmarksConfig
from core.studies.landmarks.data import LandmarkData, Split, load_landmark_data
from core.studies.landmarks.finish import finish
from core.studies.landmarks.plan import (
    ENSEMBLES,
    Spec,
    inputs_of,
    measured,
    specs,
    stack_folds,
)
from core.studies.landmarks.result import LandmarksResult
from core.studies.perturbation.files import read_array, read_json, write_array, write_json
from core.training.expression import ExpressionNetwork, build


def run(config: LandmarksConfig, context: StudyContext) -> LandmarksResult:
    """Fit every model in every split, join them, and score the test cells.

    In each split, on its training cells only:

    1. For the ensemble, every model is fitted without a fifth of the training cells and predicts
       it; the weights minimise the error of the mixture on these predictions.
    2. Every model is fitted on all training cells and predicts the test cells; the ensembles mix
       these predictions with the weights of step 1.

    Finished parts are kept in the folder until the end, so that a resumed run does not fit them
    again; an interrupted training of a network goes on from its checkpoint.

    Raises
    ------
    PerturbScopeError
        With one sentence: unusable data or configuration, cancelled, or a folder of another run.
    """
    if context.resume and (context.folder / files.SCORES).exists():
        return LandmarksResult.load(context.folder)
    context.on_progress(0, 0, "Filtering and normalising")
    data = load_landmark_data(config.dataset, config.data, context.settings)
    LandmarkRun(config, context, data).execute()
    return LandmarksResult.load(context.folder)


class LandmarkRun:
    """One run: its cells, its models and where it stands."""

    def __init__(self, config: LandmarksConfig, context: StudyContext, data: LandmarkData) -> None:
        self.config, self.context, self.data = config, context, data
        self.specs = specs(config)
        self.members = [spec for spec in self.specs if spec.member]
        self.ensemble = config.ensemble and len(self.members) > 1
        self.measured = measured(config, data)
        self.inputs = inputs_of(data, self.measured.inputs)
        self.targets = np.ascontiguousarray(data.X[:, self.measured.targets])
        self.splits = data.splits(config.n_splits, config.seed)
        self.work = context.folder / files.WORK
        folds = config.ensemble_folds if self.ensemble else 0
        each = len(self.specs) + folds * len(self.members)
        self.total, self.done = config.n_splits * each + 1, 0

    def execute(self) -> None:
        """Do what is not done yet."""
        self._open()
        for number, split in enumerate(self.splits):
            if (self._path(number, files.SCORES)).exists():
                self._advance(self.total // len(self.splits))
                continue
            weights = self._weights(number, split) if self.ensemble else {}
            self._predict(number, split)
            self._score(number, split, weights)
        finish(self)
        shutil.rmtree(self.work)
        self.context.on_progress(self.total, self.total, "Finished")

    def keys(self) -> dict[str, Spec | None]:
        """Keys of everything that is scored; None for an ensemble."""
        found: dict[str, Spec | None] = {spec.key: spec for spec in self.specs}
        return found | (dict.fromkeys(ENSEMBLES.values()) if self.ensemble else {})

    def record(self, number: int) -> dict[str, Any]:
        """What the split ``number`` wrote down."""
        record: dict[str, Any] = read_json(self._path(number, files.SCORES))
        return record

    def gene_scores(self, number: int, key: str) -> np.ndarray:
        """MSE, weighted MSE and R² of each predicted gene, ``(3, n_targets)``."""
        return read_array(self._path(number, f"{key}.genes.npy"))

    def prediction(self, number: int, key: str) -> np.ndarray:
        """Predicted expression of the split's test cells, ``(n_test, n_targets)``."""
        return read_array(self._path(number, f"{key}.npy"))

    def _open(self) -> None:
        folder, config = self.context.folder, self.config.model_dump(mode="json")
        about = {"config": config, "data_hash": self.data.content_hash}
        kept = self.work / files.CONFIG
        if self.context.resume and kept.exists():
            before = read_json(kept)
            if before["data_hash"] != self.data.content_hash:
                raise RunError(
                    f"The data set '{self.data.id}' has changed since this run began; start anew."
                )
            if before["config"] != read_json_like(config):
                raise RunError("This folder holds a run with another configuration; start anew.")
        else:
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.rmtree(folder / files.PREDICTIONS, ignore_errors=True)
            (folder / files.SCORES).unlink(missing_ok=True)
            write_json(kept, about)
        if not (folder / files.CONFIG).exists():
            write_json(folder / files.CONFIG, config)

    def _weights(self, number: int, split: Split) -> dict[str, list[float]]:
        """Weights of the members by ensemble, from held-out training cells."""
        stacks = {kind: Stack(len(self.members), weighted=kind == "weighted") for kind in ENSEMBLES}
        for fold, (fit, held) in enumerate(stack_folds(split, self.config)):
            path = self._path(number, f"stack-{fold}.json")
            if path.exists():
                self._advance(len(self.members))
            else:
                write_json(path, self._held_out(number, fold, fit, held))
            for kind, gram in read_json(path).items():
                stacks[kind].merge(np.array(gram["gram"]), int(gram["n"]))
        return {
            ENSEMBLES[kind]: [float(w) for w in stack.weights()] for kind, stack in stacks.items()
        }

    def _held_out(
        self, number: int, fold: int, fit: np.ndarray, held: np.ndarray
    ) -> dict[str, dict[str, Any]]:
        """Products of the members' errors on held-out training cells, by ensemble."""
        predictions = []
        place = f"split {number + 1} of {len(self.splits)}, ensemble fold {fold + 1}"
        for spec in self.members:
            model = self._fit(spec, fit, number, f"stack{fold}", place)
            predictions.append(model.predict(self.inputs.take(held)))
        made = {}
        for kind in ENSEMBLES:
            stack = Stack(len(self.members), weighted=kind == "weighted")
            stack.add(predictions, self.targets[held])
            made[kind] = {"gram": stack.gram.tolist(), "n": stack.n}
        return made

    def _predict(self, number: int, split: Split) -> None:
        test = self.inputs.take(split.test)
        place = f"split {number + 1} of {len(self.splits)}"
        for spec in self.specs:
            path = self._path(number, f"{spec.key}.json")
            if path.exists():
                self._advance(1)
                continue
            started = time.perf_counter()
            model = self._fit(spec, split.train, number, "final", place)
            predicted = model.predict(test)
            write_array(self._path(number, f"{spec.key}.npy"), predicted)
            record: dict[str, Any] = {
                "seconds": time.perf_counter() - started,
                "chosen": model.chosen(),
                "history": [],
            }
            if isinstance(model, ExpressionNetwork):
                record |= {"history": model.outcome.history, "device": str(model.device)}
            write_json(path, record)

    def _score(self, number: int, split: Split, weights: dict[str, list[float]]) -> None:
        observed = self.targets[split.test]
        mean = self.targets[split.train].mean(axis=0)
        scores: dict[str, Any] = {}
        for key, spec in self.keys().items():
            if spec is None:
                predicted = np.zeros_like(observed)
                for member, weight in zip(self.members, weights[key], strict=True):
                    if weight > 0:
                        predicted += np.float32(weight) * self.prediction(number, member.key)
                write_array(self._path(number, f"{key}.npy"), predicted)
                about: dict[str, Any] = {"seconds": None, "chosen": {}, "history": []}
            else:
                predicted = np.asarray(self.prediction(number, key))
                about = read_json(self._path(number, f"{key}.json"))
            score = score_expression(predicted, observed, mean, self.inputs.cell_types[split.test])
            write_array(self._path(number, f"{key}.genes.npy"), _by_gene(score))
            scores[key] = {
                **{name: getattr(score, name) for name in ("mse", "weighted_mse", "r2", "gene_r2")},
                "by_type": {name: list(value) for name, value in score.by_type.items()},
                **about,
            }
        record = {"seed": split.seed, "scores": scores, "weights": weights}
        write_json(self._path(number, files.SCORES), record)
        if number > 0 or not self.config.save_predictions:
            for key in self.keys():
                self._path(number, f"{key}.npy").unlink()

    def _fit(
        self, spec: Spec, rows: np.ndarray, number: int, part: str, place: str
    ) -> ExpressionModel:
        context = self.context
        context.check_cancelled()
        context.on_progress(self.done, self.total, f"{spec.label}, {place}")
        device = self.config.device
        device = context.settings.device if device == "auto" else device
        seed = self.config.seed * 1009 + number
        model = build(spec.name, spec.params, seed=seed, device=device)
        if not isinstance(model, ExpressionNetwork):
            model.fit(self.inputs.take(rows), self.targets[rows])
            self._advance(1)
            return model
        split = self.splits[number]
        validation = np.isin(rows, split.validation)

        def on_epoch(record: dict[str, Any]) -> None:
            if part == "final":
                context.on_epoch({"model": spec.key, "fold": number, **record})
            message = f"{spec.label}, {place}, epoch {record['epoch']}"
            context.on_progress(self.done, self.total, message)

        checkpoints = self._path(number, f"{spec.key}-{part}")
        model.train(
            self.inputs.take(rows),
            self.targets[rows],
            np.flatnonzero(~validation),
            np.flatnonzero(validation),
            folder=checkpoints,
            resume=context.resume,
            on_epoch=on_epoch,
            should_cancel=context.should_cancel,
        )
        shutil.rmtree(checkpoints, ignore_errors=True)
        self._advance(1)
        return model

    def _advance(self, steps: int) -> None:
        self.done += steps

    def _path(self, number: int, name: str) -> Path:
        return self.work / f"split-{number}" / name


def _by_gene(score: ExpressionScore) -> np.ndarray:
    rows = [score.by_gene, score.weighted_by_gene, score.r2_by_gene]
    return np.stack(rows).astype(np.float32)


def read_json_like(value: Any) -> Any:
    """``value`` as it comes back from JSON: tuples are lists."""
    import json

    return json.loads(json.dumps(value))
