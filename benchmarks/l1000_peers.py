"""Leave-drug-out on real L1000 consensus signatures: the ensemble beside its peers.

    python -m benchmarks.l1000_peers

984 drugs with structures × 978 landmark genes, one pseudo cell type, five folds in which a drug
(by InChIKey and connectivity) or a Murcko scaffold is wholly in or out. Every model comes from the
registry and trains on responses clipped to ±10 (``--train-clip``); scores are MRRMSE against the
responses clipped to ±10 and against the raw ones. Weights of the blends are fitted inside each
training fold, on inner out-of-fold predictions: the held-out drugs are never seen.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.featurizers.pipeline import FeaturePipeline
from core.metrics.regression import row_rmse
from core.models.base import MODELS
from core.models.ensemble import blend, fit_weights
from core.settings import PROJECT_ROOT
from core.training.splits import make_folds

CLIP = 10.0
FEATURES: list[tuple[str, dict[str, Any]]] = [("descriptors", {}), ("morgan", {"length": 4096})]
#: Label → registered model and its parameters.
SINGLE: dict[str, tuple[str, dict[str, Any]]] = {
    "mean": ("mean", {}),
    "geometric median": ("geometric_median", {}),
    "shrunken kNN": ("knn", {}),
    "robust kernel ridge": ("kernel_ridge", {}),
    "forest neighbours": ("forest", {}),
}
BLENDS = {
    "blend kNN + kernel ridge": ("shrunken kNN", "robust kernel ridge"),
    "ensemble": ("shrunken kNN", "robust kernel ridge", "forest neighbours"),
}
PEERS = (*list(SINGLE)[:4], "blend kNN + kernel ridge")
SCHEMES = {"random, by drug": "leave-compound-out", "scaffold": "scaffold"}


def read_table(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The drugs that have a structure, and their responses float32 ``(n, 978)``."""
    table = pd.read_parquet(path)
    table = table[table["SMILES"].notna()].reset_index(drop=True)
    leading = ["drugbank_id", "name", "SMILES", "inchikey"]
    obs = pd.DataFrame(
        {"cell_type": "consensus", "sm_name": table["drugbank_id"], "SMILES": table["SMILES"]}
    )
    return obs, table.drop(columns=leading).to_numpy(dtype=np.float32)


def predict(
    obs: pd.DataFrame, values: np.ndarray, train: np.ndarray, test: np.ndarray, labels: list[str]
) -> dict[str, np.ndarray]:
    """Predictions for the rows ``test`` of models fitted on the rows ``train``."""
    pipeline = FeaturePipeline(FEATURES)
    known = pipeline.fit_transform(obs.iloc[train], values[train])
    new = pipeline.transform(obs.iloc[test])
    predictions = {}
    for label in labels:
        name, params = SINGLE[label]
        kind = MODELS.get(name).value
        predictions[label] = kind(kind.Params(**params)).fit(known, values[train]).predict(new)
    return predictions


def cross_validate(
    obs: pd.DataFrame, values: np.ndarray, scheme: str, n_folds: int, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Out-of-fold predictions of every model and blend, and each outer fold's ensemble weights."""
    folds = make_folds(obs, scheme, n_folds, seed)
    result = {label: np.zeros_like(values) for label in (*SINGLE, *BLENDS)}
    used = []
    for fold in range(n_folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        held_out = predict(obs, values, train, test, list(SINGLE))
        for label, rows in held_out.items():
            result[label][test] = rows
        inner = inner_predictions(obs.iloc[train].reset_index(drop=True), values[train], scheme)
        for label, members in BLENDS.items():
            parts = [*members, "geometric median"]
            weights = fit_weights(
                [inner[member] for member in members],
                values[train],
                baseline=inner["geometric median"],
            )
            result[label][test] = blend([held_out[part] for part in parts], weights)
        used.append(weights)
    return result, np.stack(used)


def inner_predictions(
    obs: pd.DataFrame, values: np.ndarray, scheme: str, n_folds: int = 3
) -> dict[str, np.ndarray]:
    """Out-of-fold predictions inside a training fold, of the members of the blends."""
    labels = ["geometric median", *BLENDS["ensemble"]]
    folds = make_folds(obs, scheme, n_folds, seed=0)
    result = {label: np.zeros_like(values) for label in labels}
    for fold in range(n_folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        for label, rows in predict(obs, values, train, test, labels).items():
            result[label][test] = rows
    return result


def report(scheme: str, target: str, errors: dict[str, np.ndarray]) -> None:
    """Print MRRMSE a seed and, paired over drugs, what the ensemble gains on each peer.

    ``errors`` are row errors ``(n_seeds, n_drugs)``; the interval is that of the drugs'
    bootstrap, of each drug's difference averaged over the seeds.
    """
    rng = np.random.default_rng(0)
    n_drugs = errors["ensemble"].shape[1]
    draws = rng.integers(0, n_drugs, size=(2000, n_drugs))
    print(f"\n{scheme} folds, {target} target")
    print(f"{'model':26s} {'MRRMSE':>7s}  {'by seed':24s} ensemble's gain [95 %]      seeds won")
    for label, rows in errors.items():
        by_seed = rows.mean(axis=1)
        line = f"{label:26s} {by_seed.mean():7.4f}  " + " ".join(f"{s:7.4f}" for s in by_seed)
        if label != "ensemble":
            difference = rows - errors["ensemble"]
            low, high = np.percentile(difference.mean(axis=0)[draws].mean(axis=1), [2.5, 97.5])
            won = int((difference.mean(axis=1) > 0).sum())
            line += f"  {difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]  {won}/{len(by_seed)}"
        print(line, flush=True)


def main() -> None:
    default = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=default / "data" / "l1000_consensus.parquet")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train-clip", type=float, default=CLIP, help="clip of what models see")
    parser.add_argument("--schemes", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    arguments = parser.parse_args()
    start = time.perf_counter()
    obs, raw = read_table(arguments.data)
    clipped = np.clip(raw, -CLIP, CLIP)
    print(
        f"{len(obs)} drugs × {raw.shape[1]} genes, {arguments.folds} folds, seeds {arguments.seeds}"
    )
    print(f"models train on responses clipped to ±{arguments.train_clip:g}")
    shown = np.clip(raw, -arguments.train_clip, arguments.train_clip)
    for title in arguments.schemes:
        errors: dict[str, dict[str, list[np.ndarray]]] = {"clipped": {}, "raw": {}}
        weights = []
        for seed in arguments.seeds:
            predictions, used = cross_validate(obs, shown, SCHEMES[title], arguments.folds, seed)
            weights.append(used)
            for label, prediction in predictions.items():
                for target, truth in (("clipped", clipped), ("raw", raw)):
                    errors[target].setdefault(label, []).append(row_rmse(truth, prediction))
        for target, by_label in errors.items():
            report(title, target, {label: np.stack(rows) for label, rows in by_label.items()})
        mean = np.concatenate(weights).mean(axis=0)
        named = zip((*BLENDS["ensemble"], "geometric median"), mean, strict=True)
        print("mean ensemble weights: " + ", ".join(f"{label} {w:.2f}" for label, w in named))
    print(f"\n{time.perf_counter() - start:.0f} s, CPU {time.process_time():.0f} s")


if __name__ == "__main__":
    main()
