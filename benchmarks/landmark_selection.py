"""Sets of 910 genes judged on the real data, and the group lasso's path on many cells.

Run from the repository's root::

    python -m benchmarks.landmark_selection sets DATA.h5ad [SELECTOR[:key=value,...] ...]
    python -m benchmarks.landmark_selection [path] [--cells 16000] [--genes 8000]
    python -m benchmarks.landmark_selection network [--cells 16000] [--genes 8000]

``sets`` chooses and judges each set on three splits of the cells: with 20 % of the genes held out
(error on them, and variance left over all genes), and once more with every gene allowed (variance
left). ``path`` and ``network`` use simulated cells with planted landmark genes and say how many of
them are found.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.models.selectors import SELECTORS
from core.studies.landmark_selection.config import SelectorConfig
from core.studies.landmark_selection.run import select
from core.studies.landmarks.data import landmark_data
from core.studies.landmarks.judging import Judge, hold_out_genes, summarise

PEERS = (
    "random",
    "highly_variable",
    "highly_variable:flavor=variance",
    "highest_mean",
    "pivoted_qr",
    "greedy",
    "kmeans",
    "guided",
    "group_lasso",
    "design",
    "design:balance=0",
)

#: Landmark genes that the simulated cells have.
PLANTED = 100


def config_of(text: str) -> SelectorConfig:
    """``"design:balance=0"`` as a configured selector."""
    name, _, rest = text.partition(":")
    params: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        try:
            params[key] = json.loads(value)
        except ValueError:
            params[key] = value
    return SelectorConfig(name=name, params=params)


def sets(path: Path, selectors: list[str], k: int, n_splits: int, device: str) -> pd.DataFrame:
    """One row a set: both scores with intervals, the panel with every gene allowed, seconds."""
    import anndata

    data = landmark_data(anndata.read_h5ad(path), id=path.stem)
    print(
        f"{path.stem}: {data.n_cells:,} cells × {data.n_genes:,} genes, {k} genes a set", flush=True
    )
    rows = []
    nobody = np.zeros(0, dtype=np.int64)
    for s, split in enumerate(data.splits(n_splits)):
        held = hold_out_genes(data.n_genes, s)
        judge = Judge(data.X, split.train, split.test, held, data.cell_types)
        whole = Judge(data.X, split.train, split.test, nobody)
        allowed = judge.allowed
        fixed = np.flatnonzero(data.is_landmark)
        usable = np.setdiff1d(fixed, held)
        score, every = judge.score(usable), whole.score(fixed)
        rows.append(("L1000, measured", s, score, every, 0.0))
        rng = np.random.default_rng(s)
        drawn = judge.score(rng.choice(allowed, len(usable), replace=False))
        rows.append(("random, as many as L1000", s, drawn, drawn, 0.0))
        for text in selectors:
            config = config_of(text)
            begun = time.perf_counter()
            found = select(
                config,
                data.X[np.ix_(split.train, allowed)],
                k,
                seed=s,
                device=device,
                start=np.flatnonzero(data.is_landmark[allowed]),
            )
            seconds = time.perf_counter() - begun
            score = judge.score(allowed[found.order])
            found = select(config, data.X[split.train], k, seed=s, device=device, start=fixed)
            every = whole.score(found.order)
            rows.append((text, s, score, every, seconds))
            print(
                f"  split {s} {text}: held-out {score.held_mse:.4f}, panel {score.panel_left:.4f}, "
                f"every gene allowed {every.panel_left:.4f}, {seconds:.1f} s",
                flush=True,
            )
    frame = pd.DataFrame(
        [
            {
                "set": name,
                "split": s,
                "n_genes": score.n_genes,
                "held_mse": score.held_mse,
                "panel_left": score.panel_left,
                "whole": every.panel_left,
                "seconds": seconds,
            }
            for name, s, score, every, seconds in rows
        ]
    )
    table = summarise(frame, "random" if "random" in selectors else None)
    more = frame.groupby("set")[["whole", "seconds"]].mean()
    return table.merge(more, left_on="set", right_index=True)


def planted(
    n_cells: int, n_genes: int, n_landmarks: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Simulated log expression whose shared part is carried by a few genes, and which they are.

    Each of ``n_landmarks`` genes is an independent programme measured with little noise; every
    other gene follows one of the programmes in much noise of its own.
    """
    rng = np.random.default_rng(seed)
    programmes = rng.gamma(2.0, 0.6, size=(n_cells, n_landmarks)).astype(np.float32)
    X = rng.normal(0.0, 0.6, size=(n_cells, n_genes)).astype(np.float32)
    genes = np.sort(rng.choice(n_genes, n_landmarks, replace=False))
    others = np.setdiff1d(np.arange(n_genes), genes)
    follows = rng.integers(0, n_landmarks, len(others))
    X[:, others] += 0.5 * programmes[:, follows]
    X[:, genes] = programmes + 0.1 * X[:, genes]
    return np.maximum(X, 0.0, out=X), genes


def long_path(n_cells: int, n_genes: int, k: int, selector: str, device: str) -> None:
    """Time, peak memory and recovery of a path on simulated cells."""
    X, genes = planted(n_cells, n_genes, PLANTED)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    select(config_of(selector), X[:300, :200], 20, seed=0, device=device)  # compiles
    begun, worked = time.perf_counter(), time.process_time()
    found = select(config_of(selector), X, k, seed=0, device=device)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    hit = len(np.intersect1d(found.order, genes))
    print(f"{selector}: {n_cells:,} cells × {n_genes:,} genes, {k} genes kept, {device}")
    print(
        f"  {seconds:.1f} s ({cpu:.1f} s of processor time); peak memory {peak:.2f} GB (data {X.nbytes / 2**30:.2f} GB, {before:.2f} before)"
    )
    first = len(np.intersect1d(found.order[:PLANTED], genes))
    print(
        f"  planted landmarks: {hit} of {PLANTED} in the set, by chance {PLANTED * k / n_genes:.0f};"
    )
    print(f"  {first} of them among its first {PLANTED}, by chance {PLANTED**2 / n_genes:.0f}")
    if found.path is not None:
        print(found.path.to_string(index=False, float_format=lambda x: f"{x:.4g}"))


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("sets", "path", "network"), nargs="?", default="path")
    parser.add_argument("words", nargs="*", help="data and selectors of 'sets'")
    parser.add_argument("--genes-kept", type=int, default=None)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--cells", type=int, default=16_000)
    parser.add_argument("--genes", type=int, default=8_000)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    if given.what == "sets":
        if not given.words:
            parser.error("name a data set (.h5ad)")
        names = given.words[1:] or list(PEERS)
        unknown = [n for n in names if n.partition(":")[0] not in SELECTORS]
        if unknown:
            parser.error(f"no selector {unknown[0]}; known: {', '.join(SELECTORS.names())}")
        table = sets(
            Path(given.words[0]), names, given.genes_kept or 910, given.splits, given.device
        )
        print(table.to_string(index=False, float_format=lambda x: f"{x:.4f}"))
        return
    linear = f"group_lasso:n_components={PLANTED}"
    selector = linear if given.what == "path" else "deep_group_lasso"
    if given.words:
        selector = given.words[0]
    long_path(given.cells, given.genes, given.genes_kept or 910, selector, given.device)


if __name__ == "__main__":
    main()
