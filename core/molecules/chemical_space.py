"""A map of chemical space: UMAP of compounds by Tanimoto distance of their fingerprints."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from rdkit import DataStructs

from core.molecules.parse import MoleculeError

#: Rows of the similarity matrix that are made at once.
BLOCK = 1024
MIN_COMPOUNDS = 5


def bit_matrix(fingerprints: Sequence[DataStructs.ExplicitBitVect]) -> np.ndarray:
    """Fingerprints as uint8 ``(n, n_bits)`` of zeros and ones."""
    n_bits = fingerprints[0].GetNumBits()
    matrix = np.zeros((len(fingerprints), n_bits), dtype=np.uint8)
    for row, fingerprint in enumerate(fingerprints):
        DataStructs.ConvertToNumpyArray(fingerprint, matrix[row])
    return matrix


def nearest_by_tanimoto(
    fingerprints: Sequence[DataStructs.ExplicitBitVect], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exact ``k`` nearest compounds of each compound, itself first.

    Returns
    -------
    indices, distances
        int32 and float32, both ``(n, k)``; distance is 1 − Tanimoto.
    """
    bits = bit_matrix(fingerprints).astype(np.float32)
    n = len(bits)
    on = bits.sum(axis=1)
    indices = np.empty((n, k), dtype=np.int32)
    distances = np.empty((n, k), dtype=np.float32)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        both = bits[rows] @ bits.T
        either = on[rows, None] + on[None, :] - both
        distance = 1.0 - both / np.maximum(either, 1.0)
        own = np.arange(rows.start, rows.stop)
        distance[np.arange(len(own)), own] = -1.0  # so that twins do not push a compound off
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(distance, nearest, axis=1)
        order = np.lexsort((nearest, values), axis=1)
        indices[rows] = np.take_along_axis(nearest, order, axis=1)
        distances[rows] = np.maximum(np.take_along_axis(values, order, axis=1), 0.0)
    return indices, distances


def chemical_space(
    fingerprints: Sequence[DataStructs.ExplicitBitVect],
    *,
    n_neighbours: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
) -> np.ndarray:
    """Two coordinates a compound: UMAP (McInnes et al. 2018) on exact Tanimoto neighbours.

    Parameters
    ----------
    n_neighbours, min_dist
        UMAP's own: how far it looks, how tightly it packs.
    seed
        The same seed gives the same map.

    Returns
    -------
    float32 ``(n, 2)``. Distances on the map mean something only between close compounds.

    Raises
    ------
    MoleculeError
        Where there are fewer than 5 compounds.
    """
    n = len(fingerprints)
    if n < MIN_COMPOUNDS:
        raise MoleculeError(f"A map needs at least {MIN_COMPOUNDS} compounds; there are {n}.")
    from umap import UMAP  # seconds of compilation: only where a map is drawn

    k = min(n_neighbours, n - 1)
    indices, distances = nearest_by_tanimoto(fingerprints, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP's remarks on threads and on the missing index
        model = UMAP(
            n_neighbors=k,
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
            init="random" if n < 50 else "spectral",
            precomputed_knn=(indices, distances),
            # Without it UMAP finds neighbours itself, by another distance, in small data.
            force_approximation_algorithm=True,
        )
        # With precomputed neighbours UMAP takes the data's shape only; the bits feed its start.
        return np.asarray(model.fit_transform(bit_matrix(fingerprints)), dtype=np.float32)
