"""A finished run's models on new molecules."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from rdkit import Chem

from core.errors import DataError, RunError
from core.featurizers.molecules import structure
from core.featurizers.pipeline import FeaturePipeline
from core.models.base import ResponseModel
from core.models.ensemble import blend
from core.settings import Settings, get_settings
from core.studies.perturbation import files
from core.studies.perturbation.plan import Spec
from core.studies.perturbation.result import PerturbationResult


class Predictor:
    """The final models of a run, joined as the run joined them.

    Attributes
    ----------
    genes
        Gene symbols of the predicted responses.
    members
        Fitted models by name.
    weights
        Weights of the ensemble, in the order of ``members``; ``[1]`` for a single model.
    cell_types
        Cell types of the training rows.
    compounds
        Training compounds: ``sm_name``, ``SMILES``.
    """

    def __init__(
        self,
        pipeline: FeaturePipeline,
        members: dict[str, ResponseModel],
        weights: np.ndarray,
        genes: pd.Index,
        compounds: pd.DataFrame,
    ) -> None:
        self.pipeline, self.members, self.weights = pipeline, members, weights
        self.genes, self.compounds = genes, compounds
        self.cell_types = list(pipeline.state()["cell_types"])

    @cached_property
    def _by_structure(self) -> dict[str, str]:
        """Names of training compounds by canonical SMILES; a screen has no use for them."""
        compounds = self.compounds
        return {
            key: name
            for name, smiles in zip(compounds["sm_name"], compounds["SMILES"], strict=True)
            if (key := _canonical(smiles))
        }

    @classmethod
    def load(cls, folder: Path, settings: Settings | None = None) -> Self:
        """Load the final models of the run in ``folder``.

        Raises
        ------
        RunError
            If the run has not finished, or made no final fit.
        """
        result = PerturbationResult.load(Path(folder))
        final = result.folder / files.FINAL
        if not (final / files.COMPOUNDS).exists():
            raise RunError("This run made no final fit; run it again with 'Final fit' on.")
        device = (settings or get_settings()).device
        ensemble = result.scores()["ensemble"]
        keys, weights = [result.primary], np.ones(1)
        if ensemble is not None:
            keys, weights = list(ensemble["members"]), np.asarray(ensemble["weights"])
        members = {}
        for key in keys:
            about, state = files.read_model(final / key)
            spec = Spec(key, about["name"], about["params"], True)
            members[key] = spec.build(result.config, device, 0).restore(state)
        pipeline = FeaturePipeline.load(final / files.PIPELINE)
        compounds = pd.read_parquet(final / files.COMPOUNDS)
        return cls(pipeline, members, weights, result.genes, compounds)

    def predict(self, obs: pd.DataFrame) -> dict[str, Any]:
        """Predict responses of any pairs.

        Parameters
        ----------
        obs
            ``cell_type`` and ``SMILES``, and perhaps ``sm_name``. A row without a name, or with
            one that training did not have, takes the name of the training compound of the same
            structure, if there is one.

        Returns
        -------
        dict
            ``mean``: the run's prediction, float32 ``(n, n_genes)``; ``members``: that of each
            model; ``genes``; ``known_compound``: bool ``(n,)``, whether the compound was in
            training.

        Raises
        ------
        DataError
            If a column is missing, a cell type was not in training, or a SMILES cannot be read.
        """
        named = self._named(obs)
        inputs = self.pipeline.transform(named)
        members = {key: model.predict(inputs) for key, model in self.members.items()}
        mean = blend(list(members.values()), self.weights)
        return {
            "mean": np.asarray(mean, dtype=np.float32),
            "members": members,
            "genes": self.genes,
            "known_compound": inputs.compound >= 0,
        }

    def _named(self, obs: pd.DataFrame) -> pd.DataFrame:
        missing = [column for column in ("cell_type", "SMILES") if column not in obs]
        if missing:
            raise DataError(f"The rows to predict have no column '{missing[0]}'.")
        unknown = sorted(set(obs["cell_type"].astype(str)) - set(self.cell_types))
        if unknown:
            raise DataError(
                f"The cell type '{unknown[0]}' was not in training; known: "
                f"{', '.join(self.cell_types)}."
            )
        obs = obs.reset_index(drop=True)
        given = obs["sm_name"] if "sm_name" in obs else pd.Series("", index=obs.index)
        known = set(self.compounds["sm_name"])
        found = {text: self._by_structure.get(_canonical(text), "") for text in set(obs["SMILES"])}
        names = [
            name if name in known else found[smiles] or str(name or smiles)
            for name, smiles in zip(given, obs["SMILES"], strict=True)
        ]
        return obs.assign(sm_name=names)


def _canonical(smiles: Any) -> str:
    """Canonical SMILES of the main fragment with its stereochemistry; empty if unreadable."""
    try:
        return Chem.MolToSmiles(structure(str(smiles)))
    except DataError:
        return ""
