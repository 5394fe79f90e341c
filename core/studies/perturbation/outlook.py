"""What a configuration would do to a table, before it runs: rows, fits, and what to think over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.table import TRAIN
from core.featurizers.base import FEATURIZERS
from core.featurizers.inputs import MOLECULE
from core.models.base import MODELS
from core.studies.perturbation.config import PerturbationConfig, Scheme
from core.studies.perturbation.plan import specs
from core.training.splits import make_folds

#: Schemes in which all rows of a compound are held out together.
NEW_COMPOUNDS = frozenset({Scheme.COMPOUND, Scheme.SCAFFOLD})


@dataclass(frozen=True)
class Outlook:
    """The shape of a run.

    Attributes
    ----------
    folds
        Rows trained on and held out, ``((train, held out), …)``, one pair a fold.
    n_train, n_test
        Measured training rows and test rows of the table.
    n_networks, n_others
        Chosen models that are trained epoch by epoch, and that are fitted in one step.
    n_baselines
        Baselines that run in the same folds beside them; quick, and not counted in the fits.
    final_fit
        Whether each model is fitted once more on all training rows.
    cautions
        Sentences on choices that are allowed but questionable for this table.
    """

    folds: tuple[tuple[int, int], ...]
    n_train: int
    n_test: int
    n_networks: int
    n_others: int
    n_baselines: int
    final_fit: bool
    cautions: tuple[str, ...]

    @property
    def fits(self) -> int:
        """Number of times that a chosen model is fitted."""
        return (self.n_networks + self.n_others) * (len(self.folds) + self.final_fit)

    @property
    def network_fits(self) -> int:
        """How many of them are networks, which take most of the time."""
        return self.n_networks * (len(self.folds) + self.final_fit)


def outlook(config: PerturbationConfig, obs: pd.DataFrame, n_genes: int) -> Outlook:
    """Apply the validation scheme to the training pairs and look at the choices.

    Parameters
    ----------
    config
        The run's configuration.
    obs
        All pairs of the table with ``cell_type``, ``sm_name``, ``SMILES`` and ``split``.
    n_genes
        Genes of the table.

    Raises
    ------
    ConfigError
        Where the scheme cannot be applied to these pairs.
    """
    train = obs[obs["split"] == TRAIN].reset_index(drop=True)
    scheme = config.validation
    fold_of = make_folds(train, str(scheme.scheme), scheme.n_folds, seed=scheme.seed)
    held = np.bincount(fold_of[fold_of >= 0], minlength=scheme.n_folds)
    folds = tuple((len(train) - int(n), int(n)) for n in held)
    planned = specs(config)
    kinds = [spec.kind for spec in planned if spec.chosen]
    n_networks = sum(kind == "network" for kind in kinds)
    shape = Outlook(
        folds=folds,
        n_train=len(train),
        n_test=len(obs) - len(train),
        n_networks=n_networks,
        n_others=len(kinds) - n_networks,
        n_baselines=sum(not spec.chosen for spec in planned),
        final_fit=config.final_fit,
        cautions=(),
    )
    cautions = tuple(_cautions(config, train, shape, n_genes))
    return Outlook(**{**vars(shape), "cautions": cautions})


def _cautions(
    config: PerturbationConfig, train: pd.DataFrame, shape: Outlook, n_genes: int
) -> Iterator[str]:
    kinds = {MODELS.get(model.name).tags.get("kind") for model in config.models}
    features = {feature.name for feature in config.features}
    molecular = any(FEATURIZERS.get(name).tags.get("branch") == MOLECULE for name in features)
    new_compounds = config.validation.scheme in NEW_COMPOUNDS
    if new_compounds and not molecular and kinds - {"baseline"}:
        yield (
            "Held-out compounds are new to the models and no feature describes their molecules, so "
            "all of them get the same prediction in a cell type: add fingerprints or substructures."
        )
    repeated = bool(train["sm_name"].duplicated().any())
    if new_compounds and repeated and "target_statistics" in features:
        yield (
            "Target statistics say much about a training row's compound but, in this scheme, "
            "nothing about a held-out one: models may come to rely on what is missing there."
        )
    smallest = min(rows for rows, _ in shape.folds)
    if shape.n_networks and config.training.batch_size >= smallest:
        yield (
            f"A batch of {config.training.batch_size} holds the whole smallest training fold "
            f"({smallest} rows): one step an epoch."
        )
    components = config.target.n_components
    if shape.n_networks and components is not None and components >= min(smallest, n_genes):
        yield (
            f"{components} components are no fewer than the {min(smallest, n_genes)} that the "
            "smallest training fold can have: the low-rank head leaves nothing out."
        )
    if shape.n_test and not config.final_fit:
        yield (
            f"Without a final fit the {shape.n_test} test rows are not predicted: there will be no "
            "test score."
        )
