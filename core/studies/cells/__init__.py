"""The study `cells`: from a data set to filtered, normalised, embedded and clustered cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.settings import Settings, get_settings
from core.studies.base import STUDIES, StudyConfig, StudyContext
from core.studies.cells.config import CellsConfig

if TYPE_CHECKING:
    from anndata import AnnData

    from core.studies.cells.result import CellsResult

STUDY = "cells"


class CellsStudy:
    """What is registered; scanpy is imported when a run starts."""

    Config: type[StudyConfig] = CellsConfig

    def run(self, config: CellsConfig, context: StudyContext) -> CellsResult:
        """Run to the end; see :func:`core.studies.cells.run.run`."""
        from core.studies.cells.run import run

        return run(config, context)

    def load(self, folder: Path) -> CellsResult:
        """Read back a finished run."""
        from core.studies.cells.result import CellsResult

        return CellsResult.load(folder)


def is_embedded(dataset_id: str, config: CellsConfig, settings: Settings | None = None) -> bool:
    """Whether everything that ``config`` asks for is in the cache; quick."""
    from core.data import require_ready
    from core.studies.cells.cache import StageCache, stage_keys

    settings = settings or get_settings()
    status = require_ready(dataset_id, settings)
    cache = StageCache(settings)
    return all(cache.has(key) for key in stage_keys(str(status.content_hash), config).values())


def embedded(
    dataset_id: str, config: CellsConfig, settings: Settings | None = None
) -> AnnData | None:
    """The prepared cells with every coordinate that ``config`` asks for, if they are computed.

    Cached by the content of the data and by what each stage depends on: a run with another UMAP
    distance finds its PCA here. ``config.dataset`` is ignored, ``dataset_id`` counts.

    Returns
    -------
    AnnData or None
        ``X`` log-normalised, ``layers["counts"]`` (where there are counts), ``obsm`` ``X_pca``,
        ``X_umap``, ``X_tsne``, ``varm["PCs"]``, ``uns["pca"]``, ``obsp``, ``obs["leiden"]``; None
        where a stage is missing: submit the study ``cells``.

    Raises
    ------
    core.errors.DataError
        Where the data set is not there.
    """
    from core.data import require_ready
    from core.studies.cells.assemble import put
    from core.studies.cells.cache import StageCache, stage_keys
    from core.studies.cells.prepare import open_prepared

    settings = settings or get_settings()
    content_hash = str(require_ready(dataset_id, settings).content_hash)
    if not is_embedded(dataset_id, config, settings):
        return None
    cache = StageCache(settings)
    arrays = {}
    for stage, key in stage_keys(content_hash, config).items():
        found = cache.read(key)
        if found is None:
            return None
        arrays[stage] = found
    prepared, _ = open_prepared(dataset_id, config.preprocessing, settings)
    return put(prepared.cells, arrays, config)


STUDIES.add(
    STUDY,
    CellsStudy(),
    label="Cells: quality and embedding",
    help="Filters and normalises cells, and computes PCA, neighbours, UMAP, t-SNE and Leiden "
    "clusters.",
)
