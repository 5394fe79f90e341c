"""The contract of every batch integration, and the registry that users choose from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from core.errors import DataError
from core.models.base import Params
from core.progress import OnProgress, silent
from core.registry import Registry

if TYPE_CHECKING:
    from anndata import AnnData

#: Distinct values named in a message before the rest is counted.
SHOWN = 4


class IntegratorParams(Params):
    """What every integration shares: the principal components it starts from."""

    n_pcs: int = Field(
        50, ge=2, le=500, title="Principal components", description="Dimensions of the PCA."
    )
    scale: bool = Field(
        False,
        title="Scale genes",
        description="Divide each gene by its standard deviation (clipped at 10) before the PCA.",
    )


#: The class by a name that an integrator's own ``Params`` does not hide.
_IntegratorParams = IntegratorParams


@dataclass(frozen=True)
class Integrated:
    """What an integration makes of ``n`` cells.

    Attributes
    ----------
    embedding
        float32 ``(n, d)``, or None where the method makes a neighbour graph only.
    connectivities, distances
        Neighbour graph, CSR ``(n, n)``, of the methods that make one.
    corrected
        Corrected log expression, float32 ``(n, n_genes)``, where the method makes one.
    extras
        What else there is to show. Keys in use: ``mnn_pairs`` int64 ``(m, 2)`` (rows of the
        cells) with ``mnn_weights`` float32 ``(m,)``; ``losses`` (frame, one row an epoch);
        ``gene_shift`` (frame indexed by gene, one column a batch: mean change in log
        expression); ``topics`` float32 ``(n, n_topics)``, with ``topic_genes`` float32 ``(n_topics,
        n_genes)`` (weight of each gene in each topic) and ``gene_embedding`` float32 ``(n_genes,
        d)``; ``notes`` (list of sentences: what was
        chosen or left out on the way); ``recall`` (of an approximate neighbour search);
        ``support`` float32 ``(n,)`` (how much of a cell's surroundings was matched);
        ``input_embedding`` float32 ``(n, d)`` (what a graph was made of, or where cells were in
        the method's own space before it moved them).
    """

    embedding: np.ndarray | None = None
    connectivities: sparse.csr_matrix | None = None
    distances: sparse.csr_matrix | None = None
    corrected: np.ndarray | None = None
    extras: dict[str, Any] = field(default_factory=dict)


class Integrator(ABC):
    """Brings cells of several batches into one space, without labels.

    Parameters
    ----------
    params
        An instance of the class's own ``Params``.
    device
        Torch device (``"cpu"``, ``"cuda:0"`` …) of the methods that train a network; resolve
        ``"auto"`` with :func:`core.training.resolve_device` first.
    """

    Params: ClassVar[type[IntegratorParams]] = IntegratorParams

    def __init__(self, params: _IntegratorParams | None = None, *, device: str = "cpu") -> None:
        self.params: Any = params if params is not None else self.Params()
        self.device = str(device)

    @classmethod
    def missing(cls) -> str | None:
        """Why the method cannot run on this installation, in one sentence; None if it can."""
        return None

    @abstractmethod
    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Integrate the batches in ``cells.obs[batch_key]``.

        Parameters
        ----------
        cells
            ``X`` log-normalised (the genes to use, for example the highly variable ones),
            ``layers["counts"]`` raw counts where the method needs them. Not modified.
        batch_key
            Column of ``obs``; at least two batches.
        seed
            Of every random step.
        on_progress
            ``(done, total, message)``; an exception that it raises ends the work.

        Raises
        ------
        DataError
            The column is missing or has gaps, there is one batch only, or ``X`` holds counts.
        ConfigError
            The method's package is not installed.
        """


@dataclass(frozen=True)
class Batches:
    """Batches of ``n`` cells: names in sorted order and codes int64 ``(n,)``."""

    names: tuple[str, ...]
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sizes(self) -> np.ndarray:
        """Cells a batch, int64 ``(n_batches,)``."""
        return np.bincount(self.codes, minlength=len(self.names))

    def rows(self, code: int) -> np.ndarray:
        """Rows of one batch."""
        return np.flatnonzero(self.codes == code)


def read_batches(cells: AnnData, batch_key: str, *, least: int = 1, at_least: int = 2) -> Batches:
    """The batches of ``cells``.

    Parameters
    ----------
    cells
        With the column in ``obs``.
    batch_key
        The column.
    least
        Fewest cells that a batch may have.
    at_least
        Fewest batches.

    Raises
    ------
    DataError
        If the column is missing or has gaps, or there are too few batches or cells.
    """
    if batch_key not in cells.obs:
        known = ", ".join(f"'{name}'" for name in cells.obs.columns) or "none"
        raise DataError(
            f"The cells have no column '{batch_key}' that names their batch; columns: {known}."
        )
    column = cells.obs[batch_key]
    gaps = int(column.isna().sum())
    if gaps:
        raise DataError(
            f"The batch column '{batch_key}' is empty in {gaps:,} of {len(column):,} cells: "
            "name their batch or leave them out."
        )
    names, codes = np.unique(column.astype(str).to_numpy(), return_inverse=True)
    if len(names) < at_least:
        raise DataError(
            f"All {len(column):,} cells are in one batch ('{names[0]}' in '{batch_key}'): "
            "there is nothing to integrate; choose a column with two or more batches."
        )
    sizes = np.bincount(codes)
    small = np.flatnonzero(sizes < least)
    if len(small):
        shown = ", ".join(f"'{names[i]}' ({sizes[i]})" for i in small[:SHOWN])
        more = f" and {len(small) - SHOWN} more" if len(small) > SHOWN else ""
        raise DataError(
            f"Each batch needs at least {least} cells; too small in '{batch_key}': {shown}{more}."
        )
    return Batches(tuple(map(str, names)), codes.astype(np.int64))


def log_expression(cells: AnnData) -> np.ndarray:
    """``X`` as dense float32 ``(n, n_genes)``.

    Raises
    ------
    DataError
        If ``X`` is missing, not finite, or holds whole numbers only, which is how raw counts look.
    """
    matrix: Any = cells.X
    if matrix is None:
        raise DataError("The cells have no X: normalise and log-transform their counts first.")
    values = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("X holds missing or infinite values: integration needs finite numbers.")
    if values.size and (values == np.rint(values)).all() and values.max(initial=0.0) > 1:
        raise DataError(
            "X holds whole numbers only, as raw counts do: normalise and log-transform it first."
        )
    return values


def raw_counts(cells: AnnData) -> sparse.csr_matrix:
    """``layers["counts"]`` as CSR float32.

    Raises
    ------
    DataError
        If the layer is missing or holds values that are not counts.
    """
    if "counts" not in cells.layers:
        known = ", ".join(f"'{name}'" for name in cells.layers) or "none"
        raise DataError(
            f"This method models raw counts, and the cells have no layer 'counts' (layers: {known})."
        )
    counts = sparse.csr_matrix(cells.layers["counts"]).astype(np.float32)
    if counts.nnz and (counts.data.min() < 0 or (counts.data != np.rint(counts.data)).any()):
        raise DataError(
            "The layer 'counts' holds values that are not whole numbers, so they were normalised "
            "already: this method needs the raw counts."
        )
    return counts


@dataclass(frozen=True)
class PCASpace:
    """Principal components of log expression.

    Attributes
    ----------
    components
        float32 ``(d, n_genes)``, orthonormal rows.
    mean, spread
        float32 ``(n_genes,)``: what is taken off each gene, and what it is divided by (ones
        where genes are not scaled).
    """

    components: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    scaled: bool

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scores float32 ``(n, d)`` of log expression ``(n, n_genes)``."""
        return self._standard(values) @ self.components.T

    def _standard(self, values: np.ndarray) -> np.ndarray:
        standard = (values - self.mean) / self.spread
        return np.clip(standard, -10.0, 10.0) if self.scaled else standard


#: Up to so many genes the exact covariance is cheaper than a randomised decomposition is worth.
EXACT_GENES = 4000


def principal_components(
    values: np.ndarray, n_components: int, *, scale: bool = False, seed: int = 0
) -> tuple[PCASpace, np.ndarray]:
    """PCA of log expression ``(n, n_genes)``: the space, and the scores float32 ``(n, d)``.

    Exact (eigenvectors of the smaller Gram matrix) up to :data:`EXACT_GENES` genes or cells,
    randomised beyond. ``d`` is at most ``min(n, n_genes) - 1``. Signs are fixed: the largest
    entry of each component is positive.
    """
    n, n_genes = values.shape
    d = int(min(n_components, n - 1, n_genes - 1))
    if d < 1:
        raise DataError(f"PCA needs at least 2 cells and 2 genes; there are {n} and {n_genes}.")
    mean = values.mean(axis=0)
    spread = np.ones(n_genes, np.float32)
    if scale:
        spread = values.std(axis=0)
        spread[spread == 0] = 1.0
    space = PCASpace(np.empty((0, n_genes), np.float32), mean, spread.astype(np.float32), scale)
    standard = space._standard(values)
    if scale:  # clipping moved the mean
        shift = standard.mean(axis=0)
        standard = standard - shift
    components = _leading(standard, d, seed)
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(components[np.arange(d), largest])[:, None]
    space = PCASpace(components.astype(np.float32), mean, space.spread, scale)
    return space, space.transform(values)


def _leading(standard: np.ndarray, d: int, seed: int) -> np.ndarray:
    """Leading right singular vectors ``(d, n_genes)``."""
    n, n_genes = standard.shape
    if min(n, n_genes) > EXACT_GENES:
        from sklearn.utils.extmath import randomized_svd

        return randomized_svd(standard, d, n_oversamples=20, n_iter=7, random_state=seed)[2]
    from scipy.linalg import eigh

    if n_genes <= n:
        gram = standard.T @ standard
        vectors = eigh(gram.astype(np.float64), subset_by_index=[n_genes - d, n_genes - 1])[1]
        return np.ascontiguousarray(vectors[:, ::-1].T)
    gram = standard @ standard.T
    values, vectors = eigh(gram.astype(np.float64), subset_by_index=[n - d, n - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    return (vectors.T @ standard) / np.sqrt(np.maximum(values, 1e-12))[:, None]


#: Integrators by name; tag ``makes`` is "embedding", "expression" (both) or "graph", tag
#: ``package`` names what must be installed.
INTEGRATORS: Registry[type[Integrator]] = Registry("integrator", package="core.models.integrators")
