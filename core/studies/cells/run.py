"""A run: prepare, PCA, neighbours, UMAP, t-SNE, Leiden; stages that are cached are not repeated."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from core.data import require_ready, store
from core.data.attachments import attach
from core.data.cells import cells_hash
from core.data.chunked import chunked_hash
from core.data.registry import CELLS as KIND
from core.errors import ConfigError
from core.settings import Settings
from core.studies.base import StudyContext
from core.studies.cells import stages
from core.studies.cells.assemble import put
from core.studies.cells.cache import (
    LEIDEN,
    NEIGHBOURS,
    PCA,
    TSNE,
    UMAP,
    Arrays,
    StageCache,
    stage_keys,
)
from core.studies.cells.config import CellsConfig
from core.studies.cells.prepare import open_prepared
from core.studies.cells.result import CELLS, GENES, RESULT, CellsResult

if TYPE_CHECKING:
    from anndata import AnnData

WORDS = {
    PCA: "Principal components",
    NEIGHBOURS: "Neighbours",
    UMAP: "UMAP",
    TSNE: "t-SNE",
    LEIDEN: "Leiden clusters",
}


def run(config: CellsConfig, context: StudyContext) -> CellsResult:
    """Prepare and embed the cells of a data set.

    Raises
    ------
    ConfigError, core.errors.DataError
        Where the data set is not there, holds no counts for a cut-off, or nothing is left.
    """
    started = time.perf_counter()
    settings, folder = context.settings, context.folder
    status = require_ready(config.dataset, settings)
    if status.kind != KIND:
        raise ConfigError(f"The data set '{config.dataset}' holds no cells.")
    content_hash = str(status.content_hash)
    check_save_as(config, settings)
    keys = stage_keys(content_hash, config)
    total = len(keys) + 2
    context.on_progress(0, total, f"Reading, filtering and normalising {config.dataset}")
    prepared, (n_cells, n_genes) = open_prepared(config.dataset, config.preprocessing, settings)
    whole = prepared.cells.n_obs == n_cells
    seconds = {"prepare": time.perf_counter() - started}
    arrays = _stages(prepared.cells, config, keys, StageCache(settings), context, seconds)
    context.on_progress(total - 1, total, "Storing")
    facts = _facts(config, prepared.cells, arrays, (n_cells, n_genes), seconds)
    facts |= {"content_hash": content_hash, "steps": prepared.steps, "whole": whole}
    for stage, key in keys.items():
        StageCache(settings).copy_to(key, folder / f"{stage}.npz")
    used = prepared.cells.var_names[arrays[PCA]["used"]]
    for name, words in ((GENES, used), (CELLS, prepared.cells.obs_names)):
        (folder / name).write_text(json.dumps([str(word) for word in words]), encoding="utf-8")
    if config.save_as is not None:
        facts["saved_as"] = config.save_as
        _save(config, put(prepared.cells, arrays, config), prepared.steps, settings)
    elif whole:
        _attach(config, content_hash, arrays, settings)
    facts["summary"]["seconds"] = time.perf_counter() - started
    (folder / RESULT).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    context.on_progress(total, total, "Done")
    return CellsResult.load(folder)


def check_save_as(config: CellsConfig, settings: Settings) -> None:
    """A new data set may replace only one that was made from the same cells.

    Raises
    ------
    ConfigError
        Where its id is taken by something else.
    """
    if config.save_as is None:
        return
    from core.data import DATASETS

    meta = store.read_meta(store.folder_of(config.save_as, settings)) or {}
    taken = config.save_as in DATASETS or (meta and meta.get("derived_from") != config.dataset)
    if taken or config.save_as == config.dataset:
        raise ConfigError(f"There is a data set '{config.save_as}' already: choose another id.")


def _stages(
    cells: AnnData,
    config: CellsConfig,
    keys: dict[str, str],
    cache: StageCache,
    context: StudyContext,
    seconds: dict[str, float],
) -> dict[str, Arrays]:
    done: dict[str, Arrays] = {}

    def make(stage: str) -> Arrays:
        if stage == PCA:
            return stages.pca(cells, config)
        scores = done[PCA]["scores"]
        if stage == NEIGHBOURS:
            return stages.neighbours(scores, config)
        if stage == TSNE:
            return stages.tsne(scores, config)
        return (stages.umap if stage == UMAP else stages.leiden)(scores, done[NEIGHBOURS], config)

    for i, (stage, key) in enumerate(keys.items(), start=1):
        context.check_cancelled()
        context.on_progress(i, len(keys) + 2, WORDS[stage])
        before = time.perf_counter()
        done[stage], fresh = cache.get(key, lambda stage=stage: make(stage))  # type: ignore[misc]
        seconds[stage] = time.perf_counter() - before if fresh else 0.0
    return done


def _facts(
    config: CellsConfig,
    cells: AnnData,
    arrays: dict[str, Arrays],
    before: tuple[int, int],
    seconds: dict[str, float],
) -> dict[str, Any]:
    summary = {
        "n_cells": cells.n_obs,
        "n_genes": cells.n_vars,
        "cells_removed": before[0] - cells.n_obs,
        "genes_removed": before[1] - cells.n_vars,
        "n_pcs": len(arrays[PCA]["ratio"]),
        "variance_explained": float(arrays[PCA]["ratio"].sum()),
        **{f"seconds/{stage}": round(value, 3) for stage, value in seconds.items()},
    }
    if LEIDEN in arrays:
        summary["n_clusters"] = len(np.unique(arrays[LEIDEN]["groups"]))
    return {"config": config.model_dump(mode="json"), "summary": summary}


def _attach(
    config: CellsConfig, content_hash: str, arrays: dict[str, Arrays], settings: Settings
) -> None:
    obsm = {"X_pca": arrays[PCA]["scores"]}
    obsm |= {
        f"X_{stage}": arrays[stage]["coordinates"] for stage in (UMAP, TSNE) if stage in arrays
    }
    groups = {"leiden": arrays[LEIDEN]["groups"]} if LEIDEN in arrays else {}
    about = config.model_dump(mode="json")
    attach(config.dataset, content_hash, obsm, groups, about=about, settings=settings)


def _save(config: CellsConfig, cells: AnnData, steps: list[str], settings: Settings) -> None:
    assert config.save_as is not None
    home = store.folder_of(config.dataset, settings)
    origin = store.read_meta(home) or {}
    words = ("organism", "licence", "citation", "homepage", "simulated", "identifiers")
    label = origin.get("label") or config.dataset
    meta = {
        **{name: origin[name] for name in words if name in origin},
        "label": f"{label}, filtered",
        "source": f"made from {config.dataset}",
        "derived_from": config.dataset,
        "values": "non-negative values",
        "understood": steps,
        "warnings": [],
        "config": config.model_dump(mode="json"),
    }
    lazy = not (sparse.issparse(cells.X) or isinstance(cells.X, np.ndarray))
    if not lazy:
        meta["content_hash"] = cells_hash(cells)
        store.write_cells(config.save_as, cells, settings, meta)
        return
    with tempfile.TemporaryDirectory(dir=settings.workspace) as folder:
        file = Path(folder) / store.H5AD
        cells.write_h5ad(file, compression="lzf")  # Dask computes and writes block by block
        meta["content_hash"] = chunked_hash(file, cells)
        store.adopt_cells(config.save_as, file, cells.shape, settings, meta)
