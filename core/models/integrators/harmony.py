"""Harmony through harmonypy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

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


class HarmonyParams(IntegratorParams):
    """Harmony's own parameters, at its defaults."""

    theta: float = Field(
        2.0, ge=0, le=100, title="Diversity penalty", description="θ: larger mixes batches more."
    )
    sigma: float = Field(
        0.1, gt=0, le=10, title="Cluster width", description="σ of the soft clusters."
    )
    max_iter: int = Field(
        10, ge=1, le=200, title="Iterations", description="Most rounds of clustering and moving."
    )


@INTEGRATORS.register(
    "harmony",
    label="Harmony",
    help="Soft clusters that hold all batches, and linear moves within them (Korsunsky 2019).",
    makes="embedding",
    package="harmonypy",
)
class Harmony(Integrator):
    """``harmonypy.run_harmony`` on the principal components."""

    Params = HarmonyParams

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Corrected principal components."""
        import harmonypy

        batches = read_batches(cells, batch_key)
        p = self.params
        on_progress(0, 2, "Principal components")
        scores = principal_components(log_expression(cells), p.n_pcs, scale=p.scale, seed=seed)[1]
        on_progress(1, 2, "Harmony")
        names = np.array(batches.names)[batches.codes]
        result = harmonypy.run_harmony(
            scores.astype(np.float64),
            pd.DataFrame({"batch": names}),
            "batch",
            theta=p.theta,
            sigma=p.sigma,
            max_iter_harmony=p.max_iter,
            random_state=seed,
            verbose=False,
            ncores=int(os.environ.get("OMP_NUM_THREADS", 0)),
        )
        on_progress(2, 2, "Harmony")
        corrected = np.asarray(result.Z_corr, np.float32)
        if corrected.shape != scores.shape:  # older releases hand back (d, n)
            corrected = corrected.T
        return Integrated(embedding=np.ascontiguousarray(corrected))
