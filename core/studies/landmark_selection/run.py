"""Selection from start to end: each set on each split, final sets, stability, another tissue.

Work falls into units (one selector on one split, say); a finished unit is a file in ``work/``, so
a cancelled or broken run goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.data.gene_lists import load_gene_list
from core.errors import ConfigError
from core.metrics.selection_stability import frequencies, stability
from core.models.selectors import SELECTORS, Selection
from core.studies.base import StudyContext
from core.studies.landmark_selection import files
from core.studies.landmark_selection.config import LandmarkSelectionConfig, SelectorConfig
from core.studies.landmark_selection.result import LandmarkSelectionResult
from core.studies.landmarks.data import LandmarkData, load_landmark_data
from core.studies.landmarks.explore import gene_levels
from core.studies.landmarks.judging import Judge, Scores, hold_out_genes
from core.studies.perturbation.files import read_json, write_json

FINAL = "final"


class Work:
    """Units of a run, each done once, with progress and the wish to cancel between them."""

    def __init__(self, context: StudyContext, total: int) -> None:
        self.context, self.total, self.done = context, total, 0
        (context.folder / files.WORK).mkdir(parents=True, exist_ok=True)

    def unit(self, key: str, words: str, make: Callable[[Callable[..., None]], Any]) -> Any:
        """The unit's result (plain JSON values): from its file, or made now."""
        path = self.context.folder / files.WORK / f"{key}.json"
        self.context.check_cancelled()
        if not (self.context.resume and path.exists()):
            self.context.on_progress(100 * self.done, 100 * self.total, words)

            def on_progress(done: int, total: int, message: str) -> None:
                self.context.check_cancelled()
                part = min(100 * done // max(total, 1), 99)
                self.context.on_progress(
                    100 * self.done + part, 100 * self.total, f"{words}: {message}"
                )

            write_json(path, make(on_progress))
        self.done += 1
        return read_json(path)


def run(config: LandmarkSelectionConfig, context: StudyContext) -> LandmarkSelectionResult:
    """Select and judge; what a former attempt finished is not done again.

    Raises
    ------
    ConfigError, DataError
        Where the data set or a list is missing, or fewer genes are left than are wanted.
    """
    started = time.perf_counter()
    context.on_progress(0, 0, "Opening the cells")
    data = load_landmark_data(config.dataset, config.data, context.settings)
    other = None
    if config.transfer_dataset:
        other = load_landmark_data(config.transfer_dataset, config.data, context.settings)
    allowed = data.n_genes - round(config.held_share * data.n_genes)
    if config.n_genes >= allowed:
        raise ConfigError(
            f"{config.n_genes:,} genes are wanted, but only {allowed:,} of the {data.n_genes:,} "
            "that pass the filters may be chosen: the others are held out to judge the sets."
        )
    lists = _lists(config, data, context)
    names = config.set_names
    n = len(names)
    total = n * config.n_splits + len(lists) * config.n_splits + n + n * config.n_bootstraps
    work = Work(context, total + (2 * n if other is not None else 0))
    device = _device(config)
    scores = [
        row for s in range(config.n_splits) for row in _split(s, config, data, lists, work, device)
    ]
    finals = _finals(config, data, work, device)
    stable, often = _stability(config, data, finals, work, device)
    moved = _transfer(config, data, other, work, device) if other is not None else []
    context.on_progress(100 * work.total, 100 * work.total, "Writing the result")
    folder = context.folder
    _write_scores(folder, scores)
    _write_sets(folder, data, finals, often, names)
    pd.DataFrame(stable, columns=files.STABILITY_COLUMNS).to_parquet(folder / files.STABILITY)
    pd.DataFrame(moved, columns=files.TRANSFER_COLUMNS).to_parquet(folder / files.TRANSFER)
    _genes(data, config).to_parquet(folder / files.GENES, index=False)
    write_json(
        folder / files.SUMMARY,
        {
            "data_hash": data.content_hash,
            "dataset": data.id,
            "simulated": data.simulated,
            "n_cells": data.n_cells,
            "n_genes_measured": data.n_genes,
            "n_genes": config.n_genes,
            "n_splits": config.n_splits,
            "steps": list(data.steps),
            "transfer_dataset": config.transfer_dataset,
            "notes": {name: final["note"] for name, final in zip(names, finals, strict=True)},
            "config": config.model_dump(mode="json"),
            "seconds": time.perf_counter() - started,
        },
    )
    return LandmarkSelectionResult.load(folder)


def _device(config: LandmarkSelectionConfig) -> str:
    if not any(s.name == "deep_group_lasso" for s in config.selectors):
        return "cpu"
    from core.training.device import resolve_device

    return str(resolve_device(config.device))


def _lists(
    config: LandmarkSelectionConfig, data: LandmarkData, context: StudyContext
) -> dict[str, np.ndarray]:
    """Columns of the saved lists' measured genes; lists with none are left out."""
    found = {}
    for name in config.lists:
        match = data.match(load_gene_list(name, context.settings).genes)
        columns = np.flatnonzero(data.mask(match.matched.values()))
        if len(columns):
            # A list may be called as a selector is: tables must tell them apart.
            found[f"{name} (list)" if name in config.set_names else name] = columns
    return found


def select(
    config: SelectorConfig,
    X: np.ndarray,
    k: int,
    *,
    seed: int,
    device: str,
    start: np.ndarray | None = None,
    on_progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Selection:
    """Run one configured selector on a training matrix; ``start`` are columns of ``X``."""
    cls = SELECTORS.get(config.name).value
    selector = cls(cls.Params(**config.params), device=device)
    return selector.select(X, k, seed=seed, on_progress=on_progress, start=start)


def _split(
    s: int,
    config: LandmarkSelectionConfig,
    data: LandmarkData,
    lists: dict[str, np.ndarray],
    work: Work,
    device: str,
) -> list[dict[str, Any]]:
    """Every set on split ``s``, judged on genes that were held out of the choice."""
    split = data.split(config.seed + s)
    held = hold_out_genes(data.n_genes, config.seed + s, config.held_share)
    judge = Judge(data.X, split.train, split.test, held, data.cell_types)
    allowed = judge.allowed
    start = np.flatnonzero(data.is_landmark[allowed])
    rows = []
    for i, (name, chosen) in enumerate(zip(config.set_names, config.selectors, strict=True)):

        def make(on_progress: Any, chosen: SelectorConfig = chosen) -> dict[str, Any]:
            begun = time.perf_counter()
            found = select(
                chosen,
                data.X[np.ix_(split.train, allowed)],
                config.n_genes,
                seed=config.seed + s,
                device=device,
                start=start,
                on_progress=on_progress,
            )
            seconds = time.perf_counter() - begun
            return _row(judge.score(allowed[found.order])) | {"seconds": seconds}

        unit = work.unit(f"split{s}-{i}", f"{name}, split {s + 1} of {config.n_splits}", make)
        rows.append({"set": name, "kind": "selected", "split": s, **unit})
    for i, (name, columns) in enumerate(lists.items()):
        usable = np.setdiff1d(columns, held)

        def judged(_: Any, usable: np.ndarray = usable) -> dict[str, Any]:
            return _row(judge.score(usable)) | {"seconds": 0.0}

        if len(usable):
            unit = work.unit(f"split{s}-list{i}", f"{name}, split {s + 1}", judged)
            rows.append({"set": name, "kind": "list", "split": s, **unit})
    return rows


def _row(scores: Scores) -> dict[str, Any]:
    return {
        "n_genes": scores.n_genes,
        "held_mse": scores.held_mse,
        "held_mean_mse": scores.held_mean_mse,
        "panel_left": scores.panel_left,
        "penalty": scores.penalty,
        "by_type": scores.by_type,
    }


def _finals(
    config: LandmarkSelectionConfig, data: LandmarkData, work: Work, device: str
) -> list[dict[str, Any]]:
    """Each selector on the first split's training cells with every gene allowed."""
    split = data.split(config.seed)
    start = np.flatnonzero(data.is_landmark)
    nobody = np.zeros(0, dtype=np.int64)
    judge = Judge(data.X, split.train, split.test, nobody, None)
    found = []
    for i, (name, chosen) in enumerate(zip(config.set_names, config.selectors, strict=True)):

        def make(on_progress: Any, chosen: SelectorConfig = chosen) -> dict[str, Any]:
            done = select(
                chosen,
                data.X[split.train],
                config.n_genes,
                seed=config.seed,
                device=device,
                start=start,
                on_progress=on_progress,
            )
            return {
                "order": done.order.tolist(),
                "why": list(done.why),
                "note": done.note,
                "path": None if done.path is None else done.path.to_dict("list"),
                "panel_left": judge.score(done.order).panel_left,
            }

        found.append(work.unit(f"final-{i}", f"{name}, final set", make))
    return found


def _stability(
    config: LandmarkSelectionConfig,
    data: LandmarkData,
    finals: list[dict[str, Any]],
    work: Work,
    device: str,
) -> tuple[list[tuple[Any, ...]], list[np.ndarray]]:
    """Selections on resampled training cells, each with a seed of its own."""
    train = data.split(config.seed).train
    start = np.flatnonzero(data.is_landmark)
    rows, often = [], []
    for i, (name, chosen) in enumerate(zip(config.set_names, config.selectors, strict=True)):
        sets = []
        for b in range(config.n_bootstraps):

            def make(on_progress: Any, b: int = b, chosen: SelectorConfig = chosen) -> list[int]:
                rng = np.random.default_rng([config.seed, 11, b])
                cells = rng.choice(train, len(train), replace=True)
                done = select(
                    chosen,
                    data.X[cells],
                    config.n_genes,
                    seed=config.seed + 1 + b,
                    device=device,
                    start=start,
                    on_progress=on_progress,
                )
                return done.order.tolist()

            words = f"{name}, bootstrap {b + 1} of {config.n_bootstraps}"
            sets.append(np.asarray(work.unit(f"boot{b}-{i}", words, make), dtype=np.int64))
        if len(sets) >= 2:
            found = stability(sets, data.n_genes)
            rows.append((name, len(sets), *vars(found).values()))
        often.append(frequencies(sets, data.n_genes) if sets else np.full(data.n_genes, np.nan))
    return rows, often


def _transfer(
    config: LandmarkSelectionConfig,
    data: LandmarkData,
    other: LandmarkData,
    work: Work,
    device: str,
) -> list[tuple[Any, ...]]:
    """Sets learned here and there, both judged on the other data set's test cells.

    Only genes that both data sets measure take part (mouse and human by their symbols in capitals);
    the same held-out genes judge both.
    """
    there = {str(gene).upper(): i for i, gene in reversed(list(enumerate(other.genes)))}
    pairs = [
        (i, there[str(gene).upper()])
        for i, gene in enumerate(data.genes)
        if str(gene).upper() in there
    ]
    if len(pairs) * (1 - config.held_share) <= config.n_genes:
        raise ConfigError(
            f"The data sets '{data.id}' and '{other.id}' share {len(pairs):,} genes: too few for "
            f"sets of {config.n_genes:,} with {config.held_share:.0%} held out."
        )
    here, away = np.asarray(pairs, dtype=np.int64).T
    held = hold_out_genes(len(pairs), config.seed, config.held_share)
    split, split_there = data.split(config.seed), other.split(config.seed)
    X = other.X[:, away]
    judge = Judge(X, split_there.train, split_there.test, held, other.cell_types)
    allowed = judge.allowed
    landmark = np.flatnonzero(data.is_landmark[here][allowed])
    sources = (
        (data.id, data.X[np.ix_(split.train, here[allowed])]),
        (other.id, X[np.ix_(split_there.train, allowed)]),
    )
    rows = []
    for i, (name, chosen) in enumerate(zip(config.set_names, config.selectors, strict=True)):
        for j, (origin, matrix) in enumerate(sources):

            def make(
                on_progress: Any, chosen: SelectorConfig = chosen, matrix: np.ndarray = matrix
            ) -> dict[str, Any]:
                done = select(
                    chosen,
                    matrix,
                    config.n_genes,
                    seed=config.seed,
                    device=device,
                    start=landmark,
                    on_progress=on_progress,
                )
                return _row(judge.score(allowed[done.order]))

            unit = work.unit(f"transfer{j}-{i}", f"{name}, learned on {origin}", make)
            rows.append(
                (
                    name,
                    origin,
                    other.id,
                    unit["n_genes"],
                    unit["held_mse"],
                    unit["held_mean_mse"],
                    unit["panel_left"],
                    len(pairs),
                )
            )
    return rows


def _write_scores(folder: Path, rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows)
    types = [
        {"set": row["set"], "split": row["split"], "cell_type": name, "held_mse": value}
        for row in rows
        for name, value in row["by_type"].items()
    ]
    frame.drop(columns="by_type").to_parquet(folder / files.SCORES, index=False)
    columns = ["set", "split", "cell_type", "held_mse"]
    pd.DataFrame(types, columns=columns).to_parquet(folder / files.BY_TYPE, index=False)


def _write_sets(
    folder: Path,
    data: LandmarkData,
    finals: list[dict[str, Any]],
    often: list[np.ndarray],
    names: list[str],
) -> None:
    sets, paths = [], []
    for name, final, frequency in zip(names, finals, often, strict=True):
        order = np.asarray(final["order"], dtype=np.int64)
        sets.append(
            pd.DataFrame(
                {
                    "set": name,
                    "rank": np.arange(1, len(order) + 1),
                    "gene": data.genes[order],
                    "why": final["why"],
                    "frequency": frequency[order],
                    "is_landmark": data.is_landmark[order],
                }
            )
        )
        if final["path"]:
            paths.append(pd.DataFrame(final["path"]).assign(set=name))
    pd.concat(sets, ignore_index=True).to_parquet(folder / files.SETS, index=False)
    empty = pd.DataFrame({"set": [], "n_genes": [], "error": []})
    frame = pd.concat(paths, ignore_index=True) if paths else empty
    frame.to_parquet(folder / files.PATHS, index=False)
    whole = pd.DataFrame({"set": names, "panel_left": [final["panel_left"] for final in finals]})
    whole.to_parquet(folder / files.WHOLE, index=False)


def _genes(data: LandmarkData, config: LandmarkSelectionConfig) -> pd.DataFrame:
    """Level and dispersion of every gene over the first split's training cells."""
    levels = gene_levels(data, data.split(config.seed).train)
    return levels.assign(is_landmark=data.is_landmark)
