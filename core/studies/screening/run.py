"""A screen from start to end: plan, chunks over the workers, one ranked table."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ConfigError, DataError, RunError
from core.settings import Settings
from core.studies.base import StudyContext
from core.studies.perturbation.files import read_json, write_array, write_json
from core.studies.screening import files
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.library import MoleculeSource
from core.studies.screening.memory import peak_mb
from core.studies.screening.merging import merge
from core.studies.screening.result import ScreeningResult
from core.studies.screening.stream import (
    ChunkDone,
    ChunkTask,
    load_predictor,
    plan_of,
    score_chunk,
)

MERGING = "Merging duplicates and ranking"


def run(config: ScreeningConfig, context: StudyContext) -> ScreeningResult:
    """Screen a library; chunks that a former attempt finished are not done again.

    Raises
    ------
    ConfigError, DataError, RunError
        Where the library, the model run, a cell type or the genes are not there.
    """
    started = time.perf_counter()
    folder, settings = context.folder, context.settings
    (folder / files.CHUNKS).mkdir(parents=True, exist_ok=True)
    source = MoleculeSource(config.input, settings, config.smiles_column, config.id_column)
    context.on_progress(0, 0, "Loading the model")
    facts = _prepare(config, context, source)
    total = max(source.n_rows(), 1)
    done = _Tally(context, total)
    chunks = _tasks(source, config, folder, done)
    results = context.map_tasks(score_chunk, chunks)
    try:
        for result in results:
            done.add(result)
            context.check_cancelled()
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            close()
    if done.read == 0:
        raise DataError(f"The library '{config.input}' holds no row.")
    scoring_seconds = time.perf_counter() - started
    context.on_progress(done.read, done.read, MERGING)
    merged = merge(folder, config.domain_similarity, context.map_tasks)
    seconds = time.perf_counter() - started
    summary: dict[str, Any] = {
        "read": done.read,
        "scored": merged.scored,
        "unique": merged.unique,
        "merged": merged.scored - merged.unique,
        "rejected": merged.rejected,
        "chunks": done.chunks,
        "chunks_resumed": done.resumed,
        "seconds": seconds,
        "scoring_seconds": scoring_seconds,
        "molecules_per_second": done.fresh / max(seconds, 1e-9),
        "peak_memory_mb": max(done.peak_mb, peak_mb()),
        "best_score": None if math.isnan(merged.best) else merged.best,
        "q_below_0.05": merged.discoveries,
        **facts,
    }
    _keep_responses(folder, config)
    write_json(folder / files.SUMMARY, summary)
    return ScreeningResult.load(folder)


def _prepare(
    config: ScreeningConfig, context: StudyContext, source: MoleculeSource
) -> dict[str, Any]:
    """Check model and input against a former attempt, and write the plan."""
    folder, settings = context.folder, context.settings
    model_folder = find_model(config.run_id, settings)
    predictor = load_predictor(model_folder, settings)
    unknown = [cell for cell in config.cell_types if cell not in predictor.cell_types]
    if unknown:
        raise ConfigError(
            f"The cell type '{unknown[0]}' was not in the model's training; known: "
            f"{', '.join(predictor.cell_types)}."
        )
    content = source.content_hash()
    plan, report = plan_of(config, predictor, model_folder, settings)
    plan["input_sha256"] = content
    before = read_json(folder / files.PLAN) if (folder / files.PLAN).exists() else None
    if before is not None and context.resume:
        if before["input_sha256"] != content:
            raise RunError(
                f"The library '{config.input}' has changed since this screen began; start anew."
            )
    elif any((folder / files.CHUNKS).iterdir()):
        raise RunError(f"The folder {folder} holds chunks of another screen.")
    write_json(folder / files.PLAN, plan)
    report.to_parquet(folder / files.GENE_REPORT, index=False)
    data = read_json(model_folder / "data.json")
    return {
        "input_sha256": content,
        "model_run": config.run_id,
        "model_data": data["id"],
        "simulated": bool(data["simulated"]),
        "target": data["target"],
        "cell_types": plan["cell_types"],
    }


def find_model(run_id: str, settings: Settings) -> Path:
    """The folder of a finished perturbation run.

    Raises
    ------
    RunError
        Where there is no such run.
    """
    folder = settings.runs_folder / run_id
    if not run_id or Path(run_id).name != run_id or not folder.is_dir():
        raise RunError(f"There is no run '{run_id}' to predict with; name a finished one.")
    return folder


class _Tally:
    """Counts of what is done, told as progress with rate and time left."""

    def __init__(self, context: StudyContext, total: int) -> None:
        self.context, self.total = context, total
        self.read = self.fresh = self.chunks = self.resumed = 0
        self.peak_mb = 0.0
        self.started = time.perf_counter()

    def add(self, done: ChunkDone) -> None:
        self.read += done.read
        self.fresh += done.read
        self.chunks += 1
        self.peak_mb = max(self.peak_mb, done.peak_mb)
        self._tell()

    def skip(self, n: int) -> None:
        """Count a chunk that was finished before."""
        self.read += n
        self.chunks += 1
        self.resumed += 1

    def _tell(self) -> None:
        rate = self.fresh / max(time.perf_counter() - self.started, 1e-9)
        total = max(self.total, self.read)
        left = (total - self.read) / max(rate, 1e-9)
        message = f"{self.read:,} molecules, {rate:,.0f}/s, about {_clock(left)} left"
        self.context.on_progress(self.read, total, message)


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _tasks(
    source: MoleculeSource, config: ScreeningConfig, folder: Path, tally: _Tally
) -> Iterator[ChunkTask]:
    """Chunks that are not done yet."""
    for index, chunk in enumerate(source.chunks(config.chunk_size)):
        if files.chunk_file(folder, index).exists() and files.rejected_file(folder, index).exists():
            tally.skip(len(chunk))
        else:
            yield ChunkTask(str(folder), index, chunk)


def _keep_responses(folder: Path, config: ScreeningConfig) -> None:
    """Full predicted responses of the best molecules, ``(n, n_cell_types, n_genes)``."""
    result = ScreeningResult(folder, {})
    hits = result.hits(config.top_n)
    ids = [int(row) for row in hits["row"]]
    if len(ids):
        mean, spread = result.predict_rows(hits)
        write_array(folder / files.TOP, np.stack([mean, spread]).astype(np.float32))
        (folder / files.TOP_IDS).write_text(json.dumps(ids))
