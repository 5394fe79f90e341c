"""What a run leaves behind: predictions, row scores, numbers, curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.models.ensemble import blend
from core.studies.perturbation import files
from core.studies.perturbation.blending import Blending
from core.studies.perturbation.scoring import ORACLE, score_rows, scores, summary

if TYPE_CHECKING:
    from core.studies.perturbation.run import _Run

_FLOAT16_MAX = 6e4


def finish(run: _Run, blending: Blending | None) -> None:
    """Write everything that the result reads; ``scores.json`` comes last and marks the end."""
    folder = run.context.folder
    rows = _rows(run, blending)
    rows.to_parquet(folder / files.ROWS, index=False)
    records = run.fit_records()
    _epochs(records).to_parquet(folder / files.EPOCHS, index=False)
    pd.DataFrame({"gene": run.table.genes.astype(str)}).to_parquet(
        folder / files.GENES, index=False
    )
    unmeasured = run.unmeasured()
    if unmeasured is not None and run.config.final_fit:
        unmeasured.to_parquet(folder / files.UNMEASURED, index=False)
    if run.config.final_fit:
        _compounds(run)
    chosen = [spec.key for spec in run.specs if spec.chosen]
    primary = files.ENSEMBLE if blending is not None else chosen[0]
    nested = scores(rows, run.specs, primary)
    nested |= {
        "scheme": str(run.config.validation.scheme),
        "n_folds": run.n_folds,
        "never_held_out": int((run.folds < 0).sum()),
        "fits": [{k: v for k, v in record.items() if k != "history"} for record in records],
        "ensemble": None
        if blending is None
        else {
            "members": list(blending.keys),
            "weights": blending.weights.tolist(),
            "fold_weights": blending.fold_weights.tolist(),
        },
    }
    files.write_json(
        folder / files.DATA,
        {
            "id": run.table.id,
            "content_hash": run.table.content_hash,
            "simulated": run.table.simulated,
            "target": run.table.target,
            "n_pairs": run.table.n_pairs,
            "n_genes": run.table.n_genes,
        },
    )
    files.write_json(folder / files.METRICS, summary(nested))
    files.write_json(folder / files.SCORES, nested)


def _rows(run: _Run, blending: Blending | None) -> pd.DataFrame:
    """Scores of every model on held-out and test rows; predictions of the chosen are stored."""
    parts = []
    for spec in run.specs:
        test = run.test_prediction(spec.key) if run.config.final_fit else None
        out_of_fold = run.out_of_fold(spec.key)
        parts += _scored(run, spec.key, out_of_fold, test)
        if spec.chosen:
            _store(run, spec.key, out_of_fold, test)
    if blending is not None:
        test = None
        if run.config.final_fit:
            joined_test = [run.test_prediction(key) for key in blending.keys]
            test = np.asarray(blend(joined_test, blending.weights), dtype=np.float32)
        parts += _scored(run, files.ENSEMBLE, blending.out_of_fold, test)
        _store(run, files.ENSEMBLE, blending.out_of_fold, test)
    if run.table.truth is not None:
        truth = run.table.truth
        parts += _scored(run, ORACLE, np.asarray(truth[run.train]), np.asarray(truth[run.test]))
    return pd.concat(parts, ignore_index=True)


def _scored(
    run: _Run, key: str, out_of_fold: np.ndarray, test: np.ndarray | None
) -> list[pd.DataFrame]:
    held = np.flatnonzero(run.folds >= 0)
    places = [(run.train[held], run.folds[held], run.values[held], out_of_fold[held])]
    if test is not None and len(run.test) and run.config.final_fit:
        observed = np.asarray(run.table.values[run.test], dtype=np.float32)
        places.append((run.test, np.full(len(run.test), -1), observed, test[: len(run.test)]))
    truth = run.table.truth
    return [
        score_rows(
            key,
            rows,
            run.obs,
            folds,
            observed,
            predicted,
            None if truth is None else np.asarray(truth[rows]),
        )
        for rows, folds, observed, predicted in places
    ]


def _store(run: _Run, key: str, out_of_fold: np.ndarray, test: np.ndarray | None) -> None:
    """Predictions of all pairs of the table in its order; NaN where a pair was not predicted."""
    whole = np.full((run.table.n_pairs, run.table.n_genes), np.nan, dtype=np.float32)
    whole[run.train] = out_of_fold
    folder = run.context.folder / files.PREDICTIONS
    if test is not None:
        whole[run.test] = test[: len(run.test)]
        if len(test) > len(run.test):
            extra = _narrow(np.asarray(test[len(run.test) :]))
            files.write_array(folder / f"{key}.unmeasured.npy", extra)
    files.write_array(folder / f"{key}.npy", _narrow(whole))


def _narrow(values: np.ndarray) -> np.ndarray:
    """float16 where it can hold the values: three digits are enough to draw them."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return values.astype(np.float16) if largest < _FLOAT16_MAX else values


def _epochs(records: list[dict[str, Any]]) -> pd.DataFrame:
    curves = [
        {"model": record["model"], "fold": str(record["fold"]), **epoch}
        for record in records
        for epoch in record["history"]
    ]
    columns = ["model", "fold", "epoch", "train_loss", "val_loss", "val_mrrmse"]
    frame = pd.DataFrame(curves, columns=[*columns, "learning_rate", "seconds"])
    return frame.astype(dict.fromkeys(frame.columns[3:], "float64"))


def _compounds(run: _Run) -> None:
    """Training compounds, so that a new molecule that is one of them is recognised."""
    compounds = run.train_obs.drop_duplicates("sm_name")
    columns = [name for name in ("sm_name", "SMILES") if name in compounds]
    path = run.context.folder / files.FINAL / files.COMPOUNDS
    compounds[columns].to_parquet(path, index=False)
