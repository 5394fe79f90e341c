"""Mutual nearest neighbours between batches (Haghverdi 2018), exact or with a measured recall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core.errors import ConfigError, DataError
from core.models.integrators.base import Batches
from core.progress import OnProgress, silent

#: Two sides whose product of cells is larger are searched with an inverted file.
EXACT_UP_TO = 60_000 * 60_000
#: float32 search orders near ties at random, so a few more are fetched and ranked in float64.
SLACK = 8
#: Queries on which the recall of an approximate search is measured.
RECALL_QUERIES = 1_000
#: Share of the inverted lists that a query visits.
PROBED = 0.06
#: Queries that are ranked at a time, by each thread; and searched at a time on a torch device.
BLOCK, TORCH_BLOCK = 1_024, 4_096


@dataclass(frozen=True)
class MutualNeighbors:
    """Mutual nearest neighbours of ``m`` pairs.

    Attributes
    ----------
    pairs
        Rows of the two cells, int64 ``(m, 2)``; the first is of the batch that comes first.
    distances
        Euclidean, float32 ``(m,)``.
    recall
        Share of true neighbours that the search found, measured on a sample; 1.0 where it was
        exact.
    """

    pairs: np.ndarray
    distances: np.ndarray
    recall: float = 1.0


def nearest(
    queries: np.ndarray, points: np.ndarray, k: int, *, device: str = "cpu", exact: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest ``points`` of each query, by Euclidean distance.

    Parameters
    ----------
    queries, points
        float32 ``(n, d)`` and ``(m, d)``.
    k
        Neighbours, at most ``m``.
    device
        ``"cpu"`` (faiss) or a torch device (blocks of distances on the GPU).
    exact
        False: an inverted file (faiss IVF), which only the CPU knows.

    Returns
    -------
    Indices int64 ``(n, k)``, nearest first with ties in order of index, and squared distances
    float64 ``(n, k)``.
    """
    # Distances are computed as ‖x‖² + ‖y‖² − 2xy: centred, the terms lose fewer digits.
    center = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    queries = np.ascontiguousarray(queries - center, np.float32)
    points = np.ascontiguousarray(points - center, np.float32)
    wide = min(k + SLACK, len(points))
    if device != "cpu":
        candidates = _torch_search(queries, points, wide, device)
    elif exact:
        candidates = _flat_search(queries, points, wide)
    else:
        candidates = _ivf_search(queries, points, wide)
    return _rank(queries, points, candidates, k)


