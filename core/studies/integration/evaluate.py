"""One method on one set of cells: integrate, then score; the same way for all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.data.preprocessing import preprocess
from core.errors import DataError
from core.metrics.integration import Groups, IntegrationScores, score_embedding, score_graph
from core.models.integrators.base import INTEGRATORS, Integrated
from core.progress import OnProgress, silent
from core.studies.integration.config import MethodConfig, PreparationConfig

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Prepared:
    """Cells that every method gets.

    Attributes
    ----------
    cells
        ``X`` log-normalised, ``layers["counts"]`` raw, the chosen genes only.
    rows
        int64: their rows among the cells that were given.
    before
        Principal components without integration, float32 ``(n, d)``.
    steps
        What preprocessing did, one sentence each.
    """

    cells: AnnData
    rows: np.ndarray
    groups: Groups
    before: np.ndarray
    steps: list[str]


@dataclass(frozen=True)
class Judged:
    """One method's result on some cells, with its scores and wall time in seconds."""

    integrated: Integrated
    scores: IntegrationScores
    seconds: float


def draw_rows(n: int, share: float, seed: int) -> np.ndarray:
    """Rows of one draw without replacement, int64, ascending."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n, max(2, round(share * n)), replace=False))


def prepare(
    cells: AnnData,
    preparation: PreparationConfig,
    batch_key: str,
    label_key: str | None,
    *,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> Prepared:
    """Filter, normalise, choose genes (on these cells alone), and the PCA to compare with."""
    marked = cells[:].copy() if cells.is_view else cells.copy()
    marked.obs["_row"] = np.arange(cells.n_obs)
    done = preprocess(marked, preparation.preprocessing(batch_key), on_progress=on_progress)
    kept = done.cells
    rows = kept.obs.pop("_row").to_numpy(dtype=np.int64)
    labels = None
    if label_key is not None:
        if label_key not in kept.obs:
            raise DataError(f"The cells have no column '{label_key}' of cell types.")
        labels = kept.obs[label_key]
    groups = Groups.of(kept.obs[batch_key], labels)
    before = INTEGRATORS.get("none").value().fit_transform(kept, batch_key, seed=seed).embedding
    if before is None:
        raise DataError("The principal components could not be computed.")
    return Prepared(kept, rows, groups, before, done.steps)


def integrate(
    prepared: Prepared,
    method: MethodConfig,
    batch_key: str,
    *,
    seed: int = 0,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> tuple[Integrated, float]:
    """Run one method; its result and its wall time in seconds."""
    kind = INTEGRATORS.get(method.name).value
    integrator = kind(kind.Params.model_validate(method.params), device=device)
    started = time.perf_counter()
    result = integrator.fit_transform(prepared.cells, batch_key, seed=seed, on_progress=on_progress)
    return result, time.perf_counter() - started


def score(
    prepared: Prepared, result: Integrated, resolutions: Sequence[float], *, seed: int = 0
) -> IntegrationScores:
    """Scores of one method's result."""
    if result.embedding is not None:
        return score_embedding(
            result.embedding,
            prepared.groups,
            before=prepared.before,
            resolutions=resolutions,
            seed=seed,
        )
    if result.connectivities is None:
        raise DataError("The method made neither an embedding nor a neighbour graph.")
    return score_graph(
        result.connectivities,
        result.distances,
        prepared.groups,
        resolutions=resolutions,
        seed=seed,
    )


def judge(
    prepared: Prepared,
    method: MethodConfig,
    batch_key: str,
    resolutions: Sequence[float],
    *,
    seed: int = 0,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> Judged:
    """Integrate and score."""
    result, seconds = integrate(
        prepared, method, batch_key, seed=seed, device=device, on_progress=on_progress
    )
    return Judged(result, score(prepared, result, resolutions, seed=seed), seconds)
