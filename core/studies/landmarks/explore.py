"""A first look at the cells: principal components, t-SNE of one experiment, types, gene levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils.extmath import randomized_svd

from core.errors import DataError
from core.models.selectors.ranking import normalised_dispersion
from core.studies.landmarks.data import LandmarkData

#: Cells that t-SNE places at most; more are sampled.
MOST_CELLS = 2000
#: Columns with more values than this are no experiments (barcodes, say).
_MOST_VALUES = 60


@dataclass(frozen=True)
class Principals:
    """Principal components of the log-normalised cells.

    Attributes
    ----------
    scores
        float32 ``(n_cells, k)``.
    variance
        Share of the total variance that each component holds, ``(k,)``.
    needed
        Number of components that hold half of the variance, or None where ``k`` hold less.
    """

    scores: np.ndarray
    variance: np.ndarray
    needed: int | None


def principal_components(data: LandmarkData, n: int = 50, seed: int = 0) -> Principals:
    """Leading principal components of all kept genes, centred, unscaled."""
    centred = data.X - data.X.mean(axis=0)
    k = min(n, min(centred.shape) - 1)
    u, s, _ = randomized_svd(centred, k, random_state=seed)
    variance = s.astype(np.float64) ** 2 / float(np.square(centred, dtype=np.float64).sum())
    over = np.flatnonzero(np.cumsum(variance) >= 0.5)
    needed = int(over[0]) + 1 if len(over) else None
    return Principals((u * s).astype(np.float32), variance, needed)


def experiment_columns(data: LandmarkData) -> list[str]:
    """Columns that can tell experiments apart: 2 to 60 values, no numbers, not the cell type."""
    found = []
    for name in data.obs.columns:
        column = data.obs[name]
        if pd.api.types.is_numeric_dtype(column.dtype) or name == data.label_key:
            continue
        if 2 <= column.nunique() <= _MOST_VALUES:
            found.append(str(name))
    return found


@dataclass(frozen=True)
class Placed:
    """Cells in a plane: ``rows`` (positions), ``coordinates`` float32 ``(n, 2)``."""

    rows: np.ndarray
    coordinates: np.ndarray


def tsne(
    scores: np.ndarray, rows: np.ndarray, *, seed: int = 0, perplexity: float = 30.0
) -> Placed:
    """t-SNE of the cells ``rows`` from their principal components ``scores`` (of all cells).

    At most :data:`MOST_CELLS`, drawn at random.

    Raises
    ------
    DataError
        For fewer than ten cells.
    """
    from sklearn.manifold import TSNE

    if len(rows) < 10:
        raise DataError(f"t-SNE needs at least 10 cells; this experiment has {len(rows)}.")
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_CELLS:
        rows = np.sort(rng.choice(rows, MOST_CELLS, replace=False))
    near = min(perplexity, (len(rows) - 1) / 3.0)
    model = TSNE(perplexity=near, init="pca", random_state=seed, max_iter=500, n_jobs=1)
    return Placed(rows, np.asarray(model.fit_transform(scores[rows]), dtype=np.float32))


def balance(data: LandmarkData) -> pd.DataFrame:
    """Cells and median library size of each type: ``cell_type, n_cells, median_reads``."""
    frame = pd.DataFrame({"cell_type": data.cell_types, "reads": data.library_size})
    grouped = frame.groupby("cell_type")["reads"]
    table = grouped.agg(n_cells="size", median_reads="median").reset_index()
    return table.sort_values("n_cells", ascending=False, ignore_index=True)


def gene_levels(data: LandmarkData, rows: np.ndarray | None = None) -> pd.DataFrame:
    """Level and spread of every gene over the cells ``rows`` (default: all).

    Returns
    -------
    DataFrame
        ``gene, mean, variance`` (of log expression), ``dispersion`` (Seurat's, normalised),
        ``detected`` (share of cells).
    """
    X = data.X if rows is None else data.X[rows]
    return pd.DataFrame(
        {
            "gene": data.genes,
            "mean": X.mean(axis=0, dtype=np.float64),
            "variance": X.var(axis=0, dtype=np.float64),
            "dispersion": normalised_dispersion(X),
            "detected": (X > 0).mean(axis=0),
        }
    )