def _flat_search(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    return index.search(queries, k)[1]


def _ivf_search(queries: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    import faiss

    n_lists = int(min(4 * np.sqrt(len(points)), len(points) / 39))
    flat = faiss.IndexFlatL2(points.shape[1])
    index = faiss.IndexIVFFlat(flat, points.shape[1], n_lists)
    index.train(points)
    index.add(points)
    index.nprobe = max(8, int(PROBED * n_lists))
    return index.search(queries, k)[1]


def _torch_search(queries: np.ndarray, points: np.ndarray, k: int, device: str) -> np.ndarray:
    import torch

    where = torch.device(device)
    target = torch.as_tensor(points, device=where)
    norms = target.square().sum(1)
    found = [
        torch.topk(
            torch.addmm(norms[None], torch.as_tensor(block, device=where), target.T, alpha=-2.0),
            k,
            largest=False,
        ).indices.cpu()
        for block in np.array_split(queries, max(1, len(queries) // TORCH_BLOCK))
    ]
    return torch.cat(found).numpy()


def _rank(
    queries: np.ndarray, points: np.ndarray, candidates: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Best ``k`` of the candidates by distances computed in float64."""
    indices = np.empty((len(queries), k), np.int64)
    squared = np.empty((len(queries), k))

    def rank(start: int) -> None:
        rows = slice(start, start + BLOCK)
        own = candidates[rows].astype(np.int64)
        # An inverted file may find fewer than asked for; those come last.
        absent = own < 0
        difference = points[own] - queries[rows, None, :]
        exact = np.einsum("nkd,nkd->nk", difference, difference, dtype=np.float64)
        exact[absent] = np.inf
        order = np.lexsort((own, exact), axis=1)[:, :k]
        indices[rows] = np.take_along_axis(own, order, 1)
        squared[rows] = np.take_along_axis(exact, order, 1)

    # NumPy works outside the interpreter's lock, as faiss does with its own threads.
    with ThreadPoolExecutor(_threads()) as pool:
        list(pool.map(rank, range(0, len(queries), BLOCK)))
    return indices, squared


def _threads() -> int:
    """As many as faiss takes."""
    import faiss

    return int(faiss.omp_get_max_threads())


def mutual_nearest_neighbors(
    latent: np.ndarray,
    batches: Batches,
    *,
    k: int = 20,
    order: Sequence[str] | None = None,
    device: str = "cpu",
    exact_up_to: int = EXACT_UP_TO,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> MutualNeighbors:
    """Pairs of cells that are among the ``k`` nearest of each other across batches.

    Parameters
    ----------
    latent
        float32 ``(n, d)``.
    batches
        Of the ``n`` cells.
    k
        Neighbours searched on either side.
    order
        None: between every two batches. Names of all batches: the second with the first, the
        third with the two before it as one, and so on.
    device
        ``"cpu"`` or a torch device.
    exact_up_to
        Product of cells on the two sides above which an inverted file is searched (CPU only).
    seed
        Of the sample on which its recall is measured.

    Raises
    ------
    DataError
        If a batch has fewer than ``k`` cells.
    ConfigError
        If ``order`` does not name every batch once.
    """
    _check_sizes(batches, k)
    sides = list(_sides(batches, order))
    pairs, squared, recalls = [], [], []
    for done, (left, right) in enumerate(sides):
        on_progress(done, len(sides), "Mutual nearest neighbours")
        exact = device != "cpu" or len(left) * len(right) <= exact_up_to
        first, second = latent[left], latent[right]
        near, distance = nearest(first, second, k, device=device, exact=exact)
        back = nearest(second, first, k, device=device, exact=exact)[0]
        if not exact:
            recalls.append(_recall(first, second, near, seed))
        own, at = _mutual(near, back)
        pairs.append(np.stack([left[own], right[near[own, at]]], axis=1))
        squared.append(distance[own, at])
    on_progress(len(sides), len(sides), "Mutual nearest neighbours")
    return MutualNeighbors(
        np.concatenate(pairs).astype(np.int64),
        np.sqrt(np.concatenate(squared)).astype(np.float32),
        min(recalls, default=1.0),
    )


def _check_sizes(batches: Batches, k: int) -> None:
    small = np.flatnonzero(batches.sizes < k)
    if len(small):
        name, size = batches.names[small[0]], batches.sizes[small[0]]
        others = f" ({len(small) - 1} more batches are as small)" if len(small) > 1 else ""
        raise DataError(
            f"Batch '{name}' has {size:,} cells, fewer than the k = {k} neighbours that are "
            f"searched in it: lower k or leave the batch out{others}."
        )


def _sides(
    batches: Batches, order: Sequence[str] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows on the two sides of each search."""
    if order is None:
        for first, second in combinations(range(len(batches)), 2):
            yield batches.rows(first), batches.rows(second)
        return
    if sorted(order) != sorted(batches.names):
        known = ", ".join(f"'{name}'" for name in batches.names)
        raise ConfigError(f"The order of the batches must name each of them once: {known}.")
    codes = [batches.names.index(name) for name in order]
    for position in range(1, len(codes)):
        before = np.flatnonzero(np.isin(batches.codes, codes[:position]))
        yield before, batches.rows(codes[position])


def _mutual(near: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``(row, column)`` of ``near`` that ``back`` returns."""
    n, m = len(near), len(back)
    # One number a directed pair: what both lists hold is mutual.
    forward = (np.arange(n)[:, None] * m + near).ravel()
    backward = np.sort((back * m + np.arange(m)[:, None]).ravel())
    # Absent neighbours (−1) give numbers that belong to other pairs.
    forward[near.ravel() < 0] = -1
    backward = backward[backward >= 0]
    at = np.minimum(np.searchsorted(backward, forward), len(backward) - 1)
    found = np.flatnonzero((backward[at] == forward) & (forward >= 0))
    return np.divmod(found, near.shape[1])


def _recall(queries: np.ndarray, points: np.ndarray, near: np.ndarray, seed: int) -> float:
    """Share of true neighbours among those found, over a sample of queries."""
    generator = np.random.default_rng(seed)
    sample = generator.choice(len(queries), min(RECALL_QUERIES, len(queries)), replace=False)
    true = nearest(queries[sample], points, near.shape[1])[0]
    hits = [len(np.intersect1d(a, b)) for a, b in zip(true, near[sample], strict=True)]
    return float(np.mean(hits) / near.shape[1])
