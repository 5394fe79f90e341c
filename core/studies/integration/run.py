"""An integration from cells to result: every method on all cells, then on every draw."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.data import get_dataset, load_cells
from core.errors import CancelledError, DataError, PerturbScopeError, RunError
from core.metrics.neighbours import K_GRAPH, nearest
from core.models.integrators.base import INTEGRATORS, Integrated
from core.progress import OnProgress
from core.studies.base import StudyContext
from core.studies.integration import files
from core.studies.integration.columns import concerns, require
from core.studies.integration.config import IntegrationConfig, MethodConfig, method_keys
from core.studies.integration.evaluate import Prepared, draw_rows, integrate, judge, prepare, score
from core.studies.integration.layout import umap_of
from core.studies.integration.result import IntegrationResult
from core.training.device import resolve_device

if TYPE_CHECKING:
    from anndata import AnnData

#: Steps of the bar for one method on all cells, and on one draw.
_FULL, _DRAW = 100, 40


def run(config: IntegrationConfig, context: StudyContext) -> IntegrationResult:
    """Integrate by every method and score; what a former attempt finished is not done again.

    A method that cannot work on these cells is named in the result with its reason, and the
    others go on.

    Raises
    ------
    DataError
        Where the cells have no counts, no such columns, one batch only, or no method worked.
    CancelledError
        Between two methods, or where a method reports progress.
    """
    if context.resume and (context.folder / files.SUMMARY).exists():
        return IntegrationResult.load(context.folder)
    context.on_progress(0, 0, "Opening the cells")
    cells = load_cells(config.dataset, context.settings)
    _Run(config, context, cells).execute()
    return IntegrationResult.load(context.folder)


class _Run:
    def __init__(self, config: IntegrationConfig, context: StudyContext, cells: AnnData) -> None:
        self.config, self.context, self.cells = config, context, cells
        self.folder = context.folder
        self.methods = method_keys(config.every_method)
        self.device = str(resolve_device(config.device, context.settings.device))
        self.total = len(self.methods) * (_FULL + config.n_draws * _DRAW)
        self.done = 0
        self.started = time.perf_counter()
        self.failed: dict[str, str] = {}

    def execute(self) -> None:
        config = self.config
        batches = require(self.cells.obs, config.batch_key, "batch")
        if batches.isna().any():
            raise DataError(
                f"The batch column '{config.batch_key}' is empty in {int(batches.isna().sum()):,} "
                "cells: name their batch or leave them out."
            )
        labels = (
            require(self.cells.obs, config.label_key, "cell types") if config.label_key else None
        )
        if batches.nunique() < 2:
            raise DataError(
                f"All {self.cells.n_obs:,} cells are in one batch ('{batches.iloc[0]}' in "
                f"'{config.batch_key}'): there is nothing to integrate; choose another column."
            )
        self.context.on_progress(0, self.total, "Preparing the cells")
        prepared = self._prepare(self.cells, config.seed)
        self._open(prepared, concerns(batches, labels))
        for key, method in self.methods.items():
            self._full(key, method, prepared)
        worked = [key for key in self.methods if key not in self.failed]
        if worked in ([], ["none"]) and len(self.methods) > 1:
            raise DataError(" ".join(dict.fromkeys(self.failed.values())))
        for draw in range(config.n_draws):
            self._draw(draw, worked)
        self._close(prepared)

    def _prepare(self, cells: AnnData, seed: int) -> Prepared:
        config = self.config
        prepared = prepare(cells, config.preparation, config.batch_key, config.label_key, seed=seed)
        if len(prepared.groups.batch_names) < 2:
            raise DataError(
                f"After filtering, only cells of the batch '{prepared.groups.batch_names[0]}' are "
                "left: loosen the cut-offs."
            )
        return prepared

    def _open(self, prepared: Prepared, said: list[str]) -> None:
        """Write down what every method gets, once, and refuse a folder of other cells."""
        status = get_dataset(self.config.dataset, self.context.settings)
        plan: dict[str, Any] = {
            "dataset": self.config.dataset,
            "label": status.label,
            "organism": status.organism,
            "data_hash": status.content_hash or "",
            "simulated": bool(status.simulated),
            "config": self.config.model_dump(mode="json"),
            "methods": {k: m.model_dump(mode="json") for k, m in self.methods.items()},
            "batches": list(prepared.groups.batch_names),
            "labels": list(prepared.groups.label_names),
            "steps": prepared.steps,
            "concerns": said,
            "n_cells": prepared.cells.n_obs,
            "n_genes": prepared.cells.n_vars,
        }
        path = self.folder / files.PLAN
        if path.exists():
            before = files.read_json(path)
            if before["data_hash"] != plan["data_hash"] or before["config"] != plan["config"]:
                raise RunError(
                    "The cells or the configuration have changed since this run began; start anew."
                )
        (self.folder / files.DRAWS).mkdir(parents=True, exist_ok=True)
        obs = prepared.cells.obs
        frame = pd.DataFrame(
            {
                "cell": obs.index.astype(str),
                "row": prepared.rows,
                "batch": obs[self.config.batch_key].astype(str).to_numpy(),
            }
        )
        if self.config.label_key:
            column = obs[self.config.label_key]
            frame["cell_type"] = column.astype(object).where(column.notna(), None).to_numpy()
        files.write_frame(self.folder / files.CELLS, frame)
        genes = pd.DataFrame({"gene": prepared.cells.var_names.astype(str)})
        files.write_frame(self.folder / files.GENES, genes)
        files.write_sparse(self.folder / files.LOG, prepared.cells.X)
        files.write_sparse(self.folder / files.COUNTS, prepared.cells.layers["counts"])
        files.write_json(path, plan)

    def _progress(self, words: str, share: int) -> OnProgress:
        """Progress of one method inside the whole; the way in which cancelling reaches it."""

        def report(done: int, total: int, message: str) -> None:
            self.context.check_cancelled()
            part = share * min(max(done / total, 0.0), 1.0) if total else 0
            self.context.on_progress(int(self.done + part), self.total, f"{words}: {message}")

        return report

    def _full(self, key: str, method: MethodConfig, prepared: Prepared) -> None:
        """One method on all cells, with everything that is shown of it."""
        label = INTEGRATORS.get(method.name).label
        folder = files.method_folder(self.folder, key)
        report = self._progress(label, int(0.7 * _FULL))
        if not (folder / files.DONE).exists():
            report(0, 1, "begins")
            try:
                result, seconds = integrate(
                    prepared,
                    method,
                    self.config.batch_key,
                    seed=self.config.seed,
                    device=self.device,
                    on_progress=report,
                )
                self._keep(key, method, prepared, result, seconds, report)
            except CancelledError:
                raise
            except PerturbScopeError as error:
                self.failed[key] = f"{label}: {error}"
        self.done += _FULL

    def _keep(
        self,
        key: str,
        method: MethodConfig,
        prepared: Prepared,
        result: Integrated,
        seconds: float,
        report: OnProgress,
    ) -> None:
        folder = files.method_folder(self.folder, key)
        report(1, 1, "scoring")
        scores = score(prepared, result, self.config.resolutions, seed=self.config.seed)
        report(1, 1, "drawing the map")
        if result.embedding is not None:
            graph = nearest(result.embedding, K_GRAPH).connectivities
            files.write_array(folder / files.EMBEDDING, result.embedding)
        else:
            assert result.connectivities is not None  # scored, so it has one of the two
            graph = result.connectivities.tocsr()
        files.write_sparse(folder / files.CONNECTIVITIES, graph)
        first = files.method_folder(self.folder, next(iter(self.methods))) / files.UMAP
        start = np.asarray(files.read_array(first)) if first.exists() else None
        files.write_array(folder / files.UMAP, umap_of(graph, start=start, seed=self.config.seed))
        if result.corrected is not None:
            files.write_array(folder / files.CORRECTED, np.asarray(result.corrected, np.float32))
        files.write_array(folder / files.CLUSTERS, scores.sweep.clusters.astype(np.int32))
        files.write_frame(folder / files.SWEEP, scores.sweep.table)
        files.write_frame(folder / files.CELL_TYPES, scores.cell_types)
        files.write_frame(folder / files.BATCHES, scores.batches)
        notes = [*result.extras.pop("notes", []), *scores.notes]
        done = {
            "method": method.model_dump(mode="json"),
            "seconds": seconds,
            "values": scores.values,
            "floor": scores.floor,
            "best": scores.sweep.best,
            "notes": notes,
            "extras": files.write_extras(folder, result.extras),
        }
        files.write_json(folder / files.DONE, done)

    def _draw(self, draw: int, worked: list[str]) -> None:
        """Every method on one subset of the cells; genes are chosen on that subset alone."""
        config = self.config
        prepared: Prepared | None = None
        for key in worked:
            label = INTEGRATORS.get(self.methods[key].name).label
            words = f"Draw {draw + 1} of {config.n_draws}, {label}"
            report = self._progress(words, _DRAW)
            path = files.draw_file(self.folder, draw, key)
            if not path.exists():
                report(0, 1, "begins")
                seed = config.seed + 1 + draw
                if prepared is None:
                    rows = draw_rows(self.cells.n_obs, config.draw_share, seed)
                    prepared = self._prepare(self.cells[rows].copy(), seed)
                try:
                    judged = judge(
                        prepared,
                        self.methods[key],
                        config.batch_key,
                        config.resolutions,
                        seed=seed,
                        device=self.device,
                        on_progress=report,
                    )
                    values = {"values": judged.scores.values, "seconds": judged.seconds}
                except CancelledError:
                    raise
                except PerturbScopeError as error:
                    values = {"error": str(error)}
                files.write_json(path, values)
            self.done += _DRAW

    def _close(self, prepared: Prepared) -> None:
        rows, floor = [], float("nan")
        for key in self.methods:
            if key in self.failed:
                continue
            done = files.read_json(files.method_folder(self.folder, key) / files.DONE)
            floor = done["floor"] if done["floor"] is not None else float("nan")
            rows.append({"method": key, "draw": -1, "seconds": done["seconds"]} | done["values"])
            for draw in range(self.config.n_draws):
                kept = files.read_json(files.draw_file(self.folder, draw, key))
                if "values" in kept:
                    numbers = {"seconds": kept["seconds"]} | kept["values"]
                    rows.append({"method": key, "draw": draw} | numbers)
        scores = pd.DataFrame(rows)
        numbers = [name for name in scores if name not in ("method", "draw")]
        scores[numbers] = scores[numbers].astype(np.float64)
        files.write_frame(self.folder / files.SCORES, scores)
        summary = {
            "n_cells": prepared.cells.n_obs,
            "n_genes": prepared.cells.n_vars,
            "n_batches": len(prepared.groups.batch_names),
            "batch_ari_floor": floor,
            "seconds": time.perf_counter() - self.started,
            "failed": self.failed,
        }
        files.write_json(self.folder / files.SUMMARY, summary)
        self.context.on_progress(self.total, self.total, "Finished")
