"""Leave-drug-out on real L1000 consensus signatures: the ensemble beside its peers.

    python -m benchmarks.l1000_peers

984 drugs with structures × 978 landmark genes, one pseudo cell type, five folds in which a drug
(by InChIKey and connectivity) or a Murcko scaffold is wholly in or out. Every model comes from the
registry. Scores are MRRMSE against the responses clipped to ±10 and against the raw ones.

The clip of the responses that a model is fitted to is a parameter of it (``--clips``), as in the
study (``target.clip`` and ``target.second_clip``). Which clip serves the scored target best is
decided inside each training fold, on inner out-of-fold predictions: a single model takes the clip
of least inner error, a blend holds its members at every clip and fits their weights, of least
inner MRRMSE. The held-out drugs decide nothing.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable
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
from core.training.target import clip_responses

#: Clip of each scored target.
TARGETS: dict[str, float | None] = {"clipped": 10.0, "raw": None}
CLIPS = (10.0, 40.0)
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
SHRINK_TO = "geometric median"
SCHEMES = {"random, by drug": "leave-compound-out", "scaffold": "scaffold"}
INNER_FOLDS = 3

#: A model fitted to responses of one clip.
Member = tuple[str, float]


def read_table(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The drugs that have a structure, and their raw responses float32 ``(n, 978)``."""
    table = pd.read_parquet(path)
    table = table[table["SMILES"].notna()].reset_index(drop=True)
    leading = ["drugbank_id", "name", "SMILES", "inchikey"]
    obs = pd.DataFrame(
        {"cell_type": "consensus", "sm_name": table["drugbank_id"], "SMILES": table["SMILES"]}
    )
    return obs, table.drop(columns=leading).to_numpy(dtype=np.float32)


def predict(
    obs: pd.DataFrame, raw: np.ndarray, train: np.ndarray, test: np.ndarray, fits: Iterable[Member]
) -> dict[Member, np.ndarray]:
    """Predictions for the rows ``test`` of models fitted on the rows ``train``."""
    pipeline = FeaturePipeline(FEATURES)
    known = pipeline.fit_transform(obs.iloc[train], raw[train])
    new = pipeline.transform(obs.iloc[test])
    predictions = {}
    for label, clip in fits:
        name, params = SINGLE[label]
        kind = MODELS.get(name).value
        model = kind(kind.Params(**params)).fit(known, clip_responses(raw[train], clip))
        predictions[label, clip] = model.predict(new)
    return predictions


def inner_predictions(
    obs: pd.DataFrame, raw: np.ndarray, train: np.ndarray, scheme: str, fits: Iterable[Member]
) -> dict[Member, np.ndarray]:
    """Out-of-fold predictions inside the training rows, split as the outer folds are."""
    folds = make_folds(obs.iloc[train].reset_index(drop=True), scheme, INNER_FOLDS, seed=0)
    result: dict[Member, np.ndarray] = {}
    for fold in range(INNER_FOLDS):
        inside = np.flatnonzero(folds == fold)
        made = predict(obs, raw, train[folds != fold], train[inside], fits)
        for member, rows in made.items():
            result.setdefault(member, np.zeros_like(raw[train]))[inside] = rows
    return result


class Scored:
    """Out-of-fold predictions of everything for one target, and what the inner folds chose."""

    def __init__(self, raw: np.ndarray, clip: float | None, fits: list[Member]) -> None:
        self.truth = clip_responses(raw, clip)
        self.clips = {label: [c for name, c in fits if name == label] for label in SINGLE}
        self.predictions = {label: np.zeros_like(raw) for label in (*SINGLE, *BLENDS)}
        self.chosen = {label: Counter[float]() for label in SINGLE}
        self.weights: list[dict[Member, float]] = []

    def add_fold(
        self,
        train: np.ndarray,
        test: np.ndarray,
        inner: dict[Member, np.ndarray],
        held_out: dict[Member, np.ndarray],
    ) -> None:
        """Choose clips and weights on ``inner``, the training rows; predict the rows ``test``."""
        known = self.truth[train]
        for label in SINGLE:
            errors = {
                clip: row_rmse(known, inner[label, clip]).mean() for clip in self.clips[label]
            }
            best = min(errors, key=errors.__getitem__)
            self.chosen[label][best] += 1
            self.predictions[label][test] = held_out[label, best]
        for label, models in BLENDS.items():
            members = [(model, clip) for model in models for clip in self.clips[model]]
            members.append((SHRINK_TO, self.clips[SHRINK_TO][0]))
            weights = fit_weights([inner[member] for member in members], known)
            parts = [held_out[member] for member in members]
            self.predictions[label][test] = blend(parts, weights)
        self.weights.append(dict(zip(members, weights.tolist(), strict=True)))

    def errors(self) -> dict[str, np.ndarray]:
        """Row errors ``(n_drugs,)`` by label."""
        return {label: row_rmse(self.truth, p) for label, p in self.predictions.items()}


