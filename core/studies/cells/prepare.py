"""Log-normalised cells with the genes that PCA shall see, whatever scale they came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from core.data import load_cells, require_ready, store
from core.data.attachments import add_attached
from core.data.preprocessing import Preprocessed, Preprocessing, has_counts, preprocess
from core.data.preprocessing.lazy import preprocess_lazy
from core.data.preprocessing.run import variable_genes
from core.data.registry import CELLS
from core.errors import ConfigError, DataError
from core.progress import OnProgress, silent
from core.settings import Settings

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
_UNTOUCHED = (
    "The data set holds {scale}: all {n:,} cells are kept, and nothing was normalised again."
)
Shape = tuple[int, int]


def open_prepared(id: str, config: Preprocessing, settings: Settings) -> tuple[Preprocessed, Shape]:
    """:func:`prepare_cells` of a stored data set, and its shape before.

    Above ``chunked_above_mb`` the values stay on disk: ``X`` of the result is a Dask array.
    """
    status = require_ready(id, settings)
    file = store.folder_of(id, settings) / store.H5AD
    size = file.stat().st_size if file.exists() else 0
    # A compressed file is never larger than its values, so small files need no look inside.
    if size > settings.chunked_above_mb * 10**6 / 20:
        from core.data.chunked import open_lazy, stored_bytes

        if stored_bytes(file) > settings.chunked_above_mb * 10**6:
            cells = add_attached(open_lazy(file), id, settings)
            return prepare_lazy(cells, config, counts=status_has_counts(id, settings)), cells.shape
    if status.kind != CELLS:
        raise ConfigError(f"The data set '{id}' holds no cells.")
    cells = load_cells(id, settings)
    return prepare_cells(cells, config), cells.shape


def status_has_counts(id: str, settings: Settings) -> bool:
    """Whether a stored data set is known to hold raw counts in ``X``."""
    meta = store.read_meta(store.folder_of(id, settings)) or {}
    return meta.get("values") == "counts"


def prepare_lazy(cells: AnnData, config: Preprocessing, *, counts: bool) -> Preprocessed:
    """:func:`prepare_cells` of cells whose ``X`` is a Dask array."""
    if counts or "counts" in cells.layers:
        return preprocess_lazy(cells, config)
    _refuse_cuts(config)
    steps = [_UNTOUCHED.format(scale="no raw counts", n=cells.n_obs)]
    cells, chosen = variable_genes(cells, config)
    return Preprocessed(cells, [*steps, *chosen])


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


def _refuse_cuts(config: Preprocessing) -> None:
    asked = [name for name in NEED_COUNTS if getattr(config, name) is not None]
    if asked or config.balance_key:
        title = Preprocessing.model_fields[asked[0] if asked else "balance_key"].title
        raise ConfigError(
            f"'{title}' needs raw counts, and the data set holds none: leave it empty."
        )


def _as_they_are(cells: AnnData, config: Preprocessing) -> Preprocessed:
    _refuse_cuts(config)
    matrix: Any = cells.X
    negative = bool((matrix.data if sparse.issparse(matrix) else np.asarray(matrix)).min() < 0)
    scale = "scaled values" if negative else "values on a log or normalised scale"
    steps = [_UNTOUCHED.format(scale=f"{scale} and no raw counts", n=cells.n_obs)]
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
