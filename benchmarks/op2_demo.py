"""``op2-demo`` in the competition's shape: every model beside every baseline and the floor.

    python -m benchmarks.op2_demo [--genes N] [--epochs 100] [--components 128] [--seed 0]

Simulated data. One run of the perturbation study; nothing is tuned on test rows: epochs are
chosen on stopping rows inside a fold's training rows, ensemble weights on out-of-fold rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from core.data import save_perturbation
from core.data.simulation.op2 import simulate_op2
from core.settings import load_settings
from core.studies.base import STUDIES, StudyContext
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.result import PerturbationResult

CHOSEN = ("mlp", "transformer", "ridge", "kernel_ridge", "knn")


def table(result: PerturbationResult) -> str:
    """MRRMSE by model, best on test rows first; gain over the geometric median on test rows."""
    nested = result.scores()
    models = dict(nested["models"])
    if nested["oracle"]:
        models["oracle"] = nested["oracle"] | {"label": "Oracle (noiseless truth)", "kind": "floor"}
    head = f"{'model':28}{'kind':>10}{'validation':>18}{'public':>9}{'private':>9}{'test':>9}{'gain':>8}"
    lines = [head, "-" * len(head)]

    def score(model: dict, split: str) -> float:
        return model["test"].get(split, {}).get("mrrmse", float("nan"))

    reference = score(models["geometric_median"], "all")
    for model in sorted(models.values(), key=lambda model: score(model, "all")):
        held = model["validation"]
        half = (held["mrrmse_high"] - held["mrrmse_low"]) / 2
        total = score(model, "all")
        lines.append(
            f"{model['label'][:27]:28}{model['kind']:>10}{held['mrrmse']:>11.4f} ±{half:>5.3f}"
            f"{score(model, 'public_test'):>9.4f}{score(model, 'private_test'):>9.4f}{total:>9.4f}"
            f"{(reference - total) / reference:>8.1%}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=None, help="genes; default: all 18,211")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--components", type=int, default=None, help="low-rank head; default: none")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scheme", default="competition")
    parser.add_argument("--models", nargs="+", default=list(CHOSEN))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(workspace=Path(folder))
        data = simulate_op2(seed=0, n_genes=asked.genes)
        save_perturbation(data, settings)
        config = PerturbationConfig(
            dataset=data.id,
            models=[{"name": name} for name in asked.models],
            training={"epochs": asked.epochs, "seed": asked.seed},
            validation={"scheme": asked.scheme, "n_folds": asked.folds, "seed": asked.seed},
            target={"n_components": asked.components},
        )
        started = time.perf_counter()
        context = StudyContext(folder=Path(folder) / "run", settings=settings)
        result = STUDIES.get("perturbation").value.run(config, context)
        seconds = time.perf_counter() - started
        print(f"op2-demo (simulated), {data.n_pairs} pairs × {data.n_genes:,} genes, {asked}")
        print(table(result))
        ensemble = result.scores()["ensemble"]
        if ensemble:
            weights = zip(ensemble["members"], ensemble["weights"], strict=True)
            print(
                "ensemble weights: " + ", ".join(f"{key} {weight:.2f}" for key, weight in weights)
            )
        print(f"{seconds:.0f} s")
        for fit in result.scores()["fits"]:
            if fit["best_epoch"]:
                print(
                    f"  {fit['model']:14} fold {fit['fold']!s:6} best epoch {fit['best_epoch']:4} "
                    f"{fit['seconds']:6.1f} s on {fit.get('device')}"
                )


if __name__ == "__main__":
    main()
