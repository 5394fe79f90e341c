"""Similarity of pairs: Tanimoto kernels of molecules, and whether the cell type is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import scipy.sparse as sp

from core.errors import ConfigError
from core.featurizers.kernel_views import KERNEL
from core.models.inputs import Inputs

#: Kernels of arrays seen before, while :func:`remembered` is open: ``(left, right, kernel)``.
_KEPT: ContextVar[list[tuple[np.ndarray, np.ndarray, np.ndarray]] | None] = ContextVar(
    "kept_kernels", default=None
)


@contextmanager
def remembered() -> Iterator[None]:
    """Compute a kernel of the same two arrays once, however often it is asked for inside.

    For molecules that are predicted in one cell type after another: their kernel with the
    training molecules is the same in all. Arrays are told by identity, so nobody may change them
    in place meanwhile.
    """
    token = _KEPT.set([])
    try:
        yield
    finally:
        _KEPT.reset(token)


def kernel_views(inputs: Inputs) -> dict[str, np.ndarray]:
    """The count fingerprints among the views, by name.

    Raises
    ------
    ConfigError
        When the inputs were not made by a ``FeaturePipeline``, which always adds them.
    """
    views = {n: view for n, view in inputs.views.items() if inputs.branches[n] == KERNEL}
    if not views:
        raise ConfigError("Kernel models need fingerprints, and these inputs hold none.")
    return views


def tanimoto(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Tanimoto (min-max) kernel of counts: ``Σ min(a, b) / Σ max(a, b)``.

    Positive definite for non-negative counts (Ralaivola et al., *Neural Networks* 18, 2005); two
    empty fingerprints count as equal.

    Parameters
    ----------
    left, right
        Non-negative integer counts ``(n, d)`` and ``(m, d)``.

    Returns
    -------
    float64 ``(n, m)`` in [0, 1].
    """
    top = np.minimum(left.max(axis=0, initial=0), right.max(axis=0, initial=0)).astype(np.int64)
    common = (_levels(left, top) @ _levels(right, top).T).toarray().astype(np.float64)
    sums = left.sum(axis=1, dtype=np.float64)[:, None] + right.sum(axis=1, dtype=np.float64)
    union = sums - common
    return np.where(union > 0, common / np.where(union > 0, union, 1.0), 1.0)


def _levels(counts: np.ndarray, top: np.ndarray) -> sp.csr_matrix:
    """Indicators ``count ≥ 1, ≥ 2 … ≥ top``: their inner product is ``Σ min(a, b)``."""
    start = np.concatenate([[0], np.cumsum(top)])
    capped = np.minimum(counts, top).astype(np.int64)
    rows, columns = np.nonzero(capped)
    times = capped[rows, columns]
    offsets = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    indices = np.repeat(start[columns], times) + offsets
    indptr = np.concatenate([[0], np.cumsum(capped.sum(axis=1))])
    data = np.ones(len(indices), dtype=np.float32)
    return sp.csr_matrix((data, indices, indptr), shape=(len(counts), int(start[-1])))


def molecule_kernel(left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean of the Tanimoto kernels of all fingerprint views, float64 ``(n, m)``."""
    kernels = [_remembering(left[name], right[name]) for name in right]
    return np.mean(kernels, axis=0)


def _remembering(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    kept = _KEPT.get()
    for one, other, kernel in kept or ():
        if one is left and other is right:
            return kernel
    kernel = tanimoto(left, right)
    if kept is not None:
        kept.append((left, right, kernel))
    return kernel


def cell_kernel(left: np.ndarray, right: np.ndarray, between: float) -> np.ndarray:
    """1 where two rows have the same cell type, else ``between``, float64 ``(n, m)``.

    A cell type never seen in training (code −1) is like none.
    """
    return np.where(left[:, None] == right[None, :], 1.0, between)
