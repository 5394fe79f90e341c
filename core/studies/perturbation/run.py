"""The perturbation study from table to result."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.data import load_perturbation
from core.data.table import TRAIN, PerturbationTable
from core.errors import ConfigError, RunError
from core.models.base import ResponseModel
from core.studies.base import StudyContext
from core.studies.perturbation import files
from core.studies.perturbation.blending import blend_folds
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.finish import finish
from core.studies.perturbation.plan import (
    FitRows,
    FoldFeatures,
    Spec,
    fit_pipeline,
    fold_rows,
    members,
    specs,
    targets_of,
)
from core.studies.perturbation.result import PerturbationResult
from core.training.estimator import TorchResponseModel
from core.training.splits import make_folds

_OWN = (files.SCORES, files.ROWS, files.EPOCHS, files.DATA, files.GENES, files.UNMEASURED)
FINAL_FIT = "final"


def run(config: PerturbationConfig, context: StudyContext) -> PerturbationResult:
    """Validate every model in folds, join the chosen ones, fit them finally, and score the test.

    1. In each fold of the training rows: features and target processing fitted on the other
       rows, every model fitted, the held-out rows predicted.
    2. Chosen models joined with weights fitted on out-of-fold predictions; the score of the
       ensemble is cross-fitted: a fold's weights come from the other folds.
    3. Chosen models and baselines fitted on all training rows, networks for the median of the
       folds' best epochs; test rows predicted, and scored where their responses are known.

    Finished (model, fold) pairs are kept in the folder until the end, so that a resumed run does
    not fit them again; an interrupted training goes on from its checkpoint.

    Raises
    ------
    PerturbScopeError
        With one sentence: unusable data or configuration, cancelled, or a folder of another run.
    """
    if context.resume and (context.folder / files.SCORES).exists():
        return PerturbationResult.load(context.folder)
    table = load_perturbation(config.dataset, context.settings)
    _Run(config, context, table).execute()
    return PerturbationResult.load(context.folder)


class _Run:
    """One run: its table, its folds and where it stands."""

    def __init__(
        self, config: PerturbationConfig, context: StudyContext, table: PerturbationTable
    ) -> None:
        self.config, self.context, self.table = config, context, table
        obs = table.obs if "split" in table.obs else table.obs.assign(split=TRAIN)
        self.obs = obs.reset_index(drop=True)
        is_train = (self.obs["split"] == TRAIN).to_numpy()
        self.train, self.test = np.flatnonzero(is_train), np.flatnonzero(~is_train)
        if len(self.train) < 4:
            raise ConfigError(
                f"The data set '{table.id}' has {len(self.train)} training rows; a study needs at "
                "least 4."
            )
        self.train_obs = self.obs.iloc[self.train].reset_index(drop=True)
        self.values = np.asarray(table.values[self.train], dtype=np.float32)
        validation = config.validation
        self.folds = make_folds(
            self.train_obs, validation.scheme, validation.n_folds, validation.seed
        )
        self.n_folds = int(self.folds.max()) + 1
        self.specs = specs(config)
        self.work = context.folder / files.WORK
        rounds = self.n_folds + (1 if config.final_fit else 0)
        self.total = rounds * sum(spec.steps(config) for spec in self.specs) + 2
        self.done = 0

    def execute(self) -> None:
        """Do what is not done yet."""
        self._open()
        for fold, train, held in fold_rows(self.folds):
            features = FoldFeatures(self.config, self.train_obs, self.values, train, held)
            for spec in self.specs:
                self._step(spec, f"fold {fold + 1} of {self.n_folds}")
                if not self._finished(spec, fold):
                    self._fit_fold(spec, fold, features)
                self._advance(spec)
        blending = blend_folds(members(self.specs), self.out_of_fold, self.values, self.folds)
        if self.config.final_fit:
            self._final()
        self.context.on_progress(self.total - 1, self.total, "Scoring")
        finish(self, blending)
        shutil.rmtree(self.work)
        self.context.on_progress(self.total, self.total, "Finished")

    def out_of_fold(self, key: str) -> np.ndarray:
        """Out-of-fold predictions ``(n_train, n_genes)``; NaN where a row is never held out."""
        predicted = np.full(self.values.shape, np.nan, dtype=np.float32)
        for fold, _, held in fold_rows(self.folds):
            predicted[held] = files.read_array(self._path(key, fold))
        return predicted

    def test_prediction(self, key: str) -> np.ndarray:
        """Final predictions of the test rows, then of the unmeasured rows."""
        return files.read_array(self._path(key, FINAL_FIT))

    def fit_records(self) -> list[dict[str, Any]]:
        """What every fit wrote down: model, fold, best epoch, seconds, history."""
        return [files.read_json(path) for path in sorted(self.work.glob("*/*.json"))]

    def asked(self) -> pd.DataFrame:
        """Rows that the final models predict: test rows, then unmeasured rows."""
        test = self.obs.iloc[self.test]
        unmeasured = self.unmeasured()
        if unmeasured is None:
            return test.reset_index(drop=True)
        return pd.concat([test, unmeasured], ignore_index=True)

    def unmeasured(self) -> pd.DataFrame | None:
        """Rows without a known response, with the SMILES of their compound."""
        rows = self.table.unmeasured
        if rows is None or len(rows) == 0:
            return None
        if "SMILES" not in rows:
            known = self.obs.drop_duplicates("sm_name").set_index("sm_name")["SMILES"]
            rows = rows.assign(SMILES=rows["sm_name"].map(known))
        return rows[rows["SMILES"].notna()].reset_index(drop=True)

    def _open(self) -> None:
        folder, config = self.context.folder, self.config.model_dump(mode="json")
        folder.mkdir(parents=True, exist_ok=True)
        if self.context.resume and (self.work / files.CONFIG).exists():
            before = files.read_json(self.work / files.CONFIG)
            if before["data_hash"] != self.table.content_hash:
                raise RunError(
                    f"The data set '{self.table.id}' has changed since this run began; start anew."
                )
            if before["config"] != config:
                raise RunError("This folder holds a run with another configuration; start anew.")
        else:
            for name in (files.WORK, files.FINAL, files.PREDICTIONS):
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in _OWN:
                (folder / name).unlink(missing_ok=True)
            about = {"config": config, "data_hash": self.table.content_hash}
            files.write_json(self.work / files.CONFIG, about)
        if not (folder / files.CONFIG).exists():
            files.write_json(folder / files.CONFIG, config)

    def _fit_fold(self, spec: Spec, fold: int, features: FoldFeatures) -> None:
        started = time.perf_counter()
        model = self._build(spec, fold)
        made = features.for_network if spec.kind == "network" else features.whole
        rows = made(spec.second_clip)
        self._fit(spec, model, rows, fold)
        self._write(spec, fold, model, model.predict(rows.held), started)

    def _final(self) -> None:
        folder = self.context.folder / files.FINAL
        todo = [spec for spec in self.specs if not self._finished(spec, FINAL_FIT)]
        if todo:
            pipeline, inputs = fit_pipeline(self.config, self.train_obs, self.values)
            pipeline.save(folder / files.PIPELINE)
            asked = self.asked()
            held = pipeline.transform(asked) if len(asked) else inputs.take(np.arange(0))
        for spec in self.specs:
            self._step(spec, "final fit")
            if spec in todo:
                started = time.perf_counter()
                model = self._build(spec, self.n_folds)
                targets, weights = targets_of(self.config, self.values, spec.second_clip)
                rows = FitRows(inputs, targets, weights, held, None, False)
                self._fit(spec, model, rows, FINAL_FIT, self._median_best_epoch(spec))
                if spec.chosen or spec.key in members(self.specs):
                    about = {"name": spec.name, "params": spec.params, "label": spec.label}
                    files.write_model(folder / spec.key, about, model.state())
                predicted = (
                    model.predict(rows.held)
                    if len(rows.held)
                    else np.empty((0, self.table.n_genes), dtype=np.float32)
                )
                self._write(spec, FINAL_FIT, model, predicted, started)
            self._advance(spec)

    def _build(self, spec: Spec, part: int) -> ResponseModel:
        # Folds differ in their seed: equal initial weights would make their errors alike.
        seed = self.config.training.seed * 1009 + part
        return spec.build(self.config, self.context.settings.device, seed)

    def _fit(
        self,
        spec: Spec,
        model: ResponseModel,
        rows: FitRows,
        fold: int | str,
        stop_epoch: int | None = None,
    ) -> None:
        if not isinstance(model, TorchResponseModel):
            model.fit(rows.inputs, rows.targets, rows.weights)
            return
        before = self.done

        def on_epoch(record: dict[str, Any]) -> None:
            self.context.on_epoch({"model": spec.key, "fold": fold, **record})
            place = FINAL_FIT if fold == FINAL_FIT else f"fold {int(fold) + 1} of {self.n_folds}"
            message = f"{spec.label}, {place}, epoch {record['epoch']}"
            self.context.on_progress(before + record["epoch"], self.total, message)

        model.fit(
            rows.inputs,
            rows.targets,
            rows.weights,
            validation=rows.validation,
            folder=self.work / spec.key / f"checkpoint-{fold}",
            resume=self.context.resume,
            stop_epoch=stop_epoch,
            select=rows.select,
            on_epoch=on_epoch,
            should_cancel=self.context.should_cancel,
        )

    def _median_best_epoch(self, spec: Spec) -> int | None:
        if spec.kind != "network":
            return None
        records = [
            files.read_json(self._path(spec.key, fold).with_suffix(".json"))
            for fold in range(self.n_folds)
        ]
        return max(1, int(np.median([record["best_epoch"] for record in records])))

    def _write(
        self,
        spec: Spec,
        fold: int | str,
        model: ResponseModel,
        predicted: np.ndarray,
        started: float,
    ) -> None:
        path = self._path(spec.key, fold)
        files.write_array(path, np.asarray(predicted, dtype=np.float32))
        record: dict[str, Any] = {
            "model": spec.key,
            "fold": fold,
            "seconds": time.perf_counter() - started,
            "best_epoch": None,
            "history": [],
        }
        if isinstance(model, TorchResponseModel):
            record["best_epoch"] = model.outcome.best_epoch
            record["history"] = model.outcome.history
            record["device"] = str(model.device)
        # The record comes last: with it the pair counts as finished.
        files.write_json(path.with_suffix(".json"), record)
        shutil.rmtree(path.parent / f"checkpoint-{fold}", ignore_errors=True)

    def _finished(self, spec: Spec, fold: int | str) -> bool:
        return self._path(spec.key, fold).with_suffix(".json").exists()

    def _path(self, key: str, fold: int | str) -> Path:
        return self.work / key / f"{fold}.npy"

    def _step(self, spec: Spec, place: str) -> None:
        self.context.check_cancelled()
        self.context.on_progress(self.done, self.total, f"{spec.label}, {place}")

    def _advance(self, spec: Spec) -> None:
        self.done += spec.steps(self.config)
