"""The residual corrector's time with the number of cells, on simulated cells.

    python -m benchmarks.corrector_scaling                          # 2k, 20k, 100k cells
    python -m benchmarks.corrector_scaling --device cuda            # the same on a GPU
    python -m benchmarks.corrector_scaling --real                   # and the mouse islets

The cells are simulated (12 types, 3 batches with a shift of their own a type, 2,000 genes); the
table says how much of a neighbourhood is of other batches before and after (iLISI).
"""

from __future__ import annotations

import argparse
import resource
import time

import anndata
import numpy as np
import pandas as pd
import torch

from core.models.integrators.base import INTEGRATORS
from core.training import resolve_device

GENES, TYPES, BATCHES = 2_000, 12, 3


def simulate(n: int, seed: int) -> anndata.AnnData:
    """Log expression of ``n`` simulated cells in three batches."""
    generator = np.random.default_rng(seed)
    programmes = generator.gamma(0.5, 1.0, size=(TYPES, GENES)).astype(np.float32)
    shift = generator.normal(0, 0.25, size=(BATCHES, GENES)).astype(np.float32)
    kind = generator.choice(TYPES, n, p=generator.dirichlet(np.full(TYPES, 3.0)))
    batch = generator.integers(0, BATCHES, n)
    values = generator.standard_normal((n, GENES), dtype=np.float32)
    values *= 0.4
    values += programmes[kind]
    values += shift[batch]
    np.maximum(values, 0.0, out=values)
    obs = pd.DataFrame(
        {"batch": pd.Categorical(batch.astype(str)), "cell_type": kind.astype(str)},
        index=np.arange(n).astype(str),
    )
    return anndata.AnnData(values, obs=obs)


def ilisi(embedding: np.ndarray, codes: np.ndarray, sample: int = 1_000) -> float:
    """Median inverse Simpson index of batches among 90 neighbours, 0 one batch … 1 all alike."""
    from core.models.integrators.mnn import nearest

    rows = np.random.default_rng(0).choice(len(codes), min(sample, len(codes)), replace=False)
    index = nearest(embedding[rows], embedding, 90)[0]
    shares = np.stack([(codes[index] == code).mean(axis=1) for code in range(BATCHES)], axis=1)
    return float((np.median(1 / np.square(shares).sum(axis=1)) - 1) / (BATCHES - 1))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[2_000, 20_000, 100_000])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--real", action="store_true", help="also the mouse islets")
    options = parser.parse_args()
    device = str(resolve_device(options.device))
    Corrector = INTEGRATORS.get("corrector").value
    print(f"device {device}, {torch.get_num_threads()} threads; simulated cells\n")
    print("| cells | seconds | PCA alone | iLISI before | iLISI after | peak memory, GB |")
    print("|---|---|---|---|---|---|")
    for n in options.cells:
        cells = simulate(n, 0)
        started = time.perf_counter()
        before = INTEGRATORS.get("none").value().fit_transform(cells, "batch").embedding
        pca = time.perf_counter() - started
        started = time.perf_counter()
        after = Corrector(device=device).fit_transform(cells, "batch").embedding
        took = time.perf_counter() - started
        codes = cells.obs["batch"].cat.codes.to_numpy()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        assert before is not None
        assert after is not None
        print(
            f"| {n:,} | {took:.1f} | {pca:.1f} | {ilisi(before, codes):.3f} | "
            f"{ilisi(after, codes):.3f} | {peak:.1f} |",
            flush=True,
        )
    if options.real:
        from benchmarks.integration import BATCH, LABEL, read
        from core.studies.integration.config import PreparationConfig
        from core.studies.integration.evaluate import prepare

        cells = prepare(read("mouse"), PreparationConfig(), BATCH, LABEL).cells
        started = time.perf_counter()
        Corrector(device=device).fit_transform(cells, BATCH)
        print(f"\nmouse islets ({cells.n_obs:,} cells): {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
