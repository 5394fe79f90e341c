"""A finished knock-out run: responses on disk, and the analysis of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from core.models.rank_transformer.knockout import KnockoutResult
from core.models.rank_transformer.modes import Mode
from core.studies.knockouts import files
from core.studies.knockouts.analysis import Analysis
from core.studies.knockouts.config import KnockoutsConfig

_Response = tuple[KnockoutResult, tuple[str, ...]]


class StoredResponses(Mapping[tuple[int, Mode], _Response]):
    """Responses of a run, each read when it is asked for; the last few are kept."""

    KEPT = 32

    def __init__(self, folder: Path, n_cells: int, modes: tuple[Mode, ...]) -> None:
        self._paths = {
            (cell, mode): path
            for cell in range(n_cells)
            for mode in modes
            if (path := files.response_file(folder, cell, mode)).exists()
        }
        self._kept: dict[tuple[int, Mode], _Response] = {}

    def __getitem__(self, key: tuple[int, Mode]) -> _Response:
        if key not in self._kept:
            found = files.read_response(self._paths[key], key[1])
            while len(self._kept) >= self.KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = found
        return self._kept[key]

    def __iter__(self) -> Iterator[tuple[int, Mode]]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, key: object) -> bool:
        return key in self._paths


class StoredAnalysis(Analysis):
    """An analysis whose tables were written by the run."""

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        config = KnockoutsConfig.model_validate(plan["config"])
        cells = files.read_frame(folder / files.CELLS)
        ranking = files.read_frame(folder / files.RANKING)
        genes = tuple(part["gene"].to_numpy() for _, part in ranking.groupby("number"))
        super().__init__(
            config, plan, cells, genes, StoredResponses(folder, len(cells), config.modes)
        )
        object.__setattr__(self, "folder", folder)
        for name, file in (
            ("read_outs", files.READ_OUTS),
            ("shares", files.SHARES),
            ("agreement", files.AGREEMENT),
            ("intervals", files.INTERVALS),
        ):
            self.__dict__[name] = files.read_frame(folder / file)

    def enrichment(self, label: str, mode: Mode) -> pd.DataFrame:
        """As :meth:`Analysis.enrichment`; as stored where the run stored it."""
        path = self.__dict__["folder"] / files.ENRICHMENT
        if path.exists():
            table = files.read_frame(path)
            table = table[(table["target"] == label) & (table["mode"] == mode.value)]
            if len(table):
                return table.drop(columns=["target", "mode"]).reset_index(drop=True)
        return super().enrichment(label, mode)


class KnockoutsResult:
    """What a knock-out run left in its folder; :meth:`load` checks that it finished."""

    def __init__(self, folder: Path, numbers: dict[str, Any]) -> None:
        self.folder, self._summary = Path(folder), numbers

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
        """What was done to what."""
        return dict(files.read_json(self.folder / files.PLAN))

    @property
    def config(self) -> KnockoutsConfig:
        """The run's configuration."""
        return KnockoutsConfig.model_validate(self.facts["config"])

    @cached_property
    def analysis(self) -> Analysis:
        """Responses and read-outs."""
        return StoredAnalysis(self.folder, self.facts)

    @cached_property
    def goal_tests(self) -> pd.DataFrame:
        """Goal-state shift of each gene, by mode; see ``core.metrics.knockout_nulls.gene_tests``.

        Empty where no goal was named.
        """
        path = self.folder / files.GOAL_TESTS
        return files.read_frame(path) if path.exists() else pd.DataFrame()

    @cached_property
    def goal_shifts(self) -> pd.DataFrame:
        """``cell, gene, rank, shift, mode``; empty where no goal was named."""
        path = self.folder / files.GOAL
        return files.read_frame(path) if path.exists() else pd.DataFrame()

    def rank_leak(self, mode: Mode) -> dict[str, float]:
        """Spearman correlation of p-values with rank under the matched and the pooled null."""
        start = f"rank_leak/{mode.value}/"
        return {
            key.removeprefix(start): float("nan") if value is None else float(value)
            for key, value in self._summary.items()
            if key.startswith(start)
        }

    def summary(self) -> dict[str, float]:
        """Cells, knock-outs, positional share with its interval, AUC by mode, seconds."""
        flat = {key: float(v) for key, v in self._summary.items() if v is not None}
        return {key: value for key, value in flat.items() if np.isfinite(value)}

    def data_hash(self) -> str:
        """Content hash of the cells."""
        return str(self.facts["data_hash"])
