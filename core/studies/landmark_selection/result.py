"""A finished selection: scores on every split, final sets, paths, stability, transfer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import pandas as pd

from core.errors import RunError
from core.studies.landmark_selection import files
from core.studies.landmark_selection.config import LandmarkSelectionConfig
from core.studies.landmarks.judging import summarise
from core.studies.perturbation.files import read_json

#: Set that others are compared with, where it was run.
REFERENCE = "Random"


class LandmarkSelectionResult:
    """What a selection left in its folder; :meth:`load` checks that it finished."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the run has not finished.
        """
        folder = Path(folder)
        return cls(folder, read_json(folder / files.SUMMARY))

    @property
    def config(self) -> LandmarkSelectionConfig:
        """The configuration of the run."""
        return LandmarkSelectionConfig.model_validate(self.facts["config"])

    @property
    def simulated(self) -> bool:
        """Whether the cells are simulated."""
        return bool(self.facts.get("simulated"))

    def summary(self) -> dict[str, float]:
        """Numbers for the run store: mean held-out error and panel score of each set."""
        found: dict[str, float] = {"seconds": float(self.facts["seconds"])}
        table = self.table()
        for row in table.to_dict("records"):
            found[f"held_mse/{row['set']}"] = float(row["held_mse"])
            found[f"panel_left/{row['set']}"] = float(row["panel_left"])
        found["held_mse"] = float(table["held_mse"].min())
        found["panel_left"] = float(table["panel_left"].min())
        return found

    def data_hash(self) -> str:
        """Content hash of the prepared cells."""
        return str(self.facts["data_hash"])

    def _frame(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        if not path.is_file():
            raise RunError(f"{name} is missing in {self.folder}: the run's result is damaged.")
        return pd.read_parquet(path)

    def scores(self) -> pd.DataFrame:
        """One row a set and split.

        ``set, kind, split, n_genes, held_mse, held_mean_mse, panel_left, penalty, seconds``.
        """
        return self._frame(files.SCORES)

    def table(self) -> pd.DataFrame:
        """Means and 95 % intervals over splits; see :func:`core.studies.landmarks.judging.summarise`."""
        scores = self.scores()
        reference = REFERENCE if (scores["set"] == REFERENCE).any() else None
        return summarise(scores, reference)

    def by_type(self) -> pd.DataFrame:
        """Held-out error by cell type: ``set, split, cell_type, held_mse``."""
        return self._frame(files.BY_TYPE)

    def whole(self) -> pd.DataFrame:
        """Panel score of the final sets, for which every gene was allowed: ``set, panel_left``."""
        return self._frame(files.WHOLE)

    def sets(self) -> pd.DataFrame:
        """Final sets, chosen from all genes on the first split's training cells.

        ``set, rank, gene, why, frequency`` (share of the bootstraps that chose it; NaN without
        bootstraps) and ``is_landmark``.
        """
        return self._frame(files.SETS)

    def genes_of(self, name: str) -> list[str]:
        """Genes of one final set, most important first.

        Raises
        ------
        RunError
            Where the run has no such set.
        """
        sets = self.sets()
        found = sets.loc[sets["set"] == name, "gene"].astype(str).tolist()
        if not found:
            raise RunError(f"The run has no set called '{name}'.")
        return found

    def paths(self) -> pd.DataFrame:
        """Paths of the selectors that have one: ``set, n_genes, error, penalty …``."""
        return self._frame(files.PATHS)

    def genes(self) -> pd.DataFrame:
        """Every measured gene: ``gene, mean, variance, dispersion, detected, is_landmark``."""
        return self._frame(files.GENES)

    def stability(self) -> pd.DataFrame:
        """Stability over bootstraps; empty without them."""
        return self._frame(files.STABILITY)

    def transfer(self) -> pd.DataFrame:
        """Sets learned on either data set, judged on the other one; empty without one."""
        return self._frame(files.TRANSFER)
