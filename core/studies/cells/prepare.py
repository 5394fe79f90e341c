"""Log-normalised cells with the genes that PCA shall see, whatever scale they came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from core.data.preprocessing import Preprocessed, Preprocessing, has_counts, preprocess
from core.data.preprocessing.run import variable_genes
from core.errors import ConfigError, DataError
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData

#: Steps that cannot be done without raw counts.
NEED_COUNTS = (
    "min_counts",
    "max_counts",
    "min_genes",
    "max_genes",
    "max_mito",
    "gene_min_cells",
)
LEAST_CELLS = 4


def prepare_cells(
    cells: AnnData, config: Preprocessing, *, on_progress: OnProgress = silent
) -> Preprocessed:
    """:func:`core.data.preprocessing.preprocess`, or the cells as they are without raw counts.

    Raises
    ------
    ConfigError
        Where a cut-off on reads or genes is asked for and there are no raw counts.
    DataError
        Where fewer than four cells or two genes are left.
    """
    found = (
        preprocess(cells, config, on_progress=on_progress)
        if has_counts(cells)
        else _as_they_are(cells, config)
    )
    if found.cells.n_obs < LEAST_CELLS or found.cells.n_vars < 2:
        raise DataError(
            f"{found.cells.n_obs:,} cells × {found.cells.n_vars:,} genes are left: too few for "
            "coordinates."
        )
    return found


def _as_they_are(cells: AnnData, config: Preprocessing) -> Preprocessed:
    asked = [name for name in NEED_COUNTS if getattr(config, name) is not None]
    if asked or config.balance_key:
        title = Preprocessing.model_fields[asked[0] if asked else "balance_key"].title
        raise ConfigError(
            f"'{title}' needs raw counts, and the data set holds none: leave it empty."
        )
    matrix: Any = cells.X
    negative = bool((matrix.data if sparse.issparse(matrix) else np.asarray(matrix)).min() < 0)
    scale = "scaled values" if negative else "values on a log or normalised scale"
    steps = [
        f"The data set holds {scale} and no raw counts: all {cells.n_obs:,} cells are kept, and "
        "nothing was normalised again."
    ]
    result = cells.copy()
    if sparse.issparse(result.X):
        result.X = sparse.csr_matrix(result.X, dtype=np.float32)
    if config.n_hvg is not None and config.n_hvg >= cells.n_vars:
        steps.append(f"All {cells.n_vars:,} genes are used.")
        result.var["highly_variable"] = True
    elif config.n_hvg is not None and negative:
        steps.append(f"All {cells.n_vars:,} genes are used: scaled genes vary alike.")
    else:
        result, chosen = variable_genes(result, config)
        steps += chosen
    return Preprocessed(result, steps)
