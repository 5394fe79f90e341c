from __future__ import annotations

import pandas as pd
import pytest

from core.errors import ConfigError
from core.studies.perturbation.config import PerturbationConfig
from core.studies.perturbation.outlook import outlook
from core.studies.perturbation.presets import PRESETS, preset

SMILES = ["CCO", "CCN", "c1ccccc1O", "c1ccncc1", "CC(=O)O", "CCCl"]


def obs(n_test: int = 2) -> pd.DataFrame:
    """Six compounds in two cell types; the last pairs are test rows."""
    rows = [(c, f"drug {i}", s) for i, s in enumerate(SMILES) for c in ("NK cells", "B cells")]
    frame = pd.DataFrame(rows, columns=["cell_type", "sm_name", "SMILES"])
    frame["split"] = ["train"] * (len(rows) - n_test) + ["private_test"] * n_test
    return frame


def config(**changes) -> PerturbationConfig:
    values = {
        "features": [{"name": "onehot"}],
        "models": [{"name": "mlp"}, {"name": "mean"}],
        "validation": {"scheme": "random", "n_folds": 5},
    }
    return PerturbationConfig(**(values | changes))


def words(**changes) -> str:
    return " ".join(outlook(config(**changes), obs(), 50).cautions)


def test_rows_and_fits_by_hand() -> None:
    shape = outlook(config(), obs(), 50)
    assert (shape.n_train, shape.n_test) == (10, 2)
    assert shape.folds == ((8, 2),) * 5
    assert (shape.n_networks, shape.n_others, shape.n_baselines) == (1, 1, 5)
    assert shape.fits == 12  # two models, five folds, and once more on all rows
    assert shape.network_fits == 6


def test_without_a_final_fit_there_is_no_test_score() -> None:
    shape = outlook(config(final_fit=False), obs(), 50)
    assert shape.fits == 10
    assert any("2 test rows are not predicted" in caution for caution in shape.cautions)
    assert not outlook(config(final_fit=False), obs(n_test=0), 50).cautions[1:]


def test_new_compounds_without_molecular_features() -> None:
    held_out = {"scheme": "leave-compound-out", "n_folds": 5}
    assert "same prediction" in words(validation=held_out)
    assert "same prediction" not in words(
        validation=held_out, features=[{"name": "onehot"}, {"name": "morgan"}]
    )
    assert "same prediction" not in words(validation=held_out, models=[{"name": "mean"}])
    assert "same prediction" not in words()  # random pairs: the compound is known elsewhere


def test_target_statistics_of_new_compounds() -> None:
    features = [{"name": "morgan"}, {"name": "target_statistics"}]
    held_out = {"scheme": "leave-compound-out", "n_folds": 5}
    assert "Target statistics" in words(validation=held_out, features=features)
    assert "Target statistics" not in words(features=features)
    # one row a compound: training rows know no more of their compound than held-out ones
    single = obs(0).query("cell_type == 'NK cells'").reset_index(drop=True)
    alone = outlook(config(validation=held_out, features=features), single, 50)
    assert not any("Target statistics" in caution for caution in alone.cautions)


def test_batch_and_components_against_the_smallest_fold() -> None:
    assert "one step an epoch" in words(training={"batch_size": 8})
    assert "one step an epoch" not in words(training={"batch_size": 4})
    assert "leaves nothing out" in words(target={"n_components": 8})
    assert "leaves nothing out" not in words(target={"n_components": 4})


def test_a_scheme_that_cannot_be_applied_says_so() -> None:
    with pytest.raises(ConfigError, match="20 folds need"):
        outlook(config(validation={"scheme": "random", "n_folds": 20}), obs(), 50)


@pytest.mark.parametrize("name", PRESETS.names())
def test_presets_are_valid_and_keep_the_data_set(name: str) -> None:
    made = preset(name, "some-table")
    assert made.dataset == "some-table"
    assert PerturbationConfig.model_validate_json(made.model_dump_json()) == made


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigError, match="no preset called 'best'"):
        preset("best", "op2")
