"""Configurations to begin with: a quick look, the report that the project follows, the strongest."""

from __future__ import annotations

from typing import Any

from core.registry import Registry
from core.studies.perturbation.config import PerturbationConfig

#: Values that differ from the defaults, by preset; :func:`preset` makes the configuration.
PRESETS: Registry[dict[str, Any]] = Registry("preset")

#: Statistics per compound and cell type, substructure counts and fingerprints, as the report says.
_REPORT_FEATURES = (
    {"name": "onehot"},
    {"name": "target_statistics"},
    {"name": "fragments"},
    {"name": "morgan"},
)

PRESETS.add(
    "quick",
    {
        "name": "Quick look",
        "features": ({"name": "onehot"}, {"name": "target_statistics"}),
        "models": (
            {
                "name": "mlp",
                "params": {"cell_width": 64, "molecule_width": 64, "head_width": 64},
            },
        ),
        "validation": {"n_folds": 3},
        "training": {"epochs": 15, "patience": 0, "learning_rate": 3e-3},
        "target": {"n_components": 64},
    },
    label="Quick look",
    help="A small MLP for a few epochs: is everything in place, and what does a run show?",
)
PRESETS.add(
    "report-mlp",
    {
        "name": "Report MLP",
        "features": _REPORT_FEATURES,
        "models": ({"name": "mlp"},),
        "training": {"epochs": 150, "patience": 0},
    },
    label="Report: two-branch MLP",
    help="The features, layers and MRRMSE loss of the scPerturb report's MLP. The report does not "
    "state its widths, learning rate and split: those are ours.",
)
PRESETS.add(
    "report-transformer",
    {
        "name": "Report transformer",
        "features": _REPORT_FEATURES,
        "models": ({"name": "transformer"},),
        "training": {"epochs": 150, "patience": 0},
    },
    label="Report: transformer",
    help="One encoder layer with 8 heads over cell type and compound, as in the scPerturb report; "
    "what the report does not state is ours. No early stop, so that overfitting shows.",
)
PRESETS.add(
    "ensemble",
    {
        "name": "Strong ensemble",
        "features": _REPORT_FEATURES,
        "models": (
            {"name": "mlp"},
            {"name": "transformer"},
            {"name": "kernel_ridge"},
            {"name": "knn"},
        ),
        "training": {"epochs": 100},
        "target": {"robust_weights": True, "n_components": 128},
    },
    label="Strong ensemble",
    help="MLP, transformer, robust kernel ridge and nearest neighbours, joined with weights fitted "
    "on out-of-fold predictions.",
)


def preset(name: str, dataset: str) -> PerturbationConfig:
    """The configuration of a preset for a data set.

    Raises
    ------
    ConfigError
        Where there is no such preset.
    """
    return PerturbationConfig(**{**PRESETS.get(name).value, "dataset": dataset})
