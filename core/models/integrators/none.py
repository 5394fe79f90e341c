"""No integration: the principal components as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.models.integrators.base import (
    INTEGRATORS,
    Integrated,
    Integrator,
    log_expression,
    principal_components,
)
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData


@INTEGRATORS.register(
    "none",
    label="None (PCA)",
    help="Principal components, batches left as they are.",
    makes="embedding",
)
class NoIntegration(Integrator):
    """The floor that every integration is compared with; one batch is enough."""

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Principal components of ``X``; ``batch_key`` is not read."""
        values = log_expression(cells)
        on_progress(0, 1, "Principal components")
        scores = principal_components(
            values, self.params.n_pcs, scale=self.params.scale, seed=seed
        )[1]
        on_progress(1, 1, "Principal components")
        return Integrated(embedding=scores)
