"""A finished perturbation run, read back from its folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import ValidationError

from core.data.table import PerturbationTable
from core.errors import RunError
from core.studies.perturbation import files
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.scoring import summary


class PerturbationResult:
    """Numbers, row scores, curves and predictions of a finished run.

    Parameters
    ----------
    folder
        The run's folder; :meth:`load` checks it.
    """

    def __init__(self, folder: Path, scores: dict[str, Any], data: dict[str, Any]) -> None:
        self.folder = folder
        self._scores, self.data = scores, data

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the run has not finished, or a file is damaged.
        """
        folder = Path(folder)
        scores = files.read_json(folder / files.SCORES)
        return cls(folder, scores, files.read_json(folder / files.DATA))

    @cached_property
    def config(self) -> PerturbationConfig:
        """The configuration of the run."""
        try:
            return PerturbationConfig(**files.read_json(self.folder / files.CONFIG))
        except ValidationError as error:
            raise RunError(f"The configuration in {self.folder} is damaged: {error}.") from None

    def summary(self) -> dict[str, float]:
        """Flat metrics; see :func:`core.studies.perturbation.scoring.summary`."""
        return summary(self._scores)

    def data_hash(self) -> str:
        """Content hash of the table."""
        return str(self.data["content_hash"])

    @property
    def simulated(self) -> bool:
        """Whether no laboratory measured the responses."""
        return bool(self.data["simulated"])

    @property
    def primary(self) -> str:
        """The model that the run stands for: the ensemble, or the only chosen one."""
        return str(self._scores["primary"])

    def scores(self) -> dict[str, Any]:
        """Nested numbers; see :func:`core.studies.perturbation.scoring.scores`."""
        return self._scores

    def models(self) -> list[str]:
        """Models with stored predictions: the primary one first."""
        chosen = [key for key, model in self._scores["models"].items() if model["chosen"]]
        return sorted(chosen, key=lambda key: key != self.primary)

    def rows(self) -> pd.DataFrame:
        """Row scores of every model: ``row, cell_type, sm_name, split, fold, model, rmse …``.

        ``fold`` is −1 for test rows; the model ``oracle`` is a simulation's noiseless truth.
        """
        return pd.read_parquet(self.folder / files.ROWS)

    def history(self) -> pd.DataFrame:
        """Curves: ``model, fold, epoch, train_loss, val_loss, val_mrrmse, …``, one row an epoch."""
        return pd.read_parquet(self.folder / files.EPOCHS)

    @cached_property
    def genes(self) -> pd.Index:
        """Gene symbols of the columns of predictions."""
        return pd.Index(pd.read_parquet(self.folder / files.GENES)["gene"], name=None)

    def predictions(self, model: str | None = None) -> np.ndarray:
        """Predicted responses, memory-mapped ``(n_pairs, n_genes)`` in the table's order.

        Training rows are predicted out of fold, test rows by the final fit; NaN where neither
        was done. Default: the primary model.
        """
        return files.read_array(self._prediction_file(model, ""))

    def unmeasured(self) -> pd.DataFrame | None:
        """Pairs without a known response that were predicted, or ``None``."""
        path = self.folder / files.UNMEASURED
        return pd.read_parquet(path) if path.exists() else None

    def unmeasured_predictions(self, model: str | None = None) -> np.ndarray:
        """Predicted responses of :meth:`unmeasured`, memory-mapped ``(n, n_genes)``."""
        return files.read_array(self._prediction_file(model, ".unmeasured"))

    def observed_vs_predicted(
        self, row: int, model: str | None = None, *, table: PerturbationTable | None = None
    ) -> pd.DataFrame:
        """One pair, gene by gene: ``gene, observed, predicted``.

        Parameters
        ----------
        row
            Position of the pair in the table.
        model
            Default: the primary model.
        table
            The run's table, if the caller has it open.

        Raises
        ------
        RunError
            If the row does not exist, or the data set has changed since the run.
        """
        if table is None:
            from core.data import load_perturbation
            from core.settings import get_settings

            table = load_perturbation(self.data["id"], get_settings())
        if table.content_hash != self.data_hash():
            raise RunError(f"The data set '{table.id}' has changed since this run.")
        if not 0 <= row < table.n_pairs:
            raise RunError(f"There is no row {row}; the table has {table.n_pairs:,} pairs.")
        return pd.DataFrame(
            {
                "gene": self.genes,
                "observed": np.asarray(table.values[row], dtype=np.float32),
                "predicted": np.asarray(self.predictions(model)[row], dtype=np.float32),
            }
        )

    def _prediction_file(self, model: str | None, suffix: str) -> Path:
        key = model or self.primary
        if key not in self.models():
            known = ", ".join(self.models())
            raise RunError(f"No predictions are stored for '{key}'; there are some for: {known}.")
        return self.folder / files.PREDICTIONS / f"{key}{suffix}.npy"
