"""Integration methods side by side on the two islet sets, over draws of 90 % of the cells.

Same cells, genes and neighbour search for every method, in one run:

    python -m benchmarks.integration                         # both sets, every method, five draws
    python -m benchmarks.integration --sets mouse --methods none harmony corrector:k=30 --draws 2
    python -m benchmarks.integration --quick                 # one draw, half of the resolutions
    python -m benchmarks.integration --sets kang             # control and interferon: chose nothing

The three criteria are (a) the best ARI over Leiden's resolutions, (b) the mean ARI over
resolutions 0.1 to 0.3, (c) the batch and bio totals of scib-metrics. ``--cache FOLDER`` keeps the
scores of each (set, draw, method with parameters), so that tuning one method does not run the
others again; ``--fresh NAME`` runs NAME anew all the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from pathlib import Path

import anndata
import pandas as pd

from core.cli._options import _part
from core.errors import PerturbScopeError
from core.metrics.clustering import RESOLUTIONS
from core.models.integrators.base import INTEGRATORS
from core.settings import PROJECT_ROOT
from core.studies.integration.config import MethodConfig, PreparationConfig
from core.studies.integration.evaluate import Prepared, draw_rows, judge, prepare
from core.studies.integration.paired import paired_differences

SETS = {"mouse": "baron_mouse.h5ad", "human": "baron_human_subset.h5ad"}
BATCH, LABEL = "donor", "cell_type1"
#: Blood with and without interferon (Kang 2018): took no part in any choice of ours.
OTHER = {"kang": ("kang_pbmc_ifnb.h5ad", "group_id", "cluster_id", 1000)}
CRITERIA = ("best_ari", "mean_ari", "total_batch", "total_bio")
MORE = ("best_batch_ari", "best_nmi", "ilisi", "kbet", "bras", "pcr_comparison", "kmeans_ari")
#: All others are our own, and are held against every one of these.
PEERS = ("none", "combat", "harmony", "scanorama", "bbknn", "scvi")


def read(name: str) -> anndata.AnnData:
    """One of the sets, its batches and cell types in the columns :data:`BATCH` and :data:`LABEL`."""
    shared = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared"))
    if name in SETS:
        return anndata.read_h5ad(shared / "data" / SETS[name])
    file, batch, label, _ = OTHER[name]
    cells = anndata.read_h5ad(shared / "data" / file)
    cells.obs = cells.obs.rename(columns={batch: BATCH, label: LABEL})
    return cells


def preparation(name: str) -> PreparationConfig:
    """As many genes as the set allows to choose."""
    return PreparationConfig(n_hvg=OTHER[name][3]) if name in OTHER else PreparationConfig()


def run(
    name: str, methods: dict[str, MethodConfig], n_draws: int, options: argparse.Namespace
) -> pd.DataFrame:
    """Scores of every method on every draw of one set."""
    cells = read(name)
    resolutions = RESOLUTIONS[::2] if options.quick else RESOLUTIONS
    rows = []
    for draw in range(n_draws):
        prepared: Prepared | None = None
        for key, method in methods.items():
            kept = _kept(options, name, draw, method, resolutions)
            values = _recall(kept, key, options)
            if values is None:
                if prepared is None:
                    part = cells[draw_rows(cells.n_obs, 0.9, draw)].copy()
                    prepared = prepare(part, preparation(name), BATCH, LABEL, seed=draw)
                try:
                    judged = judge(prepared, method, BATCH, resolutions, seed=draw)
                except PerturbScopeError as error:
                    print(f"{name}, draw {draw}, {key}: {error}")
                    continue
                values = judged.scores.values | {
                    "seconds": judged.seconds,
                    "floor": judged.scores.floor,
                }
                if kept is not None:
                    kept.write_text(json.dumps(values))
            rows.append({"method": key, "draw": draw} | values)
            shown = "  ".join(f"{c} {values.get(c, float('nan')):.4f}" for c in CRITERIA)
            print(f"{name} draw {draw} {key:<32} {shown}  {values['seconds']:.1f} s", flush=True)
    return pd.DataFrame(rows)


def _kept(
    options: argparse.Namespace,
    name: str,
    draw: int,
    method: MethodConfig,
    resolutions: tuple[float, ...],
) -> Path | None:
    if options.cache is None:
        return None
    options.cache.mkdir(parents=True, exist_ok=True)
    text = json.dumps([name, draw, method.model_dump(), resolutions], sort_keys=True)
    return options.cache / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def _recall(kept: Path | None, key: str, options: argparse.Namespace) -> dict[str, float] | None:
    if kept is None or not kept.exists() or key.partition(":")[0] in options.fresh:
        return None
    return json.loads(kept.read_text())


def report(name: str, scores: pd.DataFrame, subjects: list[str]) -> None:
    """Means over the draws, and paired differences of each subject to each peer."""
    columns = [*CRITERIA, *(c for c in MORE if c in scores), "seconds"]
    by_method = scores.groupby("method", sort=False)[columns]
    mean, spread = by_method.mean(), by_method.std(ddof=1)
    floor = scores["floor"].mean()
    print(f"\n## {name}: mean over {scores['draw'].nunique()} draws; batch ARI floor {floor:.3f}\n")
    table = mean.round(3).astype(str)
    for column in CRITERIA:
        table[column] += " ± " + spread[column].fillna(0).round(3).astype(str)
    print(table.to_markdown() if _has_tabulate() else table.to_string())
    for subject in subjects:
        gaps = paired_differences(scores, subject, CRITERIA)
        if gaps.empty:
            continue
        gaps["text"] = [
            f"{d:+.3f} ± {s:.3f} ({a}/{n})"
            for d, s, a, n in zip(
                gaps["difference"], gaps["sd"], gaps["ahead"], gaps["n_draws"], strict=True
            )
        ]
        wide = gaps.pivot(index="peer", columns="score", values="text")[
            [c for c in CRITERIA if c in set(gaps["score"])]
        ]
        print(f"\n{subject} minus each peer, paired (draws ahead):\n")
        print(wide.to_string())


def _has_tabulate() -> bool:
    import importlib.util

    return importlib.util.find_spec("tabulate") is not None


def _methods(words: list[str]) -> dict[str, MethodConfig]:
    names = words or [e.name for e in INTEGRATORS if e.value.missing() is None]
    for entry in INTEGRATORS:
        if not words and entry.value.missing() is not None:
            print(f"left out: {entry.value.missing()}")
    return {word: MethodConfig.model_validate(_part(word)) for word in names}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *OTHER], default=list(SETS))
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME[:KEY=VALUE,…]")
    parser.add_argument("--subjects", nargs="+", default=[], help="methods held against all others")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one draw, every other resolution")
    parser.add_argument("--cache", type=Path, help="folder that keeps scores between calls")
    parser.add_argument("--fresh", nargs="+", default=[], help="methods to run anew in spite of it")
    parser.add_argument("--out", type=Path, help="write all scores as CSV")
    options = parser.parse_args()
    methods = _methods(options.methods)
    subjects = options.subjects or [
        k for k in methods if k.partition(":")[0].partition("-")[0] not in PEERS
    ]
    started, every = time.perf_counter(), []
    for name in options.sets:
        scores = run(name, methods, 1 if options.quick else options.draws, options)
        every.append(scores.assign(set=name))
        report(name, scores, subjects)
    if options.out is not None:
        pd.concat(every).to_csv(options.out, index=False)
    print(f"\n{time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
