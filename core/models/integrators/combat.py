"""ComBat through scanpy."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from core.models.integrators.base import (
    INTEGRATORS,
    Integrated,
    Integrator,
    log_expression,
    principal_components,
    read_batches,
)
from core.models.integrators.gene_shift import gene_shift
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData


@INTEGRATORS.register(
    "combat",
    label="ComBat",
    help="Location and scale of each gene a batch, by empirical Bayes (Johnson 2007, scanpy).",
    makes="expression",
)
class ComBat(Integrator):
    """``scanpy.pp.combat`` on log expression, then principal components."""

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Corrected expression and its principal components; a batch needs two cells."""
        import anndata
        import scanpy as sc

        batches = read_batches(cells, batch_key, least=2)
        values = log_expression(cells)
        on_progress(0, 2, "ComBat")
        names = np.array(batches.names)[batches.codes]
        bare = anndata.AnnData(values, var=cells.var[[]].copy())
        bare.obs["batch"] = names
        bare.obs["batch"] = bare.obs["batch"].astype("category")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # genes that never vary
            corrected = np.asarray(sc.pp.combat(bare, key="batch", inplace=False), np.float32)
        # A gene that is constant in a batch has no scale there: it stays as it was.
        corrected = np.where(np.isfinite(corrected), corrected, values)
        on_progress(1, 2, "Principal components")
        scores = principal_components(
            corrected, self.params.n_pcs, scale=self.params.scale, seed=seed
        )[1]
        on_progress(2, 2, "Principal components")
        shift = gene_shift(values, corrected, batches, cells.var_names)
        return Integrated(embedding=scores, corrected=corrected, extras={"gene_shift": shift})
