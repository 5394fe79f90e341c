"""A finished landmark run, read back from its folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import ValidationError

from core.errors import RunError
from core.metrics.expression import EXPRESSION_METRICS
from core.studies.landmarks import files
from core.studies.landmarks.config import LandmarksConfig
from core.studies.perturbation.files import read_array, read_json


class LandmarksResult:
    """Scores, per-gene and per-type tables, curves and predictions of a finished run."""

    def __init__(self, folder: Path, scores: dict[str, Any], data: dict[str, Any]) -> None:
        self.folder, self._scores, self.data = folder, scores, data

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the run has not finished, or a file is damaged.
        """
        folder = Path(folder)
        return cls(folder, read_json(folder / files.SCORES), read_json(folder / files.DATA))

    @cached_property
    def config(self) -> LandmarksConfig:
        """The configuration of the run."""
        try:
            return LandmarksConfig(**read_json(self.folder / files.CONFIG))
        except ValidationError as error:
            raise RunError(f"The configuration in {self.folder} is damaged: {error}.") from None

    def summary(self) -> dict[str, float]:
        """Numbers for the run store.

        ``mse`` and ``weighted_mse`` are those of the best model by each metric, ``mse/<type>``
        its cell types; ``<model>/mse`` and ``<model>/weighted_mse`` hold for every model.
        """
        flat: dict[str, float] = {
            "n_measured": float(self.data["n_measured"]),
            "n_predicted": float(self.data["n_predicted"]),
        }
        for metric, key in self.best.items():
            found = self._scores["models"][key][metric]
            flat |= {metric: found["mean"]}
            flat |= {f"{metric}_{end}": found[end] for end in ("low", "high") if found[end]}
        types = self.types(self.best["mse"])
        flat |= {
            f"mse/{name}": value for name, value in zip(types.cell_type, types.mse, strict=True)
        }
        for key, model in self._scores["models"].items():
            flat |= {f"{key}/{name}": model[name]["mean"] for name in ("mse", "weighted_mse")}
        return {key: float(value) for key, value in flat.items() if value is not None}

    def data_hash(self) -> str:
        """Content hash of the prepared cells."""
        return str(self.data["content_hash"])

    @property
    def simulated(self) -> bool:
        """Whether the cells were simulated."""
        return bool(self.data["simulated"])

    @property
    def best(self) -> dict[str, str]:
        """The best model that is no reference, by metric."""
        return dict(self._scores["best"])

    @property
    def labels(self) -> dict[str, str]:
        """Model key → label, in the order run, ensembles last."""
        return {key: model["label"] for key, model in self._scores["models"].items()}

    def scores(self) -> dict[str, Any]:
        """Nested numbers as they were written."""
        return self._scores

    def table(self) -> pd.DataFrame:
        """One row a model, best MSE first.

        Returns
        -------
        DataFrame
            ``model, label, kind, made_for``, each metric with ``_low`` and ``_high`` (95 %
            corrected resampled t interval over splits), ``mse_gain``, ``weighted_mse_gain``
            (share below the reference, paired over splits, with intervals), ``seconds``.
        """
        rows = []
        for key, model in self._scores["models"].items():
            row: dict[str, Any] = {"model": key}
            row |= {name: model[name] for name in ("label", "kind", "made_for", "seconds")}
            for name in (*EXPRESSION_METRICS, "mse_gain", "weighted_mse_gain"):
                row[name] = model[name]["mean"]
                row |= {f"{name}_{end}": model[name][end] for end in ("low", "high")}
            rows.append(row)
        table = pd.DataFrame(rows)
        numbers = list(table.columns.drop(["model", "label", "kind", "made_for"]))
        table[numbers] = table[numbers].astype(float)
        return table.sort_values("mse", ignore_index=True)

    def types(self, model: str | None = None) -> pd.DataFrame:
        """Mean over splits: ``model, cell_type, mse, weighted_mse, n_cells`` (tested, all splits)."""
        table = pd.read_parquet(self.folder / files.TYPES)
        if model is not None:
            table = table[table["model"] == self._known(model)]
        grouped = table.groupby(["model", "cell_type"], sort=False)
        return grouped.agg(
            mse=("mse", "mean"), weighted_mse=("weighted_mse", "mean"), n_cells=("n_cells", "sum")
        ).reset_index()

    def genes(self, model: str | None = None) -> pd.DataFrame:
        """Predicted genes: ``gene, gene_id, mean, sd, detected``; with a model also its scores.

        ``mse, weighted_mse, r2`` are means over splits.
        """
        table = pd.read_parquet(self.folder / files.GENES)
        if model is None:
            return table
        scores = pd.read_parquet(
            self.folder / files.GENE_SCORES, filters=[("model", "==", self._known(model))]
        )
        return table.merge(scores.drop(columns="model"), on="gene")

    def measured(self) -> pd.DataFrame:
        """How the measured genes were found: ``given, gene, status``."""
        return pd.read_parquet(self.folder / files.MEASURED)

    def weights(self) -> pd.DataFrame:
        """Weights of the ensembles: ``ensemble, split, model, weight``."""
        rows = [
            (key, number, member, weight)
            for key, splits in self._scores["weights"].items()
            for number, weights in enumerate(splits)
            for member, weight in zip(self._scores["members"], weights, strict=True)
        ]
        return pd.DataFrame(rows, columns=["ensemble", "split", "model", "weight"])

    def history(self) -> pd.DataFrame:
        """Training curves of the networks: ``model, split, epoch, train_loss, val_loss, seconds``."""
        return pd.read_parquet(self.folder / files.EPOCHS)

    @property
    def has_predictions(self) -> bool:
        """Whether the first split's predictions were kept."""
        return (self.folder / files.CELLS).exists()

    def predicted(self, gene: str, model: str) -> pd.DataFrame:
        """One gene in the first split's test cells: ``cell, cell_type, measured, predicted``.

        Raises
        ------
        RunError
            Where the gene was not predicted, the model not run, or predictions were not kept.
        """
        if not self.has_predictions:
            raise RunError("This run kept no predictions; run it again with 'Keep predictions'.")
        position = pd.Index(self.genes()["gene"]).get_indexer(pd.Index([gene]))[0]
        if position < 0:
            raise RunError(f"The gene '{gene}' is not among the predicted genes of this run.")
        cells = pd.read_parquet(self.folder / files.CELLS)
        for name, key in (("measured", files.OBSERVED), ("predicted", self._known(model))):
            values = read_array(self.folder / files.PREDICTIONS / f"{key}.npy")
            cells[name] = np.asarray(values[:, position], dtype=np.float32)
        return cells

    def _known(self, model: str) -> str:
        if model not in self._scores["models"]:
            known = ", ".join(self._scores["models"])
            raise RunError(f"This run has no model '{model}'; it has {known}.")
        return model
