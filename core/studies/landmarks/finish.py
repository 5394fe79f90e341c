"""From finished splits to the files of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.metrics.expression import EXPRESSION_METRICS, split_interval
from core.studies.landmarks import files
from core.studies.landmarks.plan import ENSEMBLE_LABELS
from core.studies.perturbation.files import write_array, write_json

if TYPE_CHECKING:
    from core.studies.landmarks.run import LandmarkRun

#: What gains are held against, the first that was run.
REFERENCES = ("ridge", "linear", "mean")


def finish(run: LandmarkRun) -> None:
    """Write scores, tables and kept predictions; ``scores.json`` comes last."""
    folder, config = run.context.folder, run.config
    records = [run.record(number) for number in range(len(run.splits))]
    keys = run.keys()
    _genes(run, list(keys))
    _types(run, records)
    _epochs(run, records)
    run.measured.report.to_parquet(folder / files.MEASURED, index=False)
    if config.save_predictions:
        _predictions(run, list(keys))
    data = run.data
    write_json(
        folder / files.DATA,
        {
            "id": data.id,
            "content_hash": data.content_hash,
            "simulated": data.simulated,
            "label_key": data.label_key,
            "n_cells": data.n_cells,
            "n_genes": data.n_genes,
            "n_measured": len(run.measured.inputs),
            "n_predicted": len(run.measured.targets),
            "gene_set": config.set_label,
            "steps": list(data.steps),
            "cell_types": {k: int(v) for k, v in _counts(data.cell_types).items()},
        },
    )
    write_json(folder / files.SCORES, _scores(run, records))


def _counts(names: np.ndarray) -> dict[str, int]:
    values, counts = np.unique(names.astype(str), return_counts=True)
    return dict(zip(map(str, values), counts, strict=True))


def _scores(run: LandmarkRun, records: list[dict[str, Any]]) -> dict[str, Any]:
    share = run.config.data.test_share
    keys = run.keys()
    reference = next((key for key in REFERENCES if key in keys), next(iter(keys)))
    models: dict[str, Any] = {}
    for key, spec in keys.items():
        splits = [record["scores"][key] for record in records]
        about = {
            "label": ENSEMBLE_LABELS[key] if spec is None else spec.label,
            "kind": "ensemble" if spec is None else spec.kind,
            "made_for": ("weighted" if key.endswith("weighted") else "mse")
            if spec is None
            else spec.loss,
            "params": {} if spec is None else spec.params,
            "seconds": _mean([s["seconds"] for s in splits]),
            "chosen": [s["chosen"] for s in splits],
        }
        for metric in EXPRESSION_METRICS:
            values = [s[metric] for s in splits]
            found = split_interval(values, share)
            about[metric] = {
                "mean": found.mean,
                "low": found.low,
                "high": found.high,
                "splits": values,
            }
        for metric in ("mse", "weighted_mse"):
            before = [record["scores"][reference][metric] for record in records]
            gains = [1.0 - s[metric] / b for s, b in zip(splits, before, strict=True)]
            found = split_interval(gains, share)
            about[f"{metric}_gain"] = {"mean": found.mean, "low": found.low, "high": found.high}
        models[key] = about
    judged = {k: m for k, m in models.items() if m["kind"] != "reference"} or models
    best = {
        metric: min(judged, key=lambda key: judged[key][metric]["mean"])
        for metric in ("mse", "weighted_mse")
    }
    return {
        "models": models,
        "best": best,
        "reference": reference,
        "members": [spec.key for spec in run.members] if run.ensemble else [],
        "weights": {key: [r["weights"].get(key) for r in records] for key in records[0]["weights"]},
        "seeds": [record["seed"] for record in records],
    }


def _mean(values: list[Any]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _genes(run: LandmarkRun, keys: list[str]) -> None:
    data, columns = run.data, run.measured.targets
    X = data.X[:, columns]
    table = pd.DataFrame(
        {
            "gene": data.genes[columns],
            "gene_id": data.gene_ids[columns],
            "mean": X.mean(axis=0),
            "sd": X.std(axis=0),
            "detected": (X > 0).mean(axis=0),
        }
    )
    table.to_parquet(run.context.folder / files.GENES, index=False)
    frames = []
    for key in keys:
        stacked = [run.gene_scores(number, key) for number in range(len(run.splits))]
        scores = np.mean(stacked, axis=0)
        frames.append(
            pd.DataFrame(
                {
                    "model": key,
                    "gene": data.genes[columns],
                    "mse": scores[0],
                    "weighted_mse": scores[1],
                    "r2": scores[2],
                }
            )
        )
    pd.concat(frames, ignore_index=True).to_parquet(
        run.context.folder / files.GENE_SCORES, index=False
    )


def _types(run: LandmarkRun, records: list[dict[str, Any]]) -> None:
    rows = [
        (key, number, name, *values)
        for number, record in enumerate(records)
        for key, score in record["scores"].items()
        for name, values in score["by_type"].items()
    ]
    columns = ["model", "split", "cell_type", "mse", "weighted_mse", "n_cells"]
    pd.DataFrame(rows, columns=columns).to_parquet(run.context.folder / files.TYPES, index=False)


def _epochs(run: LandmarkRun, records: list[dict[str, Any]]) -> None:
    rows = [
        {
            "model": key,
            "split": number,
            "epoch": int(epoch["epoch"]),
            "train_loss": float(epoch["train_loss"]),
            "val_loss": float(epoch["val_loss"]),
            "seconds": float(epoch["seconds"]),
        }
        for number, record in enumerate(records)
        for key, score in record["scores"].items()
        for epoch in score["history"]
    ]
    columns = ["model", "split", "epoch", "train_loss", "val_loss", "seconds"]
    pd.DataFrame(rows, columns=columns).to_parquet(run.context.folder / files.EPOCHS, index=False)


def _predictions(run: LandmarkRun, keys: list[str]) -> None:
    """Test cells of the first split: half precision is finer than any expression is measured."""
    folder, test = run.context.folder, run.splits[0].test
    for key in keys:
        predicted = np.asarray(run.prediction(0, key), dtype=np.float16)
        write_array(folder / files.PREDICTIONS / f"{key}.npy", predicted)
    observed = run.targets[test].astype(np.float16)
    write_array(folder / files.PREDICTIONS / f"{files.OBSERVED}.npy", observed)
    cells = pd.DataFrame(
        {"cell": run.data.obs.index[test].astype(str), "cell_type": run.inputs.cell_types[test]}
    )
    cells.to_parquet(folder / files.CELLS, index=False)