def cross_validate(
    obs: pd.DataFrame, raw: np.ndarray, scheme: str, n_folds: int, seed: int, fits: list[Member]
) -> dict[str, Scored]:
    """What the outer folds of one seed give, by scored target."""
    folds = make_folds(obs, scheme, n_folds, seed)
    result = {target: Scored(raw, clip, fits) for target, clip in TARGETS.items()}
    for fold in range(n_folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        held_out = predict(obs, raw, train, test, fits)
        inner = inner_predictions(obs, raw, train, scheme, fits)
        for scored in result.values():
            scored.add_fold(train, test, inner, held_out)
    return result


def report(title: str, seeds: list[Scored]) -> None:
    """Print MRRMSE a seed and, paired over drugs, what the ensemble gains on each peer.

    The interval is that of the drugs' bootstrap, of each drug's difference averaged over the
    seeds.
    """
    by_seed = [scored.errors() for scored in seeds]
    errors = {label: np.stack([e[label] for e in by_seed]) for label in by_seed[0]}
    rng = np.random.default_rng(0)
    n_drugs = errors["ensemble"].shape[1]
    draws = rng.integers(0, n_drugs, size=(2000, n_drugs))
    print(f"\n{title}")
    print(
        f"{'model':26s} {'MRRMSE':>7s}  {'by seed':{8 * len(seeds)}s} "
        "ensemble's gain [95 %]      won  clip (folds)"
    )
    for label, rows in errors.items():
        means = rows.mean(axis=1)
        line = f"{label:26s} {means.mean():7.4f}  " + " ".join(f"{m:7.4f}" for m in means)
        if label != "ensemble":
            difference = rows - errors["ensemble"]
            low, high = np.percentile(difference.mean(axis=0)[draws].mean(axis=1), [2.5, 97.5])
            won = int((difference.mean(axis=1) > 0).sum())
            line += f"  {difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]  {won}/{len(means)}"
        if label in SINGLE:
            chosen = sum((scored.chosen[label] for scored in seeds), Counter[float]())
            line += "  " + ", ".join(f"±{clip:g} ({n})" for clip, n in sorted(chosen.items()))
        print(line)
    used = [fold for scored in seeds for fold in scored.weights]
    mean = {member: np.mean([fold[member] for fold in used]) for member in used[0]}
    named = ", ".join(f"{label} ±{clip:g} {weight:.2f}" for (label, clip), weight in mean.items())
    print(f"mean ensemble weights: {named}", flush=True)


def main() -> None:
    default = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=default / "data" / "l1000_consensus.parquet")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--clips", type=float, nargs="+", default=CLIPS, help="clips of what models are fitted to"
    )
    parser.add_argument(
        "--one-clip", nargs="+", choices=list(SINGLE), default=[], help="models of the first only"
    )
    parser.add_argument("--schemes", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    arguments = parser.parse_args()
    start = time.perf_counter()
    obs, raw = read_table(arguments.data)
    clips = list(arguments.clips)
    fits = [
        (label, clip)
        for label in SINGLE
        for clip in (clips[:1] if label in arguments.one_clip else clips)
    ]
    named = ", ".join(f"±{clip:g}" for clip in clips)
    print(
        f"{len(obs)} drugs × {raw.shape[1]} genes, {arguments.folds} folds, seeds "
        f"{arguments.seeds}\nmodels are fitted to responses clipped to {named}; inner folds choose"
    )
    for title in arguments.schemes:
        runs = [
            cross_validate(obs, raw, SCHEMES[title], arguments.folds, seed, fits)
            for seed in arguments.seeds
        ]
        for target in TARGETS:
            report(f"{title} folds, {target} target", [run[target] for run in runs])
    print(f"\n{time.perf_counter() - start:.0f} s, CPU {time.process_time():.0f} s")


if __name__ == "__main__":
    main()
