"""The space in which energy distances are taken where a data set brings no principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.expression import Expression
from core.errors import DataError
from core.metrics.differential import group_codes
from core.metrics.sparse_moments import group_moments, shape_of

N_COMPONENTS, N_GENES = 50, 2000


def subsample(strata: pd.Series, most: int, *, seed: int = 0) -> np.ndarray:
    """Positions of cells, at most ``most`` of each stratum at random, in ascending order.

    Cells without a stratum are left out.
    """
    codes, names = group_codes(strata)
    rng = np.random.default_rng(seed)
    chosen = []
    for i in range(len(names)):
        members = np.flatnonzero(codes == i)
        if len(members) > most:
            members = rng.choice(members, most, replace=False)
        chosen.append(members)
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)


def principal_components(
    matrix: Any,
    cells: np.ndarray | None = None,
    *,
    n_components: int = N_COMPONENTS,
    n_genes: int = N_GENES,
    seed: int = 0,
) -> np.ndarray:
    """Principal components of the genes that vary most.

    scPerturb takes 2,000 highly variable genes and 50 components; here the genes with the highest
    variance of log expression among ``cells`` are taken, centred, not scaled.

    Parameters
    ----------
    matrix
        Log expression: CSR, CSC, dense, or an :class:`~core.data.expression.Expression`.
    cells
        Positions to take; default: all.
    n_components, n_genes
        At most; fewer where there are fewer cells or genes.

    Returns
    -------
    numpy.ndarray
        float64 ``(len(cells), n_components)``.

    Raises
    ------
    DataError
        Fewer than four cells, or no gene that varies.
    """
    from sklearn.decomposition import PCA

    n_cells = shape_of(matrix)[0]
    cells = np.arange(n_cells) if cells is None else np.asarray(cells)
    if len(cells) < 4:
        raise DataError(f"Principal components need four cells or more; {len(cells)} are chosen.")
    codes = np.full(n_cells, -1, dtype=np.int32)
    codes[cells] = 0
    variance = group_moments(matrix, codes, 1, ranks=False).m2[0]
    top = np.argsort(-variance, kind="stable")[:n_genes]
    top = np.sort(top[variance[top] > 0])
    if not len(top):
        raise DataError("No gene varies between these cells, so they have no principal components.")
    if isinstance(matrix, Expression):
        part: Any = matrix.by_gene([str(matrix.genes[i]) for i in top]).tocsr()[cells]
    else:
        part = matrix[:, top][cells]
    n = min(n_components, len(cells) - 1, len(top))
    if sparse.issparse(part) and n < min(part.shape):
        part = sparse.csr_matrix(part, dtype=np.float64)
        return PCA(n, svd_solver="arpack", random_state=seed).fit_transform(part)
    dense = part.toarray() if sparse.issparse(part) else np.asarray(part)
    return PCA(n, svd_solver="full").fit_transform(dense.astype(np.float64))
