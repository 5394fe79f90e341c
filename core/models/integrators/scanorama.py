"""Scanorama through its own package."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import sparse

from core.models.integrators._packages import missing_package, require
from core.models.integrators.base import (
    INTEGRATORS,
    Integrated,
    Integrator,
    IntegratorParams,
    log_expression,
    read_batches,
)
from core.models.integrators.gene_shift import gene_shift
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData


class ScanoramaParams(IntegratorParams):
    """Scanorama's own parameters, at its defaults; it makes an SVD of its own."""

    n_pcs: int = Field(
        100, ge=2, le=500, title="Dimensions", description="Of Scanorama's own SVD (not a PCA)."
    )
    knn: int = Field(
        20, ge=1, le=500, title="Neighbours", description="Of the mutual nearest neighbours."
    )
    sigma: float = Field(
        15.0, gt=0, le=1000, title="Kernel width", description="σ of the smoothed corrections."
    )


@INTEGRATORS.register(
    "scanorama",
    label="Scanorama",
    help="Panoramas stitched at mutual nearest neighbours (Hie 2019).",
    makes="expression",
    package="scanorama",
)
class Scanorama(Integrator):
    """``scanorama.correct``: corrected dimensions and corrected expression.

    Its expression is scaled to unit length a cell, so it is not on the scale of ``X``.
    """

    Params = ScanoramaParams

    @classmethod
    def missing(cls) -> str | None:
        """A sentence where the package is not installed."""
        return missing_package("scanorama", "Scanorama")

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Scanorama's dimensions, and its corrected expression."""
        require(self.missing())
        batches = read_batches(cells, batch_key, least=2)
        values = log_expression(cells)
        import scanorama

        p = self.params
        genes = [str(name) for name in cells.var_names]
        rows = [batches.rows(code) for code in range(len(batches))]
        on_progress(0, 1, "Scanorama")
        with _seeded(seed), contextlib.redirect_stdout(io.StringIO()):
            dims, corrected, order = scanorama.correct(
                [sparse.csr_matrix(values[own]) for own in rows],
                [genes] * len(rows),
                return_dimred=True,
                dimred=int(min(p.n_pcs, len(values) - 1, len(genes) - 1)),
                knn=p.knn,
                sigma=p.sigma,
                seed=seed,
                verbose=False,
            )
        on_progress(1, 1, "Scanorama")
        embedding = np.empty((len(values), dims[0].shape[1]), np.float32)
        expression = np.empty_like(values)
        back = np.argsort(np.argsort(genes)) if list(order) != genes else np.arange(len(genes))
        if list(order) != genes:
            place = {name: at for at, name in enumerate(order)}
            back = np.array([place[name] for name in genes])
        unit = np.empty_like(values)
        for own, dim, matrix in zip(rows, dims, corrected, strict=True):
            embedding[own] = dim
            expression[own] = matrix.toarray()[:, back]
            unit[own] = values[own] / np.maximum(
                np.linalg.norm(values[own], axis=1, keepdims=True), 1e-12
            )
        shift = gene_shift(unit, expression, batches, cells.var_names)
        return Integrated(embedding=embedding, corrected=expression, extras={"gene_shift": shift})


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Scanorama draws from the global generators, which are put back afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
