"""A finished integration: scores, embeddings, clusters and what each method showed of itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from core.errors import RunError
from core.models.integrators.base import INTEGRATORS
from core.studies.integration import files
from core.studies.integration.config import IntegrationConfig
from core.studies.integration.paired import paired_differences

#: By these a method is judged: (a) best ARI, (b) mean ARI at low resolutions, (c) the totals.
CRITERIA = ("best_ari", "mean_ari", "total_batch", "total_bio")


@dataclass(frozen=True)
class MethodResult:
    """One method on all cells; arrays are read when they are asked for.

    Attributes
    ----------
    key, label
        Its name in the run, and for people.
    """

    key: str
    label: str
    folder: Path

    @cached_property
    def _done(self) -> dict[str, Any]:
        return files.read_json(self.folder / files.DONE)

    @property
    def seconds(self) -> float:
        """Wall time of the method alone."""
        return float(self._done["seconds"])

    @property
    def notes(self) -> list[str]:
        """What it chose or left out on the way."""
        return list(self._done["notes"])

    @property
    def values(self) -> dict[str, float]:
        """Scores by name; NaN where one is not defined."""
        return {k: float("nan") if v is None else float(v) for k, v in self._done["values"].items()}

    @property
    def umap(self) -> np.ndarray:
        """float32 ``(n, 2)``."""
        return files.read_array(self.folder / files.UMAP)

    @property
    def embedding(self) -> np.ndarray | None:
        """float32 ``(n, d)``; None for a method that makes a graph."""
        path = self.folder / files.EMBEDDING
        return files.read_array(path) if path.exists() else None

    @property
    def corrected(self) -> np.ndarray | None:
        """Corrected log expression, float32 ``(n, n_genes)``, where the method makes one."""
        path = self.folder / files.CORRECTED
        return files.read_array(path) if path.exists() else None

    @property
    def sweep(self) -> pd.DataFrame:
        """``resolution, n_clusters, ari, nmi, batch_ari``."""
        return files.read_frame(self.folder / files.SWEEP)

    @property
    def best(self) -> int:
        """Row of the sweep with the highest ARI (lowest batch ARI without labels)."""
        return int(self._done["best"])

    def clusters(self, at: int | None = None) -> np.ndarray:
        """Cluster of each cell at one row of the sweep (default: the best), int32 ``(n,)``."""
        return files.read_array(self.folder / files.CLUSTERS)[self.best if at is None else at]

    @property
    def cell_types(self) -> pd.DataFrame:
        """Scores a cell type; empty without labels."""
        return files.read_frame(self.folder / files.CELL_TYPES)

    @property
    def batches(self) -> pd.DataFrame:
        """Scores a batch."""
        return files.read_frame(self.folder / files.BATCHES)

    @property
    def extras(self) -> list[str]:
        """Names of what else the method left; see :meth:`extra`."""
        return list(self._done["extras"])

    def extra(self, name: str) -> Any:
        """``mnn_pairs``, ``losses``, ``gene_shift``, ``topics`` …; None where it has none."""
        return files.read_extra(self.folder, name)


class IntegrationResult:
    """What an integration left in its folder; :meth:`load` checks that it finished."""

    def __init__(self, folder: Path, summary: dict[str, Any]) -> None:
        self.folder, self._summary = Path(folder), summary

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the run has not finished.
        """
        return cls(folder, files.read_json(Path(folder) / files.SUMMARY))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What all methods got: data set, batches, labels, steps, concerns."""
        return files.read_json(self.folder / files.PLAN)

    @property
    def config(self) -> IntegrationConfig:
        """The run's configuration."""
        return IntegrationConfig.model_validate(self.facts["config"])

    @property
    def simulated(self) -> bool:
        """Whether the cells were simulated."""
        return bool(self.facts["simulated"])

    @property
    def floor(self) -> float:
        """Batch ARI of the true labels; NaN without labels."""
        floor = self._summary["batch_ari_floor"]
        return float("nan") if floor is None else float(floor)

    @property
    def failed(self) -> dict[str, str]:
        """Methods that could not work on these cells, with the reason."""
        return dict(self._summary["failed"])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row a cell: ``cell, row, batch`` and, with labels, ``cell_type``."""
        return files.read_frame(self.folder / files.CELLS)

    @cached_property
    def genes(self) -> list[str]:
        """Genes that the methods saw."""
        return files.read_frame(self.folder / files.GENES)["gene"].tolist()

    @property
    def labelled(self) -> bool:
        """Whether cell types are known."""
        return "cell_type" in self.cells

    @cached_property
    def methods(self) -> dict[str, MethodResult]:
        """Methods that worked, by key, in the order of the configuration."""
        found = {}
        for key, method in self.facts["methods"].items():
            folder = files.method_folder(self.folder, key)
            if key not in self.failed and (folder / files.DONE).exists():
                label = INTEGRATORS.get(method["name"]).label
                number = key.removeprefix(method["name"])
                found[key] = MethodResult(key, label + number.replace("-", " "), folder)
        return found

    def method(self, key: str) -> MethodResult:
        """One method.

        Raises
        ------
        RunError
            Where the run has none of that key.
        """
        if key not in self.methods:
            known = ", ".join(self.methods)
            raise RunError(f"The run has no method '{key}'; it has {known}.")
        return self.methods[key]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """``method, draw`` (-1: all cells) and a column a score."""
        return files.read_frame(self.folder / files.SCORES)

    def all_cells(self) -> pd.DataFrame:
        """Scores on all cells, indexed by method."""
        scores = self.scores
        return scores[scores["draw"] == -1].drop(columns="draw").set_index("method")

    def over_draws(self) -> pd.DataFrame:
        """Mean and standard deviation (n − 1) over the draws: columns ``(score, mean|sd)``.

        Empty where the run made no draws.
        """
        draws = self.scores[self.scores["draw"] >= 0].drop(columns="draw")
        if draws.empty:
            return pd.DataFrame()
        grouped = draws.groupby("method", sort=False)
        return pd.concat({"mean": grouped.mean(), "sd": grouped.std(ddof=1)}, axis=1).swaplevel(
            axis=1
        )

    def paired(self, subject: str) -> pd.DataFrame:
        """One method against each other, paired over the draws (all cells, where there are none)."""
        scores = self.scores
        draws = scores[scores["draw"] >= 0]
        return paired_differences(scores if draws.empty else draws, subject, CRITERIA)

    def summary(self) -> dict[str, float]:
        """``score/method`` for the criteria, with the floor and the size of the set."""
        flat = {
            name: float(self._summary[name])
            for name in ("n_cells", "n_genes", "n_batches", "seconds")
        }
        flat["batch_ari_floor"] = self.floor
        table = self.all_cells()
        names = (*CRITERIA, "best_batch_ari", "ilisi", "seconds")
        for name in (n for n in names if n in table):
            for method, value in table[name].items():
                flat[f"{name}/{method}"] = float(value)
        return {key: value for key, value in flat.items() if np.isfinite(value)}

    def data_hash(self) -> str:
        """Content hash of the cells."""
        return str(self.facts["data_hash"])
