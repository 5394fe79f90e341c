"""What random SMILES bring to a network that reads SMILES, on real responses.

    python -m benchmarks.smiles_augmentation

The SMILES encoder alone (no fingerprint, no descriptor) on 984 drugs × 978 genes of L1000
(``l1000_consensus``), five folds in which a drug is wholly in or out, three seeds of folds and
weights. Both arms have the same folds, seeds, epochs and parameters; one reads the canonical SMILES
at every step, the other a random spelling of sixteen (Arús-Pous et al. 2019) and averages four in
prediction. Twelve and forty epochs are shown, because a short training overfits less and needs
augmentation less. Training responses are clipped to ±10; scores are MRRMSE against clipped and raw ones.
No epoch is chosen on held-out drugs. Mean and geometric median are fitted on the same folds.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.l1000_peers import CLIP, read_table
from core.featurizers.pipeline import FeaturePipeline
from core.metrics.regression import row_rmse
from core.models.base import MODELS
from core.settings import PROJECT_ROOT
from core.training.estimator import TorchResponseModel
from core.training.splits import make_folds
from core.training.trainer import TrainingOptions

#: Arm → (spellings, random SMILES in training).
ARMS = {"canonical SMILES": (1, False), "random SMILES": (16, True)}
BASELINES = {"mean": "mean", "geometric median": "geometric_median"}


def fold_scores(
    obs: pd.DataFrame,
    values: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    epochs: int,
    kind: str,
) -> dict[str, np.ndarray]:
    """Predictions of the test rows by each arm and baseline."""
    fitted = np.clip(values[train], -CLIP, CLIP)
    predicted = {}
    for arm, (n_variants, augment) in ARMS.items():
        pipeline = FeaturePipeline(
            [("smiles_tokens", {"n_variants": n_variants, "length": 100})], seed=seed
        )
        inputs = pipeline.fit_transform(obs.iloc[train].reset_index(drop=True), fitted)
        held_out = pipeline.transform(obs.iloc[test].reset_index(drop=True))
        options = TrainingOptions(epochs=epochs, weight_decay=1e-2, device="cpu", seed=seed)
        params = MODELS.get("smiles_encoder").value.Params(kind=kind, width=64, augment=augment)
        model = TorchResponseModel("smiles_encoder", params, options)
        predicted[arm] = model.fit(inputs, fitted).predict(held_out)
        for label, name in BASELINES.items():
            if label not in predicted:
                baseline = MODELS.get(name).value()
                predicted[label] = baseline.fit(inputs, fitted).predict(held_out)
    return predicted


def run(path: Path, seeds: int, epochs: int, kind: str) -> pd.DataFrame:
    """One row a (seed, model): MRRMSE over all drugs, each predicted when held out."""
    obs, values = read_table(path)
    clipped = np.clip(values, -CLIP, CLIP)
    rows = []
    for seed in range(seeds):
        folds = make_folds(obs, "leave-compound-out", n_folds=5, seed=seed)
        out_of_fold: dict[str, np.ndarray] = {}
        for fold in range(5):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            started = time.perf_counter()
            found = fold_scores(obs, values, train, test, seed, epochs, kind)
            for name, predicted in found.items():
                out_of_fold.setdefault(name, np.empty_like(values))[test] = predicted
            seconds = time.perf_counter() - started
            print(f"  seed {seed}, fold {fold + 1} of 5: {seconds:.0f} s", flush=True)
        for name, predicted in out_of_fold.items():
            rows.append(
                {
                    "model": name,
                    "seed": seed,
                    "clipped": row_rmse(clipped, predicted).mean(),
                    "raw": row_rmse(values, predicted).mean(),
                }
            )
    return pd.DataFrame(rows)


def report(scores: pd.DataFrame) -> None:
    """Mean over the seeds with its spread, and the paired difference of the two arms."""
    for target in ("clipped", "raw"):
        print(f"\nMRRMSE, {target} responses (mean ± sd over seeds)")
        by = scores.groupby("model", sort=False)[target]
        for name, mean in by.mean().sort_values().items():
            spread = by.get_group(name).std(ddof=1) if len(by.get_group(name)) > 1 else 0.0
            print(f"  {name:20} {mean:.4f} ± {spread:.4f}")
        table = scores.pivot(index="seed", columns="model", values=target)
        gains = table["canonical SMILES"] - table["random SMILES"]
        told = ", ".join(f"{gain:+.4f}" for gain in gains)
        percent = 100 * gains.mean() / table["canonical SMILES"].mean()
        print(f"  gain of random SMILES, by seed: {told} (mean {percent:+.2f} %)")


def main() -> None:
    """Parse the arguments and print the table."""
    shared = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=shared / "data" / "l1000_consensus.parquet")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs="+", default=[12, 40])
    parser.add_argument("--kind", choices=["convolution", "recurrent"], default="convolution")
    arguments = parser.parse_args()
    if not arguments.data.is_file():
        raise SystemExit(f"{arguments.data} is missing; set PERTURBSCOPE_SHARED or --data.")
    for epochs in arguments.epochs:
        print(f"{epochs} epochs, {arguments.kind}")
        report(run(arguments.data, arguments.seeds, epochs, arguments.kind))


if __name__ == "__main__":
    main()
