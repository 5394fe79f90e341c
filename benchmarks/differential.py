"""Differential expression beside scanpy alone, on the same sparse cells in the same run.

    python -m benchmarks.differential [--cells 100000] [--genes 2000] [--groups 10] [--repeat 2]

Simulated log-normalised cells (negative binomial counts, about a tenth of them above 0; CSR
float32). Both sides are warmed up first, so that compilation is in neither time, and each is given
the same matrix; ours also ranks for the effect size in t-tests, which scanpy does not. The table
says the seconds by the clock, the best of the repeats, and the greatest differences of the results.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse

from core.metrics.differential import compare_groups, rank_genes


def simulate(n_cells: int, n_genes: int, n_groups: int, seed: int = 0) -> ad.AnnData:
    """Cells in groups, each with its own tenth of genes raised threefold."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.25, 0.6, size=n_genes)
    group = rng.integers(n_groups, size=n_cells)
    blocks = []
    for rows in np.array_split(np.arange(n_cells), max(1, n_cells // 5000)):
        raised = np.arange(n_genes)[None] % n_groups == group[rows][:, None]
        rate = means * np.where(raised, 3.0, 1.0) * rng.gamma(2.0, 0.5, size=(len(rows), 1))
        counts = rng.poisson(rate * rng.gamma(2.0, 0.5, size=rate.shape))
        blocks.append(sparse.csr_matrix(counts, dtype=np.float32))
    cells = ad.AnnData(sparse.vstack(blocks, format="csr"))
    cells.obs["group"] = pd.Categorical([f"g{g:02d}" for g in group])
    cells.obs_names = [f"c{i}" for i in range(n_cells)]
    cells.var_names = [f"gene{i}" for i in range(n_genes)]
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


def timed(work: Callable[[], pd.DataFrame], repeat: int) -> tuple[float, pd.DataFrame]:
    best = float("inf")
    for _ in range(repeat):
        started = time.perf_counter()
        table = work()
        best = min(best, time.perf_counter() - started)
    return best, table


def scanpy_rest(cells: ad.AnnData, method: str) -> pd.DataFrame:
    sc.tl.rank_genes_groups(cells, "group", method=method, use_raw=False, pts=True)
    return sc.get.rank_genes_groups_df(cells, None)


def scanpy_two(cells: ad.AnnData, method: str) -> pd.DataFrame:
    sc.tl.rank_genes_groups(
        cells, "group", method=method, groups=["g00"], reference="g01", use_raw=False, pts=True
    )
    return sc.get.rank_genes_groups_df(cells, "g00").assign(group="g00")


def difference(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Greatest difference of scores (relative above 1), of p-values and of fold changes."""
    both = ours.merge(theirs, on=["group", "names"], suffixes=("", "_2"), validate="1:1")
    assert len(both) == len(theirs)
    parts = []
    for column in ("scores", "pvals", "pvals_adj", "logfoldchanges"):
        size = np.maximum(1.0, both[f"{column}_2"].abs())
        parts.append(f"{((both[column] - both[f'{column}_2']).abs() / size).max():.0e}")
    return " / ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    small = simulate(500, 50, 2)
    for method in ("wilcoxon", "t-test"):
        scanpy_rest(small, method)
        scanpy_two(small, method)
        rank_genes(small.X, small.obs["group"], genes=small.var_names, test=method)
    cells = simulate(options.cells, options.genes, options.groups)
    share = cells.X.nnz / np.prod(cells.shape)
    print(
        f"{cells.n_obs:,} × {cells.n_vars:,} CSR float32, {share:.1%} stored, best of {options.repeat}"
    )
    print(f"{'job':34} {'ours s':>8} {'scanpy s':>9} {'times':>6}  score / p / adj p / log2 FC")
    group = cells.obs["group"]
    halves = [(group == name).to_numpy() for name in ("g00", "g01")]
    for method in ("wilcoxon", "t-test"):

        def ours_rest(method: str = method) -> pd.DataFrame:
            return rank_genes(cells.X, group, genes=cells.var_names, test=method)

        def ours_two(method: str = method) -> pd.DataFrame:
            return compare_groups(
                cells.X, *halves, genes=cells.var_names, names=("g00", "g01"), test=method
            )

        jobs = (
            (f"{method}, {options.groups} groups vs rest", ours_rest, scanpy_rest),
            (f"{method}, two of {options.groups} groups", ours_two, scanpy_two),
        )
        for name, ours, theirs in jobs:
            seconds, table = timed(ours, options.repeat)
            peer, peers = timed(lambda t=theirs, m=method: t(cells, m), options.repeat)
            print(
                f"{name:34} {seconds:8.2f} {peer:9.2f} {peer / seconds:6.1f}  "
                f"{difference(table, peers)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
