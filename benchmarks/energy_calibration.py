"""Energy distance: equal to its definition, calibrated on shuffled labels, and Kang's IFN-beta.

    python -m benchmarks.energy_calibration [--draws 1000] [--permutations 199]

Real cells (Kang 2018, ``../shared/data/kang_pbmc_ifnb.h5ad``), 30 principal components. The first
table compares with a naive double loop; in the second, labels are drawn at random, so that nothing
differs and p-values should be uniform: a share of ``a`` should fall at or below ``a``, and the
Kolmogorov–Smirnov test should see nothing. The third is the real stimulus.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from scipy import stats

from core.metrics.energy import DISTANCES, energy_distance, permutation_test
from core.metrics.energy_groups import energy_by_type
from core.settings import PROJECT_ROOT


def cells() -> ad.AnnData:
    """Kang 2018, log-normalised, with principal components."""
    folder = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared" / "data"))
    file = folder / "kang_pbmc_ifnb.h5ad"
    if not file.exists():
        raise SystemExit(f"{file.name} is not in {folder}: set PERTURBSCOPE_SHARED")
    found = ad.read_h5ad(file)
    sc.pp.normalize_total(found, target_sum=1e4)
    sc.pp.log1p(found)
    sc.pp.pca(found, n_comps=30, random_state=0)
    return found


def naive(x: np.ndarray, y: np.ndarray, squared: bool) -> float:
    """The definition: a loop over every pair of cells, a cell with itself included."""

    def mean(one: np.ndarray, two: np.ndarray) -> float:
        total = 0.0
        for a in one:
            for b in two:
                d2 = float(((a - b) ** 2).sum())
                total += d2 if squared else d2**0.5
        return total / (len(one) * len(two))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--permutations", type=int, default=199)
    options = parser.parse_args()
    found = cells()
    points = np.asarray(found.obsm["X_pca"], dtype=np.float64)
    stim = (found.obs["group_id"] == "stim").to_numpy()
    x, y = points[stim][:40], points[~stim][:30]
    print("distance      double loop      ours             difference")
    for distance in DISTANCES:
        loop, ours = (
            naive(x, y, distance == "sqeuclidean"),
            energy_distance(x, y, distance=distance),
        )
        print(f"{distance:<14}{loop:<17.9f}{ours:<17.9f}{abs(ours - loop):.1e}")
    print(
        f"\n{options.draws} draws of 40 against 30 cells under random labels, "
        f"{options.permutations} shuffles each\n"
        "distance      p ≤ 0.01  p ≤ 0.05  p ≤ 0.10  p ≤ 0.50  mean p   KS D     KS p"
    )
    for distance in DISTANCES:
        rng = np.random.default_rng(0)
        p = np.empty(options.draws)
        for i in range(options.draws):
            drawn = points[rng.choice(len(points), 70, replace=False)]
            p[i] = permutation_test(
                drawn[:40],
                drawn[40:],
                distance=distance,
                n_permutations=options.permutations,
                seed=i,
            )[1]
        shares = "".join(f"{(p <= level).mean():<10.3f}" for level in (0.01, 0.05, 0.1, 0.5))
        ks = stats.kstest(p, "uniform")
        print(f"{distance:<14}{shares}{p.mean():<9.3f}{ks.statistic:<9.3f}{ks.pvalue:.2f}")
    print("\nIFN-beta against control, 999 shuffles, adjusted by Benjamini and Hochberg")
    for distance in DISTANCES:
        table = energy_by_type(
            points,
            found.obs["group_id"],
            found.obs["cluster_id"],
            "stim",
            "ctrl",
            distance=distance,
            n_permutations=999,
        )
        apart = int((table["pvals_adj"] <= 0.05).sum())
        print(f"{distance:<14}{apart} of {len(table)} types separate")


if __name__ == "__main__":
    main()
