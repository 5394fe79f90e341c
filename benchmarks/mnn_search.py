"""Mutual nearest neighbours of two batches: ours beside faiss flat alone and tree searches.

All in one run, on clustered points in 50 dimensions:

    python -m benchmarks.mnn_search                       # 2 × 50,000 cells
    python -m benchmarks.mnn_search --cells 20000 --trees  # with cKDTree and scikit-learn
    python -m benchmarks.mnn_search --cells 100000        # beyond the exact size: inverted file

``faiss flat`` is the two searches alone, without finding which neighbours are mutual.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from core.models.integrators.base import Batches
from core.models.integrators.mnn import EXACT_UP_TO, mutual_nearest_neighbors

K = 20
T = TypeVar("T")


def points(n: int, d: int, seed: int) -> np.ndarray:
    """Two batches of ``n`` points around 15 centers, the second shifted."""
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=(15, d)) * 3
    cells = centers[generator.integers(0, 15, 2 * n)] + generator.normal(size=(2 * n, d))
    cells[n:] += generator.normal(size=d) * 0.3
    return cells.astype(np.float32)


def seconds(work: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Fastest of ``repeats`` runs, and what the last returned."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return min(times), result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=50_000, help="cells a batch")
    parser.add_argument("--dimensions", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trees", action="store_true", help="also cKDTree and scikit-learn")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    n = options.cells
    cells = points(n, options.dimensions, 0)
    first, second = np.ascontiguousarray(cells[:n]), np.ascontiguousarray(cells[n:])
    batches = Batches(("a", "b"), np.repeat(np.arange(2), n))
    import faiss

    def flat() -> None:
        for points_, queries in ((first, second), (second, first)):
            index = faiss.IndexFlatL2(options.dimensions)
            index.add(points_)
            index.search(queries, K)

    base, _ = seconds(flat, options.repeats)
    ours, found = seconds(
        lambda: mutual_nearest_neighbors(cells, batches, k=K, device=options.device),
        options.repeats,
    )
    exact = options.device != "cpu" or n * n <= EXACT_UP_TO
    kind = "exact" if exact else f"inverted file, recall {found.recall:.4f}"
    rows = [
        ("faiss flat, both directions", base),
        (f"mutual_nearest_neighbors ({kind}, {options.device})", ours),
    ]
    if options.trees:
        from scipy.spatial import cKDTree
        from sklearn.neighbors import NearestNeighbors

        def trees() -> None:
            for points_, queries in ((first, second), (second, first)):
                cKDTree(points_).query(queries, K, workers=-1)

        def brute() -> None:
            for points_, queries in ((first, second), (second, first)):
                search = NearestNeighbors(n_neighbors=K, algorithm="brute", n_jobs=-1)
                search.fit(points_).kneighbors(queries)

        rows += [("cKDTree", seconds(trees, 1)[0]), ("scikit-learn brute", seconds(brute, 1)[0])]
    print(
        f"2 × {n:,} cells, {options.dimensions} dimensions, k = {K}; faiss threads: "
        f"{faiss.omp_get_max_threads()}; {len(found.pairs):,} pairs"
    )
    print("\n| search | seconds | × faiss flat |\n|---|---|---|")
    for name, took in rows:
        print(f"| {name} | {took:.2f} | {took / base:.2f} |")


if __name__ == "__main__":
    main()
