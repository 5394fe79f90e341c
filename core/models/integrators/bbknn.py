"""BBKNN through its own package."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

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
    principal_components,
    read_batches,
)
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData

COMPUTATION = {"exact": "cKDTree", "annoy": "annoy", "pynndescent": "pynndescent"}


class BBKNNParams(IntegratorParams):
    """BBKNN's own parameters."""

    neighbors_within_batch: int = Field(
        3, ge=1, le=100, title="Neighbours a batch", description="Of each cell in every batch."
    )
    neighbors: Literal["exact", "annoy", "pynndescent"] = Field(
        "exact",
        title="Neighbour search",
        description="Exact (k-d tree), or the approximate annoy (the package's own default).",
    )


@INTEGRATORS.register(
    "bbknn",
    label="BBKNN",
    help="A neighbour graph with the same number of neighbours in every batch (Polański 2020).",
    makes="graph",
    package="bbknn",
)
class BBKNN(Integrator):
    """``bbknn.matrix.bbknn`` on the principal components: a graph, no embedding."""

    Params = BBKNNParams

    @classmethod
    def missing(cls) -> str | None:
        """A sentence where the package is not installed."""
        return missing_package("bbknn", "BBKNN")

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """The neighbour graph; ``extras["input_embedding"]`` holds the components it is of."""
        require(self.missing())
        p = self.params
        batches = read_batches(cells, batch_key, least=p.neighbors_within_batch)
        import bbknn.matrix

        on_progress(0, 2, "Principal components")
        scores = principal_components(log_expression(cells), p.n_pcs, scale=p.scale, seed=seed)[1]
        on_progress(1, 2, "BBKNN")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            distances, connectivities, _ = bbknn.matrix.bbknn(
                scores,
                np.array(batches.names)[batches.codes],
                neighbors_within_batch=p.neighbors_within_batch,
                n_pcs=scores.shape[1],
                computation=COMPUTATION[p.neighbors],
                pynndescent_random_state=seed,
            )
        on_progress(2, 2, "BBKNN")
        return Integrated(
            connectivities=sparse.csr_matrix(connectivities).astype(np.float32),
            distances=sparse.csr_matrix(distances).astype(np.float32),
            extras={"input_embedding": scores},
        )
