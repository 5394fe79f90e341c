"""Knock-outs from cells to result; a run that was interrupted goes on where it stopped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from core.errors import RunError
from core.metrics.knockout_nulls import gene_tests, goal_table, rank_leak
from core.models.rank_transformer import Mode, embed_cells
from core.models.rank_transformer.demonstration import LoadedModel
from core.models.rank_transformer.knockout import KnockoutResult
from core.progress import OnProgress, silent
from core.studies.base import StudyContext, never
from core.studies.knockouts import files
from core.studies.knockouts.analysis import Analysis
from core.studies.knockouts.choosing import for_mode
from core.studies.knockouts.computing import Tally, n_passes, respond
from core.studies.knockouts.config import KnockoutsConfig, Target
from core.studies.knockouts.prepare import Ready, make_ready
from core.studies.knockouts.result import KnockoutsResult
from core.training import resolve_device

#: Knock-outs by gene whose responders' gene sets are stored; others are tested when asked for.
MOST_ENRICHED = 3


def run(config: KnockoutsConfig, context: StudyContext) -> KnockoutsResult:
    """Knock out, read out, save.

    Raises
    ------
    ConfigError, DataError, RunError
        Where data, model or choice cannot be used, or have changed since the run began.
    CancelledError
        After a cell or a piece of a scan; what is done stays.
    """
    if context.resume and (context.folder / files.SUMMARY).exists():
        return KnockoutsResult.load(context.folder)
    started = time.perf_counter()
    context.on_progress(0, 0, "Ranking the cells")
    ready = make_ready(config, context.settings)
    _Run(ready, context).execute(started)
    return KnockoutsResult.load(context.folder)


def compute(
    ready: Ready, *, on_progress: OnProgress = silent, should_cancel: Callable[[], bool] = never
) -> Analysis:
    """The same at once and in memory: for a cell and a gene, while somebody waits."""
    tally = Tally(n_passes(ready.knocks, ready.config.modes), on_progress, should_cancel)
    responses = {}
    for number, knocks in enumerate(ready.knocks):
        tokens = ready.encoded.cell(int(ready.rows[number]))
        for mode in ready.config.modes:
            n = len(for_mode(knocks, mode))
            one = respond(
                ready.loaded.model,
                tokens,
                knocks,
                mode,
                ready.config,
                on_progress=tally.part(
                    f"{ready.cells['cell'].iloc[number]}, {mode.value}", n, mode
                ),
            )
            tally.finish(n, mode)
            if one is not None:
                responses[number, mode] = one
    return Analysis(ready.config, ready.facts, ready.cells, ready.genes, responses)


class _Run:
    def __init__(self, ready: Ready, context: StudyContext) -> None:
        self.ready, self.context, self.folder = ready, context, context.folder
        self.config = ready.config

    def execute(self, started: float) -> None:
        self._open()
        device = resolve_device(self.config.device, self.context.settings.device)
        if device.type == "mps":  # no float64 there
            device = resolve_device("cpu")
        self.ready.loaded.model.to(device)
        goal = self._goal()
        responses = self._respond()
        shutil.rmtree(self.folder / files.SCANS, ignore_errors=True)
        self.context.on_progress(1, 1, "Reading out")
        ready = self.ready
        analysis = Analysis(ready.config, ready.facts, ready.cells, ready.genes, responses, goal)
        summary = self._tables(analysis)
        if goal is not None:
            summary |= self._goal_tables(responses, goal)
        summary["seconds"] = time.perf_counter() - started
        files.write_json(self.folder / files.SUMMARY, summary)

    def _open(self) -> None:
        """Write down what is done to what, and refuse a folder of something else."""
        plan = dict(self.ready.facts)
        plan["config"] = self.config.model_dump(mode="json")
        path = self.folder / files.PLAN
        if path.exists():
            before = files.read_json(path)
            for key, what in (
                ("config", "configuration has"),
                ("data_hash", "cells have"),
                ("fingerprint", "model has"),
            ):
                if before.get(key) != plan[key]:
                    raise RunError(f"The {what} changed since this run began; start anew.")
        files.write_json(path, plan)
        files.write_frame(self.folder / files.CELLS, self.ready.cells)
        ranking = pd.DataFrame(
            {
                "number": np.repeat(
                    np.arange(len(self.ready.genes)), [len(g) for g in self.ready.genes]
                ),
                "gene": np.concatenate(self.ready.genes),
            }
        )
        files.write_frame(self.folder / files.RANKING, ranking)

    def _respond(self) -> dict[tuple[int, Mode], tuple[KnockoutResult, tuple[str, ...]]]:
        ready, config = self.ready, self.config
        total = n_passes(ready.knocks, config.modes)
        tally = Tally(total, self.context.on_progress, self.context.should_cancel)
        out = {}
        for number, knocks in enumerate(ready.knocks):
            name = ready.cells["cell"].iloc[number]
            tokens = ready.encoded.cell(int(ready.rows[number]))
            for mode in config.modes:
                path = files.response_file(self.folder, number, mode)
                n = len(for_mode(knocks, mode))
                words = f"cell {number + 1:,} of {len(ready.knocks):,} ({name}), {mode.value}"
                report = tally.part(words, n, mode)
                if path.exists():
                    out[number, mode] = files.read_response(path, mode)
                else:
                    one = respond(
                        ready.loaded.model,
                        tokens,
                        knocks,
                        mode,
                        config,
                        folder=files.scan_folder(self.folder, number, mode),
                        on_progress=report,
                        should_cancel=self.context.should_cancel,
                    )
                    if one is not None:
                        files.write_response(path, *one)
                        out[number, mode] = one
                tally.finish(n, mode)
        return out

    def _goal(self) -> np.ndarray | None:
        """Mean embedding of the goal state's cells, ``(d,)``."""
        rows = self.ready.goal_rows
        if rows is None:
            return None
        path = self.folder / files.GOAL_MEAN
        if path.exists():
            return np.asarray(np.load(path, allow_pickle=False))
        loaded: LoadedModel = self.ready.loaded
        cells = [self.ready.encoded.cell(int(row)) for row in rows]

        def tell(done: int, total: int, message: str) -> None:
            self.context.check_cancelled()
            self.context.on_progress(0, 0, f"Goal state: {done:,} of {total:,} cells")

        mean = embed_cells(loaded.model, cells, layer=self.config.layer, on_progress=tell)
        mean = mean.mean(axis=0)
        np.save(path, mean, allow_pickle=False)
        return mean

    def _tables(self, analysis: Analysis) -> dict[str, float]:
        write = files.write_frame
        write(self.folder / files.READ_OUTS, analysis.read_outs)
        write(self.folder / files.SHARES, analysis.shares)
        write(self.folder / files.AGREEMENT, analysis.agreement)
        write(self.folder / files.INTERVALS, analysis.intervals)
        if self.config.target is Target.GENES:
            self._sets(analysis)
        table = analysis.read_outs
        share, low, high = analysis.share()
        summary = {
            "n_cells": float(len(analysis.cells)),
            "n_knockouts": float(len(table[table["mode"] == table["mode"].iloc[0]])),
            "positional_share": share,
            "positional_share_low": low,
            "positional_share_high": high,
        }
        for mode, group in table.groupby("mode"):
            summary[f"auc/{mode}"] = float(group["auc"].median())
            summary[f"auc_near/{mode}"] = float(group["auc_near"].median())
        return summary

    def _sets(self, analysis: Analysis) -> None:
        """Gene sets of the responders, by deletion and by the mode that is free of rank."""
        shown = [
            m for m in dict.fromkeys((Mode.DELETE, analysis.clean_mode)) if m in analysis.modes
        ]
        tests, partners = [], []
        for label in analysis.labels[:MOST_ENRICHED]:
            for mode in shown:
                if not any(analysis.row(cell, mode, label) for cell in analysis.cells_with(label)):
                    continue
                self.context.check_cancelled()
                self.context.on_progress(1, 1, f"Gene sets that answer {label}, {mode.value}")
                table = analysis.enrichment(label, mode)
                table.insert(0, "mode", mode.value)
                table.insert(0, "target", label)
                tests.append(table)
        if self.config.partners:
            for label in analysis.labels:
                table = analysis.partners(label)
                table.insert(0, "target", label)
                partners.append(table)
        for tables, name in ((tests, files.ENRICHMENT), (partners, files.PARTNERS)):
            if tables:
                files.write_frame(self.folder / name, pd.concat(tables, ignore_index=True))

    def _goal_tables(
        self,
        responses: dict[tuple[int, Mode], tuple[KnockoutResult, tuple[str, ...]]],
        goal: np.ndarray,
    ) -> dict[str, float]:
        """Goal-state shift of each gene in each mode, by both nulls."""
        ready, config = self.ready, self.config
        assert ready.goal_rows is not None
        already = set(ready.goal_rows.tolist())
        shifts, tests = [], []
        summary: dict[str, float] = {}
        for mode in config.modes:
            some = [
                (str(ready.cells["cell"].iloc[number]), result)
                for (number, of), (result, _) in responses.items()
                if of == mode and int(ready.rows[number]) not in already
            ]
            if not some:
                continue
            self.context.on_progress(1, 1, f"Goal state: nulls of {mode.value}")
            table = goal_table(some, ready.loaded.vocabulary.names_of, goal)
            tested = gene_tests(
                table,
                window=config.window,
                n_draws=config.n_draws,
                min_cells=config.goal.goal_min_cells,
                seed=config.seed,
            )
            leak = rank_leak(tested)
            summary |= {f"rank_leak/{mode.value}/{k}": v for k, v in leak.items()}
            shifts.append(table.assign(mode=mode.value))
            tests.append(tested.assign(mode=mode.value))
        files.write_frame(self.folder / files.GOAL, pd.concat(shifts, ignore_index=True))
        files.write_frame(self.folder / files.GOAL_TESTS, pd.concat(tests, ignore_index=True))
        return summary
