"""scVI through scvi-tools, where that is installed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from core.models.integrators._packages import missing_package, require
from core.models.integrators.base import (
    INTEGRATORS,
    Integrated,
    Integrator,
    IntegratorParams,
    raw_counts,
    read_batches,
)
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData


class ScVIParams(IntegratorParams):
    """scVI's own parameters, at its defaults; it needs no principal components."""

    n_latent: int = Field(
        10, ge=2, le=200, title="Latent dimensions", description="Of the variational posterior."
    )
    max_epochs: int | None = Field(
        None, ge=1, le=100_000, title="Epochs", description="None: the package's own heuristic."
    )


@INTEGRATORS.register(
    "scvi",
    label="scVI",
    help="Variational autoencoder of raw counts that is told the batch (Lopez 2018; optional).",
    makes="embedding",
    package="scvi-tools",
)
class ScVI(Integrator):
    """``scvi.model.SCVI`` on raw counts."""

    Params = ScVIParams

    @classmethod
    def missing(cls) -> str | None:
        """A sentence where the package is not installed."""
        return missing_package("scvi-tools", "scVI", module="scvi")

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Posterior means of the latent variables, with the training losses."""
        batches = read_batches(cells, batch_key)
        counts = raw_counts(cells)
        require(self.missing())
        import anndata
        import scvi

        scvi.settings.seed = seed
        bare = anndata.AnnData(counts)
        bare.obs["batch"] = pd.Categorical(np.array(batches.names)[batches.codes])
        on_progress(0, 1, "scVI")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scvi.model.SCVI.setup_anndata(bare, batch_key="batch")
            model = scvi.model.SCVI(bare, n_latent=self.params.n_latent)
            model.train(
                max_epochs=self.params.max_epochs,
                accelerator="gpu" if self.device.startswith("cuda") else "cpu",
                enable_progress_bar=False,
                logger=None,
            )
        on_progress(1, 1, "scVI")
        embedding = np.asarray(model.get_latent_representation(), np.float32)
        extras = {"losses": _losses(getattr(model, "history", None))}
        return Integrated(embedding=embedding, extras=extras)


def _losses(history: object) -> pd.DataFrame:
    """One row an epoch, one column a term, from whatever the package kept."""
    frames = history.values() if isinstance(history, dict) else ()
    frame = pd.concat(frames, axis=1) if frames else pd.DataFrame()
    return frame.rename_axis("epoch").reset_index().astype(float)
